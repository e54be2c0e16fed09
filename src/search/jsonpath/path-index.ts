import { sql } from "drizzle-orm";
import type { EntryKey, ThingId } from "../../base/ids.ts";
import { type Queryable, rowsOf } from "../../db/client.ts";
import { consumers, entries, journal, searchPaths } from "../../db/schema/index.ts";
import { type Condition, toTsquery } from "./narrowing.ts";
import type { PathTerm } from "./paths.ts";

/** The journal's consumer that keeps the index. */
export const pathIndexer = "jsonpath";

/** The terms of an entry's document as it is now; null where there is no active entry. */
export interface PathChange {
  key: EntryKey;
  terms: PathTerm[] | null;
}

/** Brings the index up to date in the consumer's transaction; idempotent. */
export async function applyPathChanges(changes: PathChange[], tx: Queryable): Promise<void> {
  const removed = changes.flatMap(({ key, terms }) => (terms === null ? [key] : []));
  const rows = changes.flatMap(({ key, terms }) => (terms === null ? [] : [[key, terms.join(" ")]]));
  if (removed.length > 0) {
    await tx.execute(
      sql`delete from ${searchPaths} where key in (
            select decode(k, 'hex') from json_array_elements_text(${JSON.stringify(removed)}::json) k)`,
    );
  }
  if (rows.length > 0) {
    await tx.execute(
      sql`insert into ${searchPaths} (key, paths)
          select decode(c->>0, 'hex'), (c->>1)::tsvector from json_array_elements(${JSON.stringify(rows)}::json) c
          on conflict (key) do update set paths = excluded.paths where search_paths.paths <> excluded.paths`,
    );
  }
}

export interface CandidatePage {
  /** What their documents must have. */
  condition: Condition;
  /** Only those whose ids come later, by code points. */
  after: ThingId | null;
  limit: number;
  now: Date;
}

/** An entry that may hold what is looked for. */
export interface Candidate {
  key: EntryKey;
  thingId: ThingId;
}

/**
 * The listed entries that `condition` does not rule out, in the listing's order; null if it rules nothing out, and one
 * may as well read the listing. What changed after the index was brought up to date is among them whatever it holds,
 * so that no search misses an entry that a reader would see.
 */
export async function findCandidates(db: Queryable, page: CandidatePage): Promise<Candidate[] | null> {
  const tsquery = toTsquery(page.condition);
  if (tsquery === null) return null;
  const found = await rowsOf<{ key: string; thing_id: string }>(
    db,
    // The planner knows neither how rare a term is nor that the journal's rest is short: it is to ask the index first,
    // and then for one entry after the other.
    sql`with found as materialized (
          select key from ${searchPaths} where paths @@ ${tsquery}::tsquery
          union
          select entry_key from ${journal} where (xid, id) > (
            coalesce((select xid from ${consumers} where name = ${pathIndexer}), '0'::xid8),
            coalesce((select id from ${consumers} where name = ${pathIndexer}), 0)))
        select encode(found.key, 'hex') as key, listed.thing_id
        from found cross join lateral (
          select e.thing_id from ${entries} e
          where e.key = found.key and e.is_primary and e.visibility = 'public' and e.state = 'active'
            and (e.expires is null or e.expires > ${page.now.toISOString()})
          limit 1) listed
        where listed.thing_id > ${page.after ?? ""}
        order by listed.thing_id limit ${page.limit}`,
  );
  return found.map(({ key, thing_id }) => ({ key: key as EntryKey, thingId: thing_id as ThingId }));
}
