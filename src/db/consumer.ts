import type { Clock } from "../base/clock.ts";
import { loggerOf } from "../base/log.ts";
import type { Queryable } from "./client.ts";
import {
  comparePositions,
  type ConsumedBatch,
  consumeBatch,
  hasBacklog,
  type JournalPosition,
  type JournalRow,
  journalStart,
} from "./journal.ts";
import { consumeBatchOutside } from "./outside-batch.ts";

/** Milliseconds between two looks at the journal when nobody says that there is news. */
const pollMs = 500;
/** Milliseconds in which more rows may come together, where nobody waits: one large batch costs less than many small. */
const gatherMs = 200;
/** Milliseconds before a failed batch is tried again: doubled each time, up to the second number. */
const backoffMs = { first: 100, max: 30_000 };
/** Milliseconds between two looks whether what is kept outside the database is still there, while nothing happens. */
const checkMs = 10_000;

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

export interface OutsideConsumerOptions {
  name: string;
  db: Queryable;
  batchMax: number;
  clock: Clock;
  /** This process among those that share the database: one of them handles batches at a time. */
  holder: string;
  /** Runs before each batch, and every ten seconds otherwise: makes what is kept outside ready, or ends in an error. */
  prepare(signal: AbortSignal): Promise<void>;
  /**
   * Handles a batch with no transaction open; must be idempotent. `signal` aborts when the consumer is stopped, and once
   * another process may have taken over: from then on nothing must be written.
   */
  handle(rows: JournalRow[], signal: AbortSignal): Promise<void>;
}

/** Starts a consumer that keeps something in the database. It catches up at once, then follows. */
export function startConsumer(options: ConsumerOptions): Consumer {
  const { name, db } = options;
  return follow(name, {
    hasWork: () => hasBacklog(db, name),
    take: () => consumeBatch(db, name, options.batchMax, options.handle),
    ...(options.afterBatch === undefined ? {} : { afterBatch: options.afterBatch }),
    // The database is as near as the journal: whoever waits is worth another attempt.
    newsEndsPause: true,
  });
}

/**
 * Starts a consumer that keeps something outside the database, over the network. It never holds a transaction open, and
 * where what it keeps cannot be reached it alone waits, with growing pauses.
 */
export function startOutsideConsumer(options: OutsideConsumerOptions): Consumer {
  const { name, db } = options;
  const stopping = new AbortController();
  let checkedAt = Number.NEGATIVE_INFINITY;
  const consumer = follow(name, {
    hasWork: async () => performance.now() - checkedAt > checkMs || (await hasBacklog(db, name)),
    async take() {
      const batch = await consumeBatchOutside(options, stopping.signal);
      checkedAt = performance.now();
      return batch;
    },
    newsEndsPause: false,
  });
  return {
    ...consumer,
    stop() {
      stopping.abort(new Error("the consumer was stopped"));
      return consumer.stop();
    },
  };
}

/** What tells kinds of consumers apart. */
interface Source {
  /** Whether there is something to do, though nobody said so. */
  hasWork(): Promise<boolean>;
  take(): Promise<ConsumedBatch>;
  afterBatch?(): Promise<void>;
  /** Whether news ends the pause after a failure. */
  newsEndsPause: boolean;
}

function follow(name: string, source: Source): Consumer {
  const log = loggerOf("consumer", name);
  let position = journalStart;
  let stopping = false;
  let news = true;
  let wakeUp: (() => void) | null = null;
  let hurryUp: (() => void) | null = null;
  let stopResting: (() => void) | null = null;
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

  /** Waits for `ms` to pass, whatever comes. */
  async function rest(ms: number): Promise<void> {
    if (stopping) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    stopResting = resolve;
    await promise;
    clearTimeout(timer);
    stopResting = null;
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!stopping) {
      if (news) await gather();
      const told = news || waiting.size > 0;
      news = false;
      try {
        if (!told && !(await source.hasWork())) {
          await pause(pollMs);
          continue;
        }
        const batch = await source.take();
        position = batch.position;
        failures = 0;
        for (const waiter of waiting) {
          if (comparePositions(waiter.position, position) <= 0) waiter.resolve(true);
        }
        if (batch.rows > 0) {
          await source.afterBatch?.();
          continue;
        }
        // A row that we were told of may be held back by a transaction which is still running: look again soon.
        await pause(waiting.size > 0 ? 5 : pollMs);
      } catch (error) {
        if (stopping) return;
        failures += 1;
        const reason = error instanceof Error ? error.message : String(error);
        log.error("batch failed {failures} times: {reason}", { failures, reason, error });
        const ms = Math.min(backoffMs.first * 2 ** (failures - 1), backoffMs.max);
        if (source.newsEndsPause) {
          news = false;
          await pause(ms);
        } else await rest(ms);
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
      stopResting?.();
      for (const waiter of waiting) waiter.resolve(false);
      await running;
    },
  };
}
