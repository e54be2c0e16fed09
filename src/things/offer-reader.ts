import { and, eq, gt, inArray, isNotNull, isNull, ne, or, type SQL, sql } from "drizzle-orm";
import type { EntryKey } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import { journalEnd, type JournalPosition } from "../db/journal.ts";
import { entries, type FollowFilter, journal, listings, peers, versions } from "../db/schema/index.ts";
import { listedDigest, readDigestNode, readListed } from "./digest-query.ts";
import { createDigestNode, type DigestNode } from "./entry-digests.ts";
import { holds } from "./held-entries.ts";
import { createOfferMatcher } from "./offer-matcher.ts";
import type { Change, ChangePage, Offer, View } from "./offers.ts";

export interface OfferReaderOptions {
  /** The origin of this registry. */
  origin(): string;
  /** Whether entries that came from peers are listed as well. */
  relay: boolean;
  /** Whether a description is one that a follower's filter lets through. */
  matches(td: JsonObject, filter: FollowFilter): boolean;
}

/** Documents that are read at once: a page may hold fewer characters than that many documents have. */
const documentsMax = 32;

/** Rows of the journal that are read at once, at least. */
const rowsMin = 64;

/** Rows of the journal that are read for one page: most of a long journal may be of entries that changed again. */
const rowsPerPageMax = 5_000;

/** Entries whose digests are read at once. */
const digestsMax = 1_000;

/** A row of the journal, and whether it is the last one of a signed entry. */
interface ScannedRow extends JournalPosition {
  key: EntryKey;
  counts: boolean;
}

/**
 * Reads this registry's list of entries, as its peers may see it: signed ones that everybody may find, or that their
 * owners have retracted, and that are registered here; with `relay`, also those that a peer's listing holds here.
 */
export function createOfferReader(db: Queryable, { origin, relay, matches }: OfferReaderOptions) {
  const matcher = createOfferMatcher(db, matches);
  const isOwn = and(isNull(entries.origin), ne(entries.door, "lan"));

  /**
   * Where a held entry came through: of the ways by which its current version came, or else of all, the shortest. (A
   * registry that still lists the version before must not be taken for the one that brought this one: it would never be
   * told.) Null where nothing holds it.
   */
  const heldPath = () =>
    sql`(select listing.path from ${listings} listing join ${peers} peer on peer.id = listing.peer
         where listing.key = ${entries.key} and ${holds(origin())}
         order by listing.digest <> ${entries.digest}, cardinality(listing.path), array_to_string(listing.path, ' ') collate "C" limit 1)`;

  /** The path to this registry; null for what is not here by a way of which others are told. */
  const path = () =>
    relay
      ? sql`case when ${isOwn} then '{}'::text[] when ${entries.door} = 'inbox' then ${heldPath()} end`
      : sql`case when ${isOwn} then '{}'::text[] end`;

  const isPublic = (now: Date) =>
    and(
      isNotNull(entries.controller),
      eq(entries.visibility, "public"),
      or(
        eq(entries.state, "retracted"),
        and(eq(entries.state, "active"), or(isNull(entries.expires), gt(entries.expires, now))),
      ),
    );

  /** `key` and `digest` of what is listed for a registry, whatever its filter. */
  const listedFor = ({ to }: View, now: Date): SQL => {
    const isToldTo = to === null ? sql`${path()} is not null` : sql`coalesce(${to}::text <> all (${path()}), false)`;
    const isOther = to === origin() ? sql`false` : sql`true`;
    const digest = relay ? listedDigest(entries.digest, sql`(${path()})`) : sql`${entries.digest}`;
    return sql`select ${entries.key} as key, ${digest} as digest from ${entries}
               where ${isPublic(now)} and ${isToldTo} and ${isOther}`;
  };

  async function read(keys: readonly EntryKey[], now: Date) {
    return db
      .select({
        key: entries.key,
        thingId: entries.thingId,
        controller: entries.controller,
        digest: entries.digest,
        created: entries.created,
        modified: entries.modified,
        kind: versions.kind,
        document: versions.document,
        isPublic: sql<boolean>`${isPublic(now)}`,
        // By a way of which others are told, or once registered here, before it came in by another way.
        isTold: sql<boolean>`(${isOwn} or ${relay}::boolean and ${entries.door} = 'inbox' or exists (
          select from ${versions} was where was.entry_key = ${entries.key} and was.origin is null and was.door <> 'lan'))`,
        path: sql<string[] | null>`${path()}`.mapWith(listings.path),
        isNew: sql<boolean>`(
          select kind in ('created', 'relisted') from ${journal} where entry_key = ${entries.key}
          order by xid desc, id desc limit 1)`,
      })
      .from(entries)
      .innerJoin(versions, eq(versions.id, entries.versionId))
      .where(and(inArray(entries.key, [...keys]), isNotNull(entries.controller)));
  }

  type Row = Awaited<ReturnType<typeof read>>[number];

  /** The offers among `rows`, by their keys; null for one that came through the registry that reads. */
  async function offersOf(rows: readonly Row[], { filter, to }: View): Promise<Map<EntryKey, Offer | null>> {
    const listed = rows.flatMap((row) => offerOf(row) ?? []);
    const matching =
      filter === null
        ? null
        : await matcher.matching(listed, filter, async (keys) => listed.filter(({ key }) => keys.includes(key)));
    return new Map(
      listed
        .filter(({ key }) => matching?.has(key) !== false)
        .map((offer) => [offer.key, to !== null && offer.path.includes(to) ? null : offer]),
    );
  }

  /** What is told of entries, by their keys; nothing of those that were never listed for the view. */
  async function tell(keys: readonly EntryKey[], view: View, now: Date): Promise<Map<EntryKey, Change>> {
    const rows = await read(keys, now);
    const offers = await offersOf(rows, view);
    const told = new Map<EntryKey, Change>();
    for (const row of rows) {
      const { key } = row;
      const offer = offers.get(key);
      if (offer != null) told.set(key, offer);
      else if (offer === undefined && (await wasListed(row, view.filter))) told.set(key, { type: "withdrawal", key });
    }
    return told;
  }

  function offerOf(row: Row): Offer | null {
    const { key, thingId, controller, kind, document, digest, created, modified, isNew } = row;
    if (!row.isPublic || row.path === null || controller === null) return null;
    const way = [...row.path, origin()];
    return { type: "offer", key, thingId, controller, kind, document, digest, path: way, created, modified, isNew };
  }

  /** Whether an entry that is not listed may have been. */
  async function wasListed({ key, isTold }: Row, filter: FollowFilter | null): Promise<boolean> {
    return isTold && (filter === null || matcher.hasMatched(key, filter));
  }

  /** The next rows of the journal, below the oldest running transaction, as `readJournal` has them. */
  async function scan({ xid, id }: JournalPosition, limit: number): Promise<ScannedRow[]> {
    const rows = await rowsOf<{ xid: string; id: string | number; key: EntryKey; counts: boolean }>(
      db,
      sql`select row.xid::text, row.id, encode(row.entry_key, 'hex') as key,
            row.controller is not null and (row.xid, row.id) = (
              select last.xid, last.id from ${journal} last
              where last.entry_key = row.entry_key and last.xid < pg_snapshot_xmin(pg_current_snapshot())
              order by last.xid desc, last.id desc limit 1) as counts
          from ${journal} row
          where (row.xid, row.id) > (${xid}::xid8, ${id}::bigint) and row.xid < pg_snapshot_xmin(pg_current_snapshot())
          order by row.xid, row.id limit ${limit}::integer`,
    );
    return rows.map((row) => ({ ...row, id: Number(row.id) }));
  }

  return {
    /** The place of the last change. */
    end(): Promise<JournalPosition> {
      return journalEnd(db);
    },

    /**
     * The entries whose last change lies after `position`, oldest change first: at most `limit` changes, and at most
     * `limits.entriesPageCharactersMax` characters of documents, but at least one. A page may be without any, and still
     * lead on.
     */
    async changesAfter(position: JournalPosition, view: View, limit: number, now: Date): Promise<ChangePage> {
      const changes: Change[] = [];
      const rowsMax = Math.max(limit, rowsMin);
      let characters = 0;
      let place = position;
      for (let scanned = 0; scanned < rowsPerPageMax; scanned += rowsMax) {
        const rows = await scan(place, rowsMax);
        const last = rows.filter(({ counts }) => counts);
        for (let start = 0; start < last.length; start += documentsMax) {
          const some = last.slice(start, start + documentsMax);
          const told = await tell(
            some.map(({ key }) => key),
            view,
            now,
          );
          for (const { key, xid, id } of some) {
            const change = told.get(key);
            if (change !== undefined) {
              characters += change.type === "offer" ? change.document.length : 0;
              const isFull =
                changes.length === limit || (changes.length > 0 && characters > limits.entriesPageCharactersMax);
              if (isFull) return { changes, position: place, atEnd: false };
              changes.push(change);
            }
            place = { xid, id };
          }
        }
        const end = rows.at(-1);
        if (end !== undefined) place = { xid: end.xid, id: end.id };
        if (rows.length < rowsMax) return { changes, position: place, atEnd: true };
      }
      return { changes, position: place, atEnd: false };
    },

    /** Those of `keys` that are listed for the view, in no order. */
    async offers(keys: readonly EntryKey[], view: View, now: Date): Promise<Offer[]> {
      if (keys.length === 0) return [];
      const offers = await offersOf(await read(keys, now), view);
      return [...offers.values()].filter((offer) => offer !== null);
    },

    /** The digests of what is listed for the view under a prefix (lower-case hex). */
    async digests(prefix: string, view: View, now: Date): Promise<DigestNode> {
      const source = listedFor(view, now);
      if (view.filter === null) return readDigestNode(db, source, prefix);
      const builder = createDigestNode(prefix);
      for (let after: EntryKey | null = null; ;) {
        const listed = await readListed(db, source, prefix, after, digestsMax);
        const matching = await matcher.matching(listed, view.filter);
        for (const one of listed) if (matching.has(one.key)) builder.add(one);
        after = listed.at(-1)?.key ?? null;
        if (listed.length < digestsMax) return builder.node();
      }
    },
  };
}

export type OfferReader = ReturnType<typeof createOfferReader>;
