import { loggerOf } from "../base/log.ts";
import type { Queryable } from "./client.ts";
import {
  comparePositions,
  consumeBatch,
  hasBacklog,
  type JournalPosition,
  type JournalRow,
  journalStart,
} from "./journal.ts";

/** Milliseconds between two looks at the journal when nobody says that there is news. */
const pollMs = 500;
/** Milliseconds in which more rows may come together, where nobody waits: one large batch costs less than many small. */
const gatherMs = 200;
/** Milliseconds before a failed batch is tried again: doubled each time, up to the second number. */
const backoffMs = { first: 100, max: 30_000 };

/** A running consumer of the journal: at least once, in order, from its own checkpoint. */
export interface Consumer {
  /** Says that there is news. */
  wake(): void;
  /** Resolves true once the consumer has handled everything up to `position`, false after `msMax`. */
  reached(position: JournalPosition, msMax: number): Promise<boolean>;
  /** Finishes the batch at hand and stops. */
  stop(): Promise<void>;
}

export interface ConsumerOptions {
  name: string;
  db: Queryable;
  batchMax: number;
  /** Handles a batch in the transaction that also moves the checkpoint; must be idempotent. */
  handle(rows: JournalRow[], tx: Queryable): Promise<void>;
  /** Runs after each committed batch, outside its transaction. */
  afterBatch?(): Promise<void>;
}

/** Starts a consumer. It catches up at once, then follows. */
export function startConsumer(options: ConsumerOptions): Consumer {
  const log = loggerOf("consumer", options.name);
  let position = journalStart;
  let stopping = false;
  let news = true;
  let wakeUp: (() => void) | null = null;
  let hurryUp: (() => void) | null = null;
  const waiting = new Set<{ position: JournalPosition; resolve: (reached: boolean) => void }>();

  const wake = () => {
    news = true;
    wakeUp?.();
  };

  /** Waits for news, or for `ms` to pass. */
  async function pause(ms: number): Promise<void> {
    if (news || stopping) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    wakeUp = resolve;
    await promise;
    clearTimeout(timer);
    wakeUp = null;
  }

  /** Lets rows come together, until somebody waits for them. */
  async function gather(): Promise<void> {
    if (waiting.size > 0 || stopping) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, gatherMs);
    hurryUp = resolve;
    await promise;
    clearTimeout(timer);
    hurryUp = null;
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!stopping) {
      if (news) await gather();
      const told = news || waiting.size > 0;
      news = false;
      try {
        if (!told && !(await hasBacklog(options.db, options.name))) {
          await pause(pollMs);
          continue;
        }
        const batch = await consumeBatch(options.db, options.name, options.batchMax, options.handle);
        position = batch.position;
        failures = 0;
        for (const waiter of waiting) {
          if (comparePositions(waiter.position, position) <= 0) waiter.resolve(true);
        }
        if (batch.rows > 0) {
          await options.afterBatch?.();
          continue;
        }
        // A row that we were told of may be held back by a transaction which is still running: look again soon.
        await pause(waiting.size > 0 ? 5 : pollMs);
      } catch (error) {
        if (stopping) return;
        failures += 1;
        log.error("batch failed {failures} times: {error}", { failures, error });
        news = false;
        await pause(Math.min(backoffMs.first * 2 ** (failures - 1), backoffMs.max));
      }
    }
  }

  const running = run();
  return {
    wake,
    async reached(wanted, msMax) {
      if (comparePositions(wanted, position) <= 0) return true;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const waiter = { position: wanted, resolve };
      waiting.add(waiter);
      hurryUp?.();
      const timer = setTimeout(() => resolve(false), msMax);
      wake();
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        waiting.delete(waiter);
      }
    },
    async stop() {
      stopping = true;
      wakeUp?.();
      hurryUp?.();
      for (const waiter of waiting) waiter.resolve(false);
      await running;
    },
  };
}
