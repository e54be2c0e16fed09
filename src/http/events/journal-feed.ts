import { setImmediate as nextTurn } from "node:timers/promises";
import { limits } from "../../base/limits.ts";
import { loggerOf } from "../../base/log.ts";
import type { Queryable } from "../../db/client.ts";
import { comparePositions, type JournalPosition, journalStart, readJournal } from "../../db/journal.ts";
import type { Change, ChangeEvents } from "./change-events.ts";
import type { Subscription } from "./subscription.ts";

/** Milliseconds between two looks at the journal when nobody says that there is news. */
const pollMs = 500;
/** Milliseconds before the journal is read again after a failure: doubled each time, up to the second number. */
const backoffMs = { first: 100, max: 30_000 };
/** Milliseconds before another look for a row that is known of and held back: doubled each time, up to `pollMs`. */
const heldBackMs = 5;
/** Changes that are handed out before the sockets get a turn. */
const groupMax = 16;

/** The one reader of the journal in a process, from which all event streams get what is new. */
export interface JournalFeed {
  /**
   * Adds a subscription, which from then on is given all after its position. False if the feed is past that: then the
   * subscription has to be brought up to date from the journal, and to ask again.
   */
  join(subscription: Subscription): boolean;
  leave(subscription: Subscription): void;
  /** Says that there is a new row at `position`. */
  wake(position: JournalPosition): void;
  stop(): Promise<void>;
}

export function createJournalFeed({ db, events }: { db: Queryable; events: ChangeEvents }): JournalFeed {
  const log = loggerOf("events");
  const subscriptions = new Set<Subscription>();
  let position = journalStart;
  /** The last row that we were told of. */
  let announced = journalStart;
  let running: Promise<void> | null = null;
  let isStopping = false;
  let news = false;
  let wakeUp: (() => void) | null = null;

  const isWanted = () => subscriptions.size > 0 && !isStopping;
  const wantsDiff = () => subscriptions.values().some(({ interest }) => interest.diff);

  async function pause(ms: number): Promise<void> {
    if (news || !isWanted()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    wakeUp = resolve;
    await promise;
    clearTimeout(timer);
    wakeUp = null;
  }

  /** Reads on while somebody listens. Between the last check and the end nothing may be awaited: see `join`. */
  async function run(): Promise<void> {
    let failures = 0;
    let looks = 0;
    while (isWanted()) {
      news = false;
      try {
        const rows = await readJournal(db, position, limits.journalBatchMax);
        await publish(await events.visibleChanges(rows));
        position = rows.at(-1) ?? position;
        failures = 0;
        if (rows.length > 0) looks = 0;
        if (rows.length === limits.journalBatchMax) continue;
        const isHeldBack = comparePositions(position, announced) < 0;
        await pause(isHeldBack ? Math.min(heldBackMs * 2 ** looks++, pollMs) : pollMs);
      } catch (error) {
        failures += 1;
        log.error("reading the journal failed {failures} times: {error}", { failures, error });
        news = false;
        await pause(Math.min(backoffMs.first * 2 ** (failures - 1), backoffMs.max));
      }
    }
    running = null;
  }

  async function publish(changes: readonly Change[]): Promise<void> {
    for (let start = 0; start < changes.length; start += groupMax) {
      const group = changes.slice(start, start + groupMax);
      // Somebody who wants diffs may join while the database is asked.
      const diffs = wantsDiff() ? await events.diffEvents(group) : null;
      if (diffs === null && wantsDiff()) {
        start -= groupMax;
        continue;
      }
      for (const [index, change] of group.entries()) {
        const plain = events.plainEvent(change);
        for (const subscription of subscriptions) {
          const bytes = subscription.interest.diff ? diffs?.[index] : plain;
          if (bytes !== undefined) subscription.push(change.type, change.position, bytes);
        }
        position = change.position;
      }
      await nextTurn();
    }
  }

  return {
    join(subscription) {
      if (isStopping) {
        subscription.end();
        return true;
      }
      if (running !== null && comparePositions(subscription.position, position) < 0) return false;
      if (running === null) position = subscription.position;
      subscriptions.add(subscription);
      running ??= run();
      return true;
    },
    leave(subscription) {
      subscriptions.delete(subscription);
      if (subscriptions.size === 0) wakeUp?.();
    },
    wake(written) {
      if (comparePositions(announced, written) < 0) announced = written;
      news = true;
      wakeUp?.();
    },
    async stop() {
      isStopping = true;
      wakeUp?.();
      await running;
    },
  };
}
