import type { Clock } from "../base/clock.ts";
import type { Queryable } from "./client.ts";
import { type ConsumedBatch, type JournalRow, moveCheckpoint, readCheckpoint, readJournal } from "./journal.ts";
import { endLease, takeLease } from "./leases.ts";

/** Milliseconds for which a process is believed to be at work without a word. It renews its claim three times as often. */
const leaseMs = 15_000;

/** Who works on what a consumer keeps outside the database: of the processes that share it, one at a time. */
export interface OutsideWork {
  name: string;
  db: Queryable;
  clock: Clock;
  /** A UUID of this process. */
  holder: string;
}

/**
 * Runs `work` while no other process works for the consumer; null if one does. `signal` aborts once this process can no
 * longer be sure of that.
 */
export async function workAlone<T>(
  { name, db, clock, holder }: OutsideWork,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<{ result: T } | null> {
  const lease = `consumer ${name}`;
  const take = () => {
    const now = clock.now();
    return takeLease(db, lease, holder, { until: new Date(now.getTime() + leaseMs), now });
  };
  if (!(await take())) return null;
  const lost = new AbortController();
  const lose = (cause?: unknown) => lost.abort(new Error("another process may have taken over", { cause }));
  const renewing = setInterval(() => void take().then((kept) => (kept ? undefined : lose()), lose), leaseMs / 3);
  try {
    return { result: await work(lost.signal) };
  } finally {
    clearInterval(renewing);
    await endLease(db, lease, holder);
  }
}

/**
 * Hands the rows after the consumer's checkpoint to `handle`, with no transaction open, and then moves the checkpoint if
 * it is still where it was: what is interrupted is handled again. While another process handles a batch there are no
 * rows. Returns the checkpoint and how many rows there were. `stopping` interrupts it.
 */
export async function consumeBatchOutside(
  options: OutsideWork & {
    batchMax: number;
    prepare(signal: AbortSignal): Promise<void>;
    handle(rows: JournalRow[], signal: AbortSignal): Promise<void>;
  },
  stopping?: AbortSignal,
): Promise<ConsumedBatch> {
  const { db, name, batchMax } = options;
  const done = await workAlone(options, async (lost): Promise<ConsumedBatch> => {
    const signal = stopping === undefined ? lost : AbortSignal.any([lost, stopping]);
    await options.prepare(signal);
    const from = await readCheckpoint(db, name);
    const rows = await readJournal(db, from, batchMax);
    const last = rows.at(-1);
    if (last === undefined) return { position: from, rows: 0 };
    await options.handle(rows, signal);
    const to = { xid: last.xid, id: last.id };
    const isMoved = await moveCheckpoint(db, name, from, to);
    return { position: isMoved ? to : await readCheckpoint(db, name), rows: rows.length };
  });
  return done?.result ?? { position: await readCheckpoint(db, name), rows: 0 };
}
