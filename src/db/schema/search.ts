import { sql } from "drizzle-orm";
import { bigint, index, integer, jsonb, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import type { EntryKey } from "../../base/ids.ts";
import { codePointText, hex, tsvector } from "./types.ts";

/**
 * The index of the Postgres search engine: one row an active entry. Nothing here is the truth: it is rebuilt from
 * the journal, and what a search shows is read from `entries` and `versions`.
 *
 * Rows hold what finding and ranking read, and nothing else. Migrations keep them inline and uncompressed where they
 * fit a page (`toast_tuple_target`), because ranking reads hundreds of them for one query.
 */
export const searchEntries = pgTable(
  "search_entries",
  {
    key: hex("key").$type<EntryKey>().primaryKey(),
    /** `entries.sequence`: newest first where nothing else ranks. */
    sequence: bigint("sequence", { mode: "number" }).notNull(),
    expires: timestamp("expires", { withTimezone: true, precision: 3 }),
    /** `entries.modified`. */
    modified: timestamp("modified", { withTimezone: true, precision: 3 }).notNull(),
    /** Milliseconds in which the thing promises to answer. */
    latencyMs: integer("latency_ms"),
    /** The first words of its title, folded: what browsing by title orders by. */
    titleKey: codePointText("title_key").notNull(),
    /** Words with their impact as labels, and the values that filters match (src/search/lexemes.ts, impact.ts). */
    lexemes: tsvector("lexemes").notNull(),
  },
  (table) => [
    index("search_entries_lexemes").using("gin", table.lexemes),
    index("search_entries_sequence").on(table.sequence),
    index("search_entries_modified").on(table.modified, table.sequence),
    index("search_entries_title").on(table.titleKey, table.sequence),
    index("search_entries_latency")
      .on(table.latencyMs)
      .where(sql`${table.latencyMs} IS NOT NULL`),
    index("search_entries_expires")
      .on(table.expires)
      .where(sql`${table.expires} IS NOT NULL`),
  ],
);

/** What a search shows of an entry that it has found: read for the rows of one page, and to count facets. */
export const searchDetails = pgTable("search_details", {
  key: hex("key").$type<EntryKey>().primaryKey(),
  /** What `matched` is computed from. */
  affordances: jsonb("affordances").$type<{ name: string; keys: string[]; words: string; text: string }[]>().notNull(),
  /** The values that facets count, in the form in which filters compare them, each with its facet as a prefix. */
  facetKeys: text("facet_keys").array().notNull(),
  /** The same values as the publisher wrote them, in the same order. */
  facetLabels: text("facet_labels").array().notNull(),
});

/** In how many entries each lexeme occurs, exactly; the empty term counts the entries. */
export const searchTerms = pgTable("search_terms", {
  term: codePointText("term").primaryKey(),
  entries: integer("entries").notNull(),
});

/** Words that have occurred, as they are written: what a mistyped word can have meant. */
export const searchWords = pgTable(
  "search_words",
  {
    word: codePointText("word").primaryKey(),
    /** The word and all that is left of it when one letter goes (Garbe's symmetric delete). */
    stubs: text("stubs").array().notNull(),
  },
  (table) => [index("search_words_stubs").using("gin", table.stubs)],
);

/** The catalogue: in how many entries an affordance has a name of that key, by the name's spelling. */
export const searchCapabilities = pgTable(
  "search_capabilities",
  {
    key: codePointText("key").notNull(),
    name: codePointText("name").notNull(),
    entries: integer("entries").notNull(),
  },
  (table) => [primaryKey({ columns: [table.key, table.name] })],
);
