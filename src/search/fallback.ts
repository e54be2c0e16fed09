import type { Clock } from "../base/clock.ts";
import { loggerOf } from "../base/log.ts";
import { Problem } from "../base/problem.ts";
import { invalidCursor } from "./cursor.ts";
import type { SearchEngine, SearchPage, SearchQuery } from "./port.ts";

/** Milliseconds for which an engine that failed is not asked again: not every search shall wait until it fails. */
const restMs = 5_000;

/**
 * Searches in `preferred`, and where it does not answer, in `fallback`: the page then says so (`degraded`). What a ranked
 * page leads to depends on who ranked it: its cursor bears the engine's name, and goes back to that one. Cursors of queries
 * without words mean the same to both, and each goes on where the other ended.
 *
 * Both are kept up to date by consumers of their own; `apply` and `maintain` are theirs to call.
 *
 * @param deps.isReady whether `preferred` knows nearly all entries. It throws like any question to the database.
 */
export function createFallbackSearch(deps: {
  preferred: SearchEngine;
  fallback: SearchEngine;
  isReady: () => Promise<boolean>;
  clock: Clock;
}): SearchEngine {
  const { preferred, fallback, isReady, clock } = deps;
  const log = loggerOf("search");
  let restsUntil = Number.NEGATIVE_INFINITY;

  /** What `preferred` answers; null where it does not. What is wrong with the question is thrown. */
  async function ask<Answer>(question: () => Promise<Answer>): Promise<Answer | null> {
    if (clock.now().getTime() < restsUntil || !(await isReady())) return null;
    try {
      return await question();
    } catch (error) {
      if (error instanceof Problem && error.status < 500) throw error;
      restsUntil = clock.now().getTime() + restMs;
      log.warning("{engine} does not answer, {fallback} stands in: {error}", {
        engine: preferred.name,
        fallback: fallback.name,
        error,
      });
      return null;
    }
  }

  async function standIn(query: SearchQuery, now: Date): Promise<SearchPage> {
    const page = await fallback.search(query, now);
    return { ...page, degraded: [...(page.degraded ?? []), preferred.name] };
  }

  async function browse(query: SearchQuery, now: Date): Promise<SearchPage> {
    return (await ask(() => preferred.search(query, now))) ?? standIn(query, now);
  }

  async function rank(query: SearchQuery, now: Date): Promise<SearchPage> {
    const { maker, cursor } = readCursor(query.cursor, [preferred, fallback]);
    const asked = { ...query, cursor };
    if (maker !== fallback) {
      const page = await ask(() => preferred.search(asked, now));
      if (page !== null) return marked(preferred, page);
    }
    if (maker === preferred) {
      throw invalidCursor(`belongs to ${preferred.name}, which does not answer now and alone knows what comes next`);
    }
    return marked(fallback, await standIn(asked, now));
  }

  return {
    name: preferred.name,
    apply: (changes, tx) => preferred.apply(changes, tx),
    maintain: () => preferred.maintain(),
    search: (query, now) => (query.words.trim() === "" ? browse(query, now) : rank(query, now)),
    async capabilities(options, now) {
      return (await ask(() => preferred.capabilities(options, now))) ?? fallback.capabilities(options, now);
    },
  };
}

function marked(engine: SearchEngine, page: SearchPage): SearchPage {
  return { ...page, next: page.next === null ? null : `${engine.name}.${page.next}` };
}

/** Throws `invalid-parameter` (400) for a cursor of neither engine. */
function readCursor(
  text: string | null,
  engines: readonly SearchEngine[],
): { maker: SearchEngine | null; cursor: string | null } {
  if (text === null) return { maker: null, cursor: null };
  const maker = engines.find(({ name }) => text.startsWith(`${name}.`));
  if (maker === undefined) throw invalidCursor("must be `next` of the page before");
  return { maker, cursor: text.slice(maker.name.length + 1) };
}
