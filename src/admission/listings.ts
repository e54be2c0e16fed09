import type { Clock } from "../base/clock.ts";
import type { EntryKey } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { Database, Queryable } from "../db/client.ts";
import type { JournalPosition } from "../db/journal.ts";
import { createHeldEntryWriter } from "../things/held-entries.ts";
import { createListingStore, type Listing } from "../things/listing-store.ts";

/*
 * What peers list, and what becomes of the entries that came in from them. Unlike other writers, these lock the rows of
 * the entries: whether something still holds an entry depends on rows that two of them change at once.
 */

export interface ListingDeps {
  db: Database;
  clock: Clock;
  /** The origin of this registry. */
  origin(): string;
  onAppend(position: JournalPosition): void;
}

/** Takes note of what peers list. `peer` is always the id of a row of `peers`. */
export interface Listings {
  /**
   * Notes that a peer lists these entries, and brings them in line with it: one that nothing had held any more comes back;
   * one that nothing holds, since the peer is blocked or its document was refused, goes. One transaction.
   */
  list(peer: string, listings: readonly Listing[]): Promise<void>;
  /**
   * Notes that a peer does not list these entries any more. Those that nothing else holds are unlisted; where the peer was
   * their origin and another one holds them, that one is from now on. Returns how many were unlisted.
   */
  withdraw(peer: string, keys: readonly EntryKey[]): Promise<number>;
  /**
   * Brings all entries in line that a peer lists or that came from it, at once, however many there are: after it was
   * blocked or unblocked, or its follow ended. Returns how many went or came back.
   */
  reassess(peer: string): Promise<number>;
}

export function createListings({ db, clock, origin, onAppend }: ListingDeps): Listings {
  /** Changes what is known of `keys` under their locks, and settles them. */
  async function change(
    keys: readonly EntryKey[],
    write: (tx: Queryable, now: Date) => Promise<void>,
  ): Promise<number> {
    const now = clock.now();
    const { unlisted, position } = await db.orm.transaction(async (tx) => {
      const held = createHeldEntryWriter(tx, origin());
      await held.letOthers();
      await held.lock(keys);
      await write(tx, now);
      return held.settle(keys, now);
    });
    if (position !== null) onAppend(position);
    return unlisted;
  }

  return {
    async list(peer, listings) {
      if (listings.length === 0) return;
      const keys = listings.map(({ key }) => key);
      await change(keys, (tx, now) => createListingStore(tx).put(peer, listings, now));
    },

    async withdraw(peer, keys) {
      let unlisted = 0;
      for (let start = 0; start < keys.length; start += limits.journalBatchMax) {
        const some = keys.slice(start, start + limits.journalBatchMax);
        unlisted += await change(some, (tx) => createListingStore(tx).remove(peer, some));
      }
      return unlisted;
    },

    async reassess(peer) {
      const { unlisted, relisted, position } = await db.orm.transaction(async (tx) => {
        const held = createHeldEntryWriter(tx, origin());
        await held.lockOutOthers();
        return held.settlePeer(peer, clock.now());
      });
      if (position !== null) onAppend(position);
      return unlisted + relisted;
    },
  };
}
