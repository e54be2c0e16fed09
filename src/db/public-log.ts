import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { and, asc, between, desc, eq, gt, sql } from "drizzle-orm";
import { canonicalize } from "../base/canonical.ts";
import type { Did, Digest, ThingId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { Queryable } from "./client.ts";
import { type Consumer, startConsumer } from "./consumer.ts";
import { comparePositions, type JournalPosition, type JournalRow } from "./journal.ts";
import { journal, logEntries } from "./schema/index.ts";

/** One change as the public log tells it: ids and a digest, never contents. */
export interface LogRecord {
  /** 1, 2, 3 …, without gaps, in the order of the journal. */
  seq: number;
  /** ISO 8601 with milliseconds, UTC. Not in order: an expiry has the instant at which the registration ran out. */
  at: string;
  kind: JournalRow["kind"];
  /** Who signed the entry; null for an unsigned one. */
  controller: Did | null;
  id: ThingId;
  /** SHA-256 of the document that the change brought; null where it brought none. */
  digest: Digest | null;
}

/** How far the log goes. */
export interface LogPlace {
  /** The number of the last entry; 0 where there is none. */
  seq: number;
  /** Its hash, lower-case hex; `noHash` where there is none. */
  hash: string;
}

export interface LogEntry extends LogRecord {
  hash: string;
}

/** All kinds of changes. */
export const journalKinds = journal.kind.enumValues;

/** What stands in for the hash before the first entry: 32 zero bytes, lower-case hex. */
export const noHash = "0".repeat(64);

/** The log before its first entry. */
export const logStart: LogPlace = { seq: 0, hash: noHash };

/**
 * The hash of a record that follows an entry: SHA-256 over the bytes of the hash before it and the record's JCS form
 * (RFC 8785) in UTF-8. `before` and the result are lower-case hex.
 */
export function hashOfRecord(before: string, record: LogRecord): string {
  const { seq, at, kind, controller, id, digest } = record;
  return createHash("sha256")
    .update(Buffer.from(before, "hex"))
    .update(canonicalize({ seq, at, kind, controller, id, digest }))
    .digest("hex");
}

/** Keeps the log in step with the journal. */
export function startPublicLog({ db }: { db: Queryable }): Consumer {
  return startConsumer({ name: "public-log", db, batchMax: limits.journalBatchMax, handle: extendLog });
}

/**
 * Adds the next rows of the journal to the log, in the transaction that also moves the consumer's checkpoint. Rows that
 * the log has already are compared instead: the log is a function of the journal, and what was once published must come
 * out again. Throws where it does not, and where rows before these are missing in the log.
 */
export async function extendLog(rows: readonly JournalRow[], tx: Queryable): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  let place = await placeBefore(tx, first);
  const links = rows.map((row) => {
    const seq = place.seq + 1;
    place = { seq, hash: hashOfRecord(place.hash, recordOf(seq, row)) };
    return { ...place, xid: row.xid, journalId: row.id };
  });
  const known = await tx
    .select()
    .from(logEntries)
    .where(between(logEntries.seq, place.seq - rows.length + 1, place.seq))
    .orderBy(asc(logEntries.seq));
  for (const [index, entry] of known.entries()) {
    if (!isDeepStrictEqual(entry, links[index])) {
      throw new Error(`entry ${entry.seq} of the public log is not what the journal says; one of them was changed`);
    }
  }
  const added = links.slice(known.length);
  // One statement text for any number of rows: each text is prepared once a connection.
  await tx.execute(sql`
    insert into ${logEntries} (seq, xid, journal_id, hash)
    select seq, xid, "journalId", decode(hash, 'hex')
    from json_to_recordset(${JSON.stringify(added)}::text::json) as r(seq bigint, xid xid8, "journalId" bigint, hash text)`);
}

/** Reads the log. */
export function createLogReader(db: Queryable) {
  return {
    /** The entries after number `after`, oldest first, at most `limit`; `next` is the last one's number if more follow. */
    async readLog(after: number, limit: number): Promise<{ entries: LogEntry[]; next: number | null }> {
      const rows = await db
        .select({
          seq: logEntries.seq,
          at: journal.at,
          kind: journal.kind,
          controller: journal.controller,
          id: journal.thingId,
          digest: journal.digest,
          hash: logEntries.hash,
        })
        .from(logEntries)
        .innerJoin(journal, and(eq(journal.xid, logEntries.xid), eq(journal.id, logEntries.journalId)))
        .where(gt(logEntries.seq, after))
        .orderBy(asc(logEntries.seq))
        .limit(limit + 1);
      const entries = rows.slice(0, limit).map((row) => ({ ...row, at: row.at.toISOString() }));
      return { entries, next: rows.length > limit ? (entries.at(-1)?.seq ?? null) : null };
    },

    /** The last entry; `logStart` where there is none. */
    async head(): Promise<LogPlace> {
      const { seq, hash } = (await lastEntry(db)) ?? logStart;
      return { seq, hash };
    },
  };
}

export type LogReader = ReturnType<typeof createLogReader>;

function recordOf(seq: number, row: JournalRow): LogRecord {
  const { kind, controller, thingId, digest } = row;
  return { seq, at: row.at.toISOString(), kind, controller, id: thingId, digest };
}

/** The place of the log at which `row` follows. */
async function placeBefore(tx: Queryable, row: JournalPosition): Promise<LogPlace> {
  const isBefore = sql`(${journal.xid}, ${journal.id}) < (${row.xid}::xid8, ${row.id}::bigint)`;
  const [previous] = await tx
    .select({ xid: journal.xid, id: journal.id })
    .from(journal)
    .where(isBefore)
    .orderBy(desc(journal.xid), desc(journal.id))
    .limit(1);
  if (previous === undefined) return logStart;
  const entry = await entryAt(tx, previous);
  if (entry === null) {
    throw new Error(
      "the public log does not have all rows of the journal up to its consumer's checkpoint; delete the row `public-log` of `consumers`, and it is made anew",
    );
  }
  return entry;
}

/** The entry of a row of the journal: usually the last one; while its consumer starts again, one among the others. */
async function entryAt(tx: Queryable, position: JournalPosition): Promise<LogPlace | null> {
  let entry = await lastEntry(tx);
  let [low, high] = [1, entry?.seq ?? 0];
  // The entries have the order of their rows, and so are found by halves.
  while (entry !== undefined) {
    const order = comparePositions({ xid: entry.xid, id: entry.journalId }, position);
    if (order === 0) return entry;
    if (order < 0) low = entry.seq + 1;
    else high = entry.seq - 1;
    if (low > high) return null;
    [entry] = await tx
      .select()
      .from(logEntries)
      .where(eq(logEntries.seq, Math.floor((low + high) / 2)));
  }
  return null;
}

async function lastEntry(db: Queryable) {
  const [last] = await db.select().from(logEntries).orderBy(desc(logEntries.seq)).limit(1);
  return last;
}
