import type { Queryable } from "../db/client.ts";
import { browse } from "./browse.ts";
import { countFacets, listCapabilities } from "./facets.ts";
import type { SearchEngine } from "./port.ts";
import { applyChanges, forgetUnused, mergePending } from "./postgres-index.ts";
import { rank } from "./rank.ts";

/** Counters that became smaller until those at zero are looked for. */
const removedTermsMax = 20_000;

/** The search engine in the registry's own database: PGlite or Postgres. */
export function createPostgresSearch(deps: { db: Queryable }): SearchEngine {
  const { db } = deps;
  let removedTerms = 0;
  return {
    name: "postgres",
    async apply(changes, tx) {
      const applied = await applyChanges(changes, tx);
      removedTerms += applied.removedTerms;
    },
    async maintain() {
      await mergePending(db);
      if (removedTerms < removedTermsMax) return;
      removedTerms = 0;
      await forgetUnused(db);
    },
    async search(query, now) {
      const page = query.words.trim() === "" ? await browse(db, query, now) : await rank(db, query, now);
      if (query.facets.length === 0) return page.page;
      return { ...page.page, facets: await countFacets(db, page.matches, query.facets, now) };
    },
    capabilities: (options, now) => listCapabilities(db, options, now),
  };
}
