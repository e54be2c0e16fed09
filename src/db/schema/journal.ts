import { sql } from "drizzle-orm";
import { bigint, index, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import type { Did, Digest, EntryKey, ThingId } from "../../base/ids.ts";
import { codePointText, hex, xid8 } from "./types.ts";

/**
 * The append-only log of accepted changes, from which all else is derived. Its order is `(xid, id)`, read only
 * below the oldest running transaction; see `../journal.ts` for why.
 */
export const journal = pgTable(
  "journal",
  {
    xid: xid8("xid")
      .notNull()
      .default(sql`pg_current_xact_id()`),
    // By default only: a restored journal is renumbered.
    id: bigint("id", { mode: "number" }).generatedByDefaultAsIdentity().notNull(),
    at: timestamp("at", { withTimezone: true, precision: 3 }).notNull(),
    kind: text("kind", {
      enum: ["created", "updated", "retracted", "unlisted", "relisted", "removed", "expired", "verification"],
    }).notNull(),
    entryKey: hex("entry_key").$type<EntryKey>().notNull(),
    thingId: codePointText("thing_id").$type<ThingId>().notNull(),
    controller: text("controller").$type<Did>(),
    /** The document that the change brought; null where it brought none (unlisted, removed, verification). */
    digest: hex("digest").$type<Digest>(),
    door: text("door", { enum: ["http", "inbox", "lan", "cli"] }).notNull(),
    origin: text("origin"),
  },
  (table) => [
    primaryKey({ columns: [table.xid, table.id] }),
    // Whether a row is the last one of its entry: lists of entries in the order of their last change have each once.
    index("journal_entry").on(table.entryKey, table.xid, table.id),
    // The last change of which entries there are, for the entity tag of the listing.
    index("journal_membership")
      .on(table.xid, table.id)
      .where(sql`${table.kind} not in ('updated', 'expired', 'verification')`),
    index("journal_expired")
      .on(table.at)
      .where(sql`${table.kind} = 'expired'`),
  ],
);

/** How far each consumer of the journal has come. */
export const consumers = pgTable("consumers", {
  name: text("name").primaryKey(),
  xid: xid8("xid").notNull(),
  id: bigint("id", { mode: "number" }).notNull(),
});

/**
 * The public log: the journal's rows in their order, numbered without gaps and chained by hashes. Derived; built anew
 * from the journal it comes out the same.
 */
export const logEntries = pgTable("log_entries", {
  seq: bigint("seq", { mode: "number" }).primaryKey(),
  /** The row of the journal. */
  xid: xid8("xid").notNull(),
  journalId: bigint("journal_id", { mode: "number" }).notNull(),
  /** SHA-256 over the hash before and this record (src/db/public-log.ts). */
  hash: hex("hash").notNull(),
});
