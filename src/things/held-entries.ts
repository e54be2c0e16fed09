import { type SQL, sql } from "drizzle-orm";
import type { EntryKey } from "../base/ids.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import type { JournalPosition } from "../db/journal.ts";
import { entries, journal, listings, peers } from "../db/schema/index.ts";

/*
 * An entry that came in by the inbox is in this registry as long as something holds it: a listing of a peer that is
 * followed and not blocked, that was not refused, and whose path does not lead through this registry.
 */

/** What `settle` has changed. */
export interface Settled {
  unlisted: number;
  relisted: number;
  /** The last row that was journaled; null if nothing was. */
  position: JournalPosition | null;
}

/** Whether a row of `listings listing` joined with its `peers peer` holds its entry here. `origin` is that of this registry. */
export function holds(origin: string): SQL {
  return sql`(peer.following = 'accepted' and not peer.blocked and listing.refused is null
              and ${origin} <> all (listing.path))`;
}

/** Writes what follows for entries from what peers list. Only admission uses it, each method in a transaction. */
export function createHeldEntryWriter(tx: Queryable, origin: string) {
  return {
    /** Waits for `lockOutOthers`, and holds it up, until the transaction ends. */
    async letOthers(): Promise<void> {
      await tx.execute(sql`select pg_advisory_xact_lock_shared(${settlingLock}::bigint)`);
    },

    /** Waits for all that `letOthers`, and holds them up, until the transaction ends; however long both take. */
    async lockOutOthers(): Promise<void> {
      await tx.execute(sql`set local statement_timeout = 0`);
      await tx.execute(sql`select pg_advisory_xact_lock(${settlingLock}::bigint)`);
    },

    /** Locks the entries of `keys` that there are, in the order of their keys: whoever comes second waits, and no two for each other. */
    async lock(keys: readonly EntryKey[]): Promise<void> {
      await tx.execute(sql`select from ${entries} where key = any(${keysIn(keys)}) order by key for update`);
    },

    /** Brings the entries of `keys` in line with what holds them. */
    async settle(keys: readonly EntryKey[], now: Date): Promise<Settled> {
      return settleWhere(sql`entry.key = any(${keysIn(keys)})`, now);
    },

    /** Brings all entries in line that a peer lists, or that came from it. */
    async settlePeer(peer: string, now: Date): Promise<Settled> {
      return settleWhere(
        sql`(entry.origin = (select origin from ${peers} where id = ${peer}::uuid)
             or exists (select from ${listings} listing where listing.peer = ${peer}::uuid and listing.key = entry.key))`,
        now,
      );
    },
  };

  /**
   * In one statement: what nothing holds any more is unlisted; what was unlisted so and is held again comes back, unless it
   * has run out; and where the registry of origin does not hold an entry any more, another one that does takes its place,
   * the one with the shortest path. The last condition is checked against rows that were changed meanwhile as well.
   */
  async function settleWhere(scope: SQL, now: Date): Promise<Settled> {
    const at = sql`${now.toISOString()}::timestamptz`;
    const [settled] = await rowsOf<{ unlisted: number; relisted: number; xid: string; id: string | number | null }>(
      tx,
      sql`with standing as materialized (
            select entry.key, entry.state, entry.origin, (
              select peer.origin from ${listings} listing join ${peers} peer on peer.id = listing.peer
              where listing.key = entry.key and ${holds(origin)}
              order by peer.origin <> entry.origin, cardinality(listing.path), peer.origin collate "C" limit 1) as holder
            from ${entries} entry
            where entry.door = 'inbox' and entry.origin is not null and ${scope}
              and (entry.state = 'active'
                or entry.state = 'unlisted' and entry.unlisted_by = 'origin' and (entry.expires is null or entry.expires > ${at}))),
          settled as (
            update ${entries} entry
            set state = case when standing.holder is null then 'unlisted' else 'active' end,
                unlisted_by = case when standing.holder is null then 'origin' end,
                origin = coalesce(standing.holder, entry.origin),
                modified = case when standing.state = 'active' and standing.holder is not null then entry.modified else ${at} end
            from standing
            where entry.key = standing.key and entry.state = standing.state and entry.door = 'inbox'
              and entry.origin is not null
              and case when standing.state = 'active' then standing.holder is distinct from standing.origin
                       else standing.holder is not null end
            returning entry.key, entry.thing_id, entry.controller, entry.origin,
              case when standing.holder is null then 'unlisted'
                   when standing.state = 'unlisted' then 'relisted'
                   else 'updated' end as kind),
          change as (
            insert into ${journal} (at, kind, entry_key, thing_id, controller, door, origin)
            select ${at}, kind, key, thing_id, controller, 'inbox', origin from settled order by key
            returning kind, id)
          select count(*) filter (where kind = 'unlisted')::integer as unlisted,
            count(*) filter (where kind = 'relisted')::integer as relisted,
            pg_current_xact_id()::text as xid, max(id) as id
          from change`,
    );
    if (settled === undefined) throw new Error("an aggregate without a row");
    const { unlisted, relisted, xid, id } = settled;
    return { unlisted, relisted, position: id === null ? null : { xid, id: Number(id) } };
  }
}

/** Any constant: names the lock that orders what concerns all entries of a peer and what concerns single ones. */
const settlingLock = 7_446_217_302;

function keysIn(keys: readonly EntryKey[]): SQL {
  return sql`array(select decode(k, 'hex') from json_array_elements_text(${JSON.stringify(keys)}::text::json) k)`;
}
