import { and, asc, countDistinct, desc, eq, gt, sql } from "drizzle-orm";
import type { EntryKey } from "../base/ids.ts";
import type { Queryable } from "./client.ts";
import { rowsOf } from "./client.ts";
import { consumers, journal } from "./schema/index.ts";

export type JournalRow = typeof journal.$inferSelect;
export type NewJournalRow = Omit<typeof journal.$inferInsert, "xid" | "id">;

/**
 * A place in the journal: everything up to and including the row `(xid, id)`. `xid` is a decimal string, since
 * transaction ids are 64 bits wide.
 */
export interface JournalPosition {
  xid: string;
  id: number;
}

/** Before the first row. */
export const journalStart: JournalPosition = { xid: "0", id: 0 };

/** Negative, zero or positive as `a` lies before, at or after `b`. */
export function comparePositions(a: JournalPosition, b: JournalPosition): number {
  const byXid = BigInt(a.xid) - BigInt(b.xid);
  return byXid === 0n ? a.id - b.id : byXid < 0n ? -1 : 1;
}

/** The form that clients see; opaque to them. `epoch` tells a restored database from the one they knew. */
export function formatCursor(epoch: string, position: JournalPosition): string {
  return `${epoch}.${position.xid}.${position.id}`;
}

/** Reads what `formatCursor` wrote; null for anything else. */
export function parseCursor(cursor: string): { epoch: string; position: JournalPosition } | null {
  const match = /^([0-9a-f-]{36})\.(\d{1,19})\.(\d{1,15})$/.exec(cursor);
  if (match === null) return null;
  const [, epoch, xid, id] = match as unknown as [string, string, string, string];
  return { epoch, position: { xid, id: Number(id) } };
}

/** Writes one change in the caller's transaction and returns its place. */
export async function appendToJournal(tx: Queryable, row: NewJournalRow): Promise<JournalPosition> {
  const [position] = await tx.insert(journal).values(row).returning({ xid: journal.xid, id: journal.id });
  if (position === undefined) throw new Error("the journal returned no row");
  return position;
}

/**
 * The next rows after `after`, oldest first, at most `limit`.
 *
 * Ids are drawn before commit, so a reader that only remembers the highest id skips rows which commit late. The
 * order here is `(xid, id)`, and rows of transactions at or above the oldest running one are held back: whatever
 * commits later has a higher xid than all that was returned (design §3.9).
 */
export async function readJournal(db: Queryable, after: JournalPosition, limit: number): Promise<JournalRow[]> {
  return db
    .select()
    .from(journal)
    .where(
      and(
        sql`(${journal.xid}, ${journal.id}) > (${after.xid}::xid8, ${after.id}::bigint)`,
        sql`${journal.xid} < pg_snapshot_xmin(pg_current_snapshot())`,
      ),
    )
    .orderBy(asc(journal.xid), asc(journal.id))
    .limit(limit);
}

/** The last row that `readJournal` returns at this moment; the start where there is none. Later rows come after it. */
export async function journalEnd(db: Queryable): Promise<JournalPosition> {
  const [last] = await db
    .select({ xid: journal.xid, id: journal.id })
    .from(journal)
    .where(sql`${journal.xid} < pg_snapshot_xmin(pg_current_snapshot())`)
    .orderBy(desc(journal.xid), desc(journal.id))
    .limit(1);
  return last ?? journalStart;
}

/** Whether a reader can go on after `position` without loss: `readJournal` has returned its row, and still has it. */
export async function isInJournal(db: Queryable, position: JournalPosition): Promise<boolean> {
  if (comparePositions(position, journalStart) === 0) return true;
  const found = await db
    .select({ id: journal.id })
    .from(journal)
    .where(
      and(
        sql`(${journal.xid}, ${journal.id}) = (${position.xid}::xid8, ${position.id}::bigint)`,
        sql`${journal.xid} < pg_snapshot_xmin(pg_current_snapshot())`,
      ),
    );
  return found.length > 0;
}

/** A batch that was handled: where the consumer is now, and how many rows there were. */
export interface ConsumedBatch {
  position: JournalPosition;
  rows: number;
}

/**
 * Runs `handle` on the next batch of rows in one transaction with the consumer's checkpoint, so that a batch which
 * fails is handled again. Nodes that share a database take turns. Returns the new checkpoint and how many rows
 * there were.
 */
export async function consumeBatch(
  db: Queryable,
  consumer: string,
  limit: number,
  handle: (rows: JournalRow[], tx: Queryable) => Promise<void>,
): Promise<ConsumedBatch> {
  return db.transaction(async (tx) => {
    const [checkpoint] = await tx.select().from(consumers).where(eq(consumers.name, consumer)).for("update");
    if (checkpoint === undefined) {
      await tx
        .insert(consumers)
        .values({ name: consumer, ...journalStart })
        .onConflictDoNothing();
      return { position: journalStart, rows: 1 };
    }
    const rows = await readJournal(tx, checkpoint, limit);
    const last = rows.at(-1);
    if (last === undefined) return { position: { xid: checkpoint.xid, id: checkpoint.id }, rows: 0 };
    await handle(rows, tx);
    const position = { xid: last.xid, id: last.id };
    await tx.update(consumers).set(position).where(eq(consumers.name, consumer));
    return { position, rows: rows.length };
  });
}

/** Whether there is anything for the consumer to handle: a look that, unlike `consumeBatch`, writes nothing. */
export async function hasBacklog(db: Queryable, consumer: string): Promise<boolean> {
  const [answer] = await rowsOf<{ backlog: boolean }>(
    db,
    sql`select exists (
          select from ${journal}
          where (xid, id) > (
              coalesce((select xid from ${consumers} where name = ${consumer}), '0'::xid8),
              coalesce((select id from ${consumers} where name = ${consumer}), 0))
            and xid < pg_snapshot_xmin(pg_current_snapshot())) as backlog`,
  );
  return answer?.backlog === true;
}

/** What a consumer has not handled yet. */
export interface Backlog {
  rows: number;
  /** When the oldest of the rows was written; null where there is none. */
  since: Date | null;
}

/** The rows that the consumer has not handled yet, of which `countedMax` are counted. */
export async function readBacklog(db: Queryable, consumer: string, countedMax: number): Promise<Backlog> {
  const after = await readCheckpoint(db, consumer);
  const [answer] = await rowsOf<{ rows: number; since: number | null }>(
    db,
    sql`select count(*)::integer as rows, (extract(epoch from min(at)) * 1000)::float8 as since from (
          select at from ${journal}
          where (xid, id) > (${after.xid}::xid8, ${after.id}::bigint)
            and xid < pg_snapshot_xmin(pg_current_snapshot())
          order by xid, id limit ${countedMax}) as waiting`,
  );
  const since = answer?.since ?? null;
  return { rows: answer?.rows ?? 0, since: since === null ? null : new Date(since) };
}

/** How far a consumer has come; the journal's start for one that has not begun. */
export async function readCheckpoint(db: Queryable, consumer: string): Promise<JournalPosition> {
  const [checkpoint] = await db
    .select({ xid: consumers.xid, id: consumers.id })
    .from(consumers)
    .where(eq(consumers.name, consumer));
  return checkpoint ?? journalStart;
}

/** Moves a checkpoint, if it is still at `from`. False where somebody else has moved it. */
export async function moveCheckpoint(
  db: Queryable,
  consumer: string,
  from: JournalPosition,
  to: JournalPosition,
): Promise<boolean> {
  if (comparePositions(from, journalStart) === 0) {
    await db
      .insert(consumers)
      .values({ name: consumer, ...journalStart })
      .onConflictDoNothing();
  }
  const moved = await db
    .update(consumers)
    .set(to)
    .where(and(eq(consumers.name, consumer), sql`(xid, id) = (${from.xid}::xid8, ${from.id}::bigint)`))
    .returning({ name: consumers.name });
  return moved.length > 0;
}

/** Puts a checkpoint at `position`, wherever it was. */
export async function setCheckpoint(db: Queryable, consumer: string, position: JournalPosition): Promise<void> {
  const { xid, id } = position;
  await db
    .insert(consumers)
    .values({ name: consumer, xid, id })
    .onConflictDoUpdate({ target: consumers.name, set: { xid, id } });
}

/** Sends a consumer back to the journal's start: it rebuilds what it keeps. */
export async function rewindConsumer(db: Queryable, consumer: string): Promise<void> {
  await setCheckpoint(db, consumer, journalStart);
}

/** Keys of all entries that the journal tells of, in their order: those after `after`, at most `limit`. */
export async function listJournalKeys(db: Queryable, after: EntryKey | null, limit: number): Promise<EntryKey[]> {
  const rows = await db
    .selectDistinct({ key: journal.entryKey })
    .from(journal)
    .where(after === null ? undefined : gt(journal.entryKey, after))
    .orderBy(asc(journal.entryKey))
    .limit(limit);
  return rows.map(({ key }) => key);
}

/** How many entries the journal tells of. */
export async function countJournalKeys(db: Queryable): Promise<number> {
  const [counted] = await db.select({ keys: countDistinct(journal.entryKey) }).from(journal);
  return counted?.keys ?? 0;
}

/**
 * The epoch of this database. When the data was restored into another cluster, or an older state came back, the
 * transaction ids there start elsewhere: then the journal is renumbered in its old order, consumers start again,
 * and a new epoch tells everybody who holds a cursor. The public log keeps its entries, which follow their rows: what
 * was published must never seem to shrink, and its consumer compares them with the journal as it starts again. So do the
 * places up to which peers were told: of rows that are not there, a peer is taken to know all before them. A copied
 * PGlite directory cannot be told from its original.
 */
export async function establishEpoch(db: Queryable): Promise<string> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`lock table registry in exclusive mode`);
    const [now] = await rowsOf<{ lineage: string; ahead: boolean }>(
      tx,
      sql`select (pg_control_system()).system_identifier || '/' || (pg_control_checkpoint()).timeline_id
              || '/' || (select oid from pg_database where datname = current_database()) as lineage,
            coalesce((select max(xid) from journal) > pg_current_xact_id(), false) as ahead`,
    );
    const [known] = await rowsOf<{ epoch: string; lineage: string }>(tx, sql`select epoch, lineage from registry`);
    if (now === undefined) throw new Error("the database does not say which cluster it is");
    if (known !== undefined && known.lineage === now.lineage && !now.ahead) return known.epoch;

    if (known !== undefined) {
      // All rows at once, however many there are.
      await tx.execute(sql`set local statement_timeout = 0`);
      await tx.execute(sql`
        with place as (
            select peers.id as peer, last.xid, last.id from peers
            left join lateral (
              select xid, id from journal where (journal.xid, journal.id) <= (peers.sent_xid, peers.sent_id)
              order by xid desc, id desc limit 1) as last on true
            where peers.sent_xid is not null),
          renumbered as (select xid, id as old_id, row_number() over (order by xid, id) as id from journal)
        update peers
        set sent_xid = case when renumbered.id is null then '0'::xid8 else pg_current_xact_id() end,
            sent_id = coalesce(renumbered.id, 0)
        from place left join renumbered on renumbered.xid = place.xid and renumbered.old_id = place.id
        where peers.id = place.peer`);
      await tx.execute(sql`
        update log_entries set xid = pg_current_xact_id(), journal_id = renumbered.id
        from (select xid, id as old_id, row_number() over (order by xid, id) as id from journal) as renumbered
        where log_entries.xid = renumbered.xid and log_entries.journal_id = renumbered.old_id`);
      await tx.execute(sql`
        update journal set xid = pg_current_xact_id(), id = renumbered.id
        from (select xid, id as old_id, row_number() over (order by xid, id) as id from journal) as renumbered
        where journal.xid = renumbered.xid and journal.id = renumbered.old_id`);
      await tx.execute(sql`
        select setval(pg_get_serial_sequence('journal', 'id'), (select max(id) from journal)) where exists (select from journal)`);
      await tx.delete(consumers);
    }
    const [fresh] = await rowsOf<{ epoch: string }>(
      tx,
      sql`insert into registry (lineage) values (${now.lineage})
          on conflict ("only") do update set lineage = excluded.lineage, epoch = gen_random_uuid()
          returning epoch`,
    );
    if (fresh === undefined) throw new Error("the registry's row was not written");
    return fresh.epoch;
  });
}
