import { index, pgTable } from "drizzle-orm/pg-core";
import type { EntryKey } from "../../base/ids.ts";
import { hex, tsvector } from "./types.ts";

/**
 * The index of JSONPath searches: which paths and values each active entry's document has, as hashes
 * (src/search/jsonpath/paths.ts). Derived, and rebuilt from the journal; it only says which entries to look at.
 */
export const searchPaths = pgTable(
  "search_paths",
  {
    key: hex("key").$type<EntryKey>().primaryKey(),
    paths: tsvector("paths").notNull(),
  },
  (table) => [index("search_paths_paths").using("gin", table.paths)],
);
