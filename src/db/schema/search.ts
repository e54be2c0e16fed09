import { sql } from "drizzle-orm";
import { bigint, boolean, index, integer, jsonb, pgTable, real, text, timestamp } from "drizzle-orm/pg-core";
import type { EntryKey } from "../../base/ids.ts";
import { codePointText, hex, tsvector } from "./types.ts";

/**
 * The index of the Postgres search engine: one row an active entry. Nothing here is the truth: it is rebuilt from
 * the journal, and what a search shows is read from `entries` and `versions`.
 */
export const searchEntries = pgTable(
  "search_entries",
  {
    key: hex("key").$type<EntryKey>().primaryKey(),
    /** `entries.sequence`: newest first where nothing else ranks. */
    sequence: bigint("sequence", { mode: "number" }).notNull(),
    expires: timestamp("expires", { withTimezone: true, precision: 3 }),
    /** Lexemes of our own analyser with their field as weight (A title and names … D details). */
    lexemes: tsvector("lexemes").notNull(),
    /** Factor that keeps long descriptions from outweighing short ones. */
    lengthNorm: real("length_norm").notNull(),
    /** Everything that filters match exactly, each with its kind as a prefix, e.g. `capability:get weather`. */
    filters: text("filters").array().notNull(),
    /** What `matched` is computed from for the rows of one page. */
    affordances: jsonb("affordances").$type<{ name: string; keys: string[]; lexemes: string[] }[]>().notNull(),
    verified: boolean("verified").notNull(),
  },
  (table) => [
    index("search_entries_lexemes").using("gin", table.lexemes),
    index("search_entries_filters").using("gin", table.filters),
    index("search_entries_sequence").on(table.sequence),
  ],
);

/** The vocabulary: every lexeme and in how many entries it occurs (an estimate, refreshed as the index grows). */
export const searchTerms = pgTable(
  "search_terms",
  {
    term: codePointText("term").primaryKey(),
    entries: integer("entries").notNull(),
  },
  (table) => [index("search_terms_trigrams").using("gin", sql`${table.term} gin_trgm_ops`)],
);
