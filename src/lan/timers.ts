import { loggerOf } from "../base/log.ts";

/** Timers that end together. None of them keeps the process alive, and what they run cannot end it. */
export interface Timers {
  after(ms: number, run: () => void): void;
  every(ms: number, run: () => void): void;
  stop(): void;
}

export function createTimers(): Timers {
  const log = loggerOf("lan");
  const pending = new Set<NodeJS.Timeout>();
  const intervals: NodeJS.Timeout[] = [];
  let isStopped = false;

  const guarded = (run: () => void) => () => {
    try {
      run();
    } catch (error) {
      log.error("work on the local network failed: {error}", { error });
    }
  };
  return {
    after(ms, run) {
      if (isStopped) return;
      const timer = setTimeout(() => {
        pending.delete(timer);
        guarded(run)();
      }, ms).unref();
      pending.add(timer);
    },
    every(ms, run) {
      if (!isStopped) intervals.push(setInterval(guarded(run), ms).unref());
    },
    stop() {
      isStopped = true;
      for (const timer of [...pending, ...intervals]) clearTimeout(timer);
    },
  };
}
