import { Worker } from "node:worker_threads";
import type { Evaluation, Task } from "./evaluation.ts";

/** How a task ended: done, or given up because it took too long, needed too much memory, or never got its turn. */
export type Outcome = Evaluation | { givenUp: "time" | "memory" | "turn" };

/** Threads that evaluate tasks of unknown cost, so that none can keep the service from answering others. */
export interface Threads {
  /** Evaluates a task; gives up `msMax` milliseconds from now. Rejects if the evaluation fails. */
  run(task: Task, msMax: number): Promise<Outcome>;
  /** Ends the threads, and gives up what they were doing. */
  stop(): Promise<void>;
}

interface Job {
  task: Task;
  timer: NodeJS.Timeout;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

interface Thread {
  worker: Worker;
  job: Job | null;
}

/** Threads that start when they are first needed. They wait for work without keeping the process alive. */
export function createThreads(options: { threadsMax: number; memoryMbMax: number }): Threads {
  const threads = new Set<Thread>();
  const waiting: Job[] = [];
  let stopped = false;

  function assign(): void {
    while (waiting.length > 0) {
      const free = [...threads].find(({ job }) => job === null) ?? (threads.size < options.threadsMax ? start() : null);
      if (free === null) return;
      const job = waiting.shift();
      if (job === undefined) return;
      free.job = job;
      free.worker.ref();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
      free.worker.postMessage(job.task);
    }
  }

  function start(): Thread {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      // Nothing of how the service itself was started.
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: options.memoryMbMax, maxYoungGenerationSizeMb: 16 },
    });
    const thread: Thread = { worker, job: null };
    threads.add(thread);
    worker.on("message", (evaluation: Evaluation) => {
      const { job } = thread;
      thread.job = null;
      worker.unref();
      job?.resolve(evaluation);
      assign();
    });
    worker.on("error", (error: NodeJS.ErrnoException) => {
      const job = drop(thread);
      if (error.code === "ERR_WORKER_OUT_OF_MEMORY") job?.resolve({ givenUp: "memory" });
      else job?.reject(error);
      assign();
    });
    return thread;
  }

  /** Ends the thread, whatever it is doing, and returns what that was. */
  function drop(thread: Thread): Job | null {
    const { job } = thread;
    thread.job = null;
    threads.delete(thread);
    void thread.worker.terminate();
    return job;
  }

  function giveUp(job: Job): void {
    const at = waiting.indexOf(job);
    if (at >= 0) {
      waiting.splice(at, 1);
      job.resolve({ givenUp: "turn" });
      return;
    }
    for (const thread of threads) {
      if (thread.job === job) drop(thread)?.resolve({ givenUp: "time" });
    }
    assign();
  }

  return {
    async run(task, msMax) {
      if (stopped) return { givenUp: "turn" };
      const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
      const timer = setTimeout(() => giveUp(job), Math.max(0, msMax));
      const job: Job = { task, timer, resolve, reject };
      waiting.push(job);
      assign();
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
      }
    },
    async stop() {
      stopped = true;
      for (const job of waiting.splice(0)) job.resolve({ givenUp: "turn" });
      const ended = [...threads].map((thread) => {
        drop(thread)?.resolve({ givenUp: "turn" });
        return thread.worker.terminate();
      });
      await Promise.all(ended);
    },
  };
}
