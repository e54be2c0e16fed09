import { sql } from "drizzle-orm";
import { bigint, index, integer, jsonb, pgTable, smallint, text, timestamp, uniqueIndex } from "drizzle-orm/pg-core";
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
    /** The values that facets count (src/search/facet-codes.ts). */
    facets: integer("facets").array().notNull(),
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

/**
 * A sample of the entries, in rows so narrow that thousands are read in milliseconds: facets of many matches are counted in
 * it, and matches estimated (src/search/samples.ts). Columns are those of `search_entries`, so that a condition on the one
 * is a condition on the other.
 */
export const searchSamples = pgTable(
  "search_samples",
  {
    key: hex("key").$type<EntryKey>().primaryKey(),
    sequence: bigint("sequence", { mode: "number" }).notNull(),
    expires: timestamp("expires", { withTimezone: true, precision: 3 }),
    modified: timestamp("modified", { withTimezone: true, precision: 3 }).notNull(),
    latencyMs: integer("latency_ms"),
    facets: integer("facets").array().notNull(),
    /** Without impacts. Migrations keep it out of the row: its indexes find by it, and hardly anything reads it. */
    lexemes: tsvector("lexemes").notNull(),
  },
  (table) => [
    index("search_samples_lexemes").using("gin", table.lexemes),
    index("search_samples_lexemes_169")
      .using("gin", table.lexemes)
      .where(sql`${table.sequence} % 169 = 0`),
    index("search_samples_lexemes_2197")
      .using("gin", table.lexemes)
      .where(sql`${table.sequence} % 2197 = 0`),
  ],
);

/** What a search shows of an entry that it has found: read for the rows of one page. */
export const searchDetails = pgTable("search_details", {
  key: hex("key").$type<EntryKey>().primaryKey(),
  /** What `matched` is computed from. */
  affordances: jsonb("affordances").$type<{ name: string; keys: string[]; words: string; text: string }[]>().notNull(),
  /** Ids of `search_labels`: how the publisher wrote the values that facets count. */
  labels: integer("labels").array().notNull(),
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

/** The values that facets count, and in how many entries each is. Those of the facet `capability` are the catalogue. */
export const searchValues = pgTable(
  "search_values",
  {
    id: integer("id").primaryKey().generatedAlwaysAsIdentity(),
    /** The facet's number (src/search/facet-codes.ts). */
    facet: smallint("facet").notNull(),
    /** The value in the form in which filters compare it. */
    key: codePointText("key").notNull(),
    entries: integer("entries").notNull(),
  },
  (table) => [
    uniqueIndex("search_values_key").on(table.facet, table.key),
    index("search_values_entries").on(table.facet, table.entries.desc().nullsFirst(), table.key),
    /** What the beginnings of names are looked for in: however the name is written, it has no spaces here. */
    index("search_values_squeezed").on(table.facet, sql`replace(${table.key}, ' ', '')`),
    /** Names by their words. */
    index("search_values_words")
      .using("gin", sql`string_to_array(${table.key}, ' ')`)
      .where(sql`${table.facet} = 0`),
  ],
);

/** The spellings of a value as publishers wrote it, and in how many entries each is. */
export const searchLabels = pgTable(
  "search_labels",
  {
    id: integer("id").primaryKey().generatedAlwaysAsIdentity(),
    /** `search_values.id`. */
    value: integer("value").notNull(),
    label: codePointText("label").notNull(),
    entries: integer("entries").notNull(),
  },
  (table) => [uniqueIndex("search_labels_label").on(table.value, table.label)],
);
