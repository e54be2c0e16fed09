import type { ThingId } from "../../base/ids.ts";
import { limits } from "../../base/limits.ts";
import { Problem } from "../../base/problem.ts";
import type { Clock } from "../../base/clock.ts";
import type { Queryable } from "../../db/client.ts";
import { type Candidate, findCandidates } from "../../search/jsonpath/path-index.ts";
import { type Part, planQuery } from "../../search/jsonpath/plan.ts";
import type { EntryReader, StoredEntry } from "../../things/entry-store.ts";
import { evaluate, type Source, type Task } from "./evaluation.ts";
import { createThreads, type Outcome } from "./threads.ts";

/** Documents that are read and evaluated together. */
const pageMax = 100;
/** Candidates that are asked of the index at once: their ids only. */
const candidatesMax = 5_000;
/** Characters of documents up to which a cheap part is evaluated in the service's own thread: some milliseconds. */
const inlineCharactersMax = 256 * 1024;

/** JSONPath over all things that the listing shows. */
export interface JsonPathSearch {
  /**
   * The nodes that `query` selects in the array of all descriptions as `GET /things` shows them, as a JSON array.
   * Throws `invalid-parameter` (400) for what is no acceptable query, `query-too-costly` (503) where it needs more time
   * or memory, or finds more, than the limits allow, and `too-many-requests` (429) while too many run.
   */
  find(query: string): Promise<string>;
  /** Ends what is running. */
  stop(): Promise<void>;
}

/** What may differ from the limits. */
export interface JsonPathSettings {
  msMax: number;
  pageMsMax: number;
  resultCharactersMax: number;
  wholeCharactersMax: number;
  searchesMax: number;
  threadsMax: number;
  threadMemoryMbMax: number;
  /** False reads every document for every query: the same results, slowly. */
  narrowing: boolean;
}

/** Searches in `entries`, with the index in `db` to tell which of them need to be read. */
export function createJsonPathSearch(deps: {
  db: Queryable;
  entries: EntryReader;
  clock: Clock;
  settings?: Partial<JsonPathSettings>;
}): JsonPathSearch {
  const { db, entries, clock } = deps;
  const settings: JsonPathSettings = {
    msMax: limits.jsonPathMsMax,
    pageMsMax: limits.jsonPathPageMsMax,
    resultCharactersMax: limits.jsonPathResultCharactersMax,
    wholeCharactersMax: limits.jsonPathWholeCharactersMax,
    searchesMax: limits.jsonPathSearchesMax,
    threadsMax: limits.jsonPathThreadsMax,
    threadMemoryMbMax: limits.jsonPathThreadMemoryMbMax,
    narrowing: true,
    ...deps.settings,
  };
  const threads = createThreads({ threadsMax: settings.threadsMax, memoryMbMax: settings.threadMemoryMbMax });
  let running = 0;

  async function find(query: string): Promise<string> {
    const plan = planQuery(query);
    const deadline = performance.now() + settings.msMax;
    const now = clock.now();
    const results: string[] = [];
    // The opening bracket; a comma or the closing one comes after each node.
    let characters = 1;
    let pages = 0;

    /** Evaluates the query, or a part of it, on a page of documents. */
    async function search(part: number | null, page: StoredEntry[], isCheap: boolean): Promise<void> {
      const msLeft = deadline - performance.now();
      if (msLeft <= 0) throw takesTooLong();
      const charactersMax = settings.resultCharactersMax - characters;
      const task: Task = { query, part, sources: page.map((stored) => sourceOf(stored, now)), charactersMax };
      // Most searches have one small page, and need not wait for those that keep the threads busy.
      const isInline = isCheap && pages === 0 && lengthOf(page) <= inlineCharactersMax;
      pages += 1;
      const outcome = isInline ? evaluate(task) : await threads.run(task, Math.min(msLeft, settings.pageMsMax));
      const json = resultOf(outcome);
      if (json === "") return;
      characters += json.length + 1;
      results.push(json);
    }

    if ("whole" in plan) {
      const all: StoredEntry[] = [];
      let wholeCharacters = 0;
      for await (const page of readListing({ from: 0, to: null }, now)) {
        wholeCharacters += lengthOf(page);
        if (wholeCharacters > settings.wholeCharactersMax) throw needsWholeList();
        if (performance.now() > deadline) throw takesTooLong();
        all.push(...page);
      }
      await search(null, all, false);
    } else {
      for (const [index, part] of plan.parts.entries()) {
        for await (const page of ahead(readPart(part, now))) await search(index, page, part.isCheap);
      }
    }
    return `[${results.join(",")}]`;
  }

  /** What the part has to look at, in the listing's order, a page in memory at a time. */
  async function* readPart(part: Part, now: Date): AsyncGenerator<StoredEntry[]> {
    let after: ThingId | null = null;
    for (;;) {
      const query = {
        condition: settings.narrowing ? part.condition : true,
        after,
        limit: candidatesMax,
        now,
      } as const;
      const candidates: Candidate[] | null = await findCandidates(db, query);
      if (candidates === null) {
        yield* readListing(part, now);
        return;
      }
      for (let start = 0; start < candidates.length; start += pageMax) {
        const keys = candidates.slice(start, start + pageMax).map(({ key }) => key);
        const found = new Map((await entries.findActive(keys, now)).map((stored) => [stored.entry.key, stored]));
        yield keys.flatMap((key) => found.get(key) ?? []);
      }
      const last = candidates.at(-1);
      if (last === undefined || candidates.length < candidatesMax) return;
      after = last.thingId;
    }
  }

  /** The listing, or a range of its positions, page by page. */
  async function* readListing({ from, to }: Pick<Part, "from" | "to">, now: Date): AsyncGenerator<StoredEntry[]> {
    let after: ThingId | null = null;
    for (let at = from; to === null || at < to; at += pageMax) {
      const limit = to === null ? pageMax : Math.min(pageMax, to - at);
      const page: StoredEntry[] = await entries.listPrimary({ after, offset: at, limit, now });
      if (page.length > 0) yield page;
      const last = page.at(-1);
      if (last === undefined || page.length < limit) return;
      after = last.entry.thingId;
    }
  }

  return {
    async find(query) {
      if (running >= settings.searchesMax) {
        throw new Problem("too-many-requests", `${running} JSONPath searches are running; try again.`, {
          retryAfterSeconds: 1,
        });
      }
      running += 1;
      try {
        return await find(query);
      } finally {
        running -= 1;
      }
    },
    stop: () => threads.stop(),
  };

  function resultOf(outcome: Outcome): string {
    if ("json" in outcome) return outcome.json;
    if ("tooLong" in outcome) {
      throw tooCostly(
        `query: its result has more than ${settings.resultCharactersMax} characters. Select less, or parts of things.`,
      );
    }
    switch (outcome.givenUp) {
      case "time":
        throw takesTooLong();
      case "memory":
        throw tooCostly(
          `query: its evaluation needs more than ${settings.threadMemoryMbMax} MB. Use fewer ".." and wildcards.`,
        );
      case "turn":
        throw new Problem("query-too-costly", "query: other costly queries are being evaluated; try again.", {
          retry: "later",
          retryAfterSeconds: Math.ceil(settings.pageMsMax / 1_000),
        });
    }
  }

  function takesTooLong(): Problem {
    return tooCostly(
      `query: it takes more than ${settings.msMax} ms, or ${settings.pageMsMax} ms on a few things. Name what a thing must have in a filter of the first segment, ` +
        "such as $[?@.title=='Lamp'], and use fewer \"..\" and wildcards.",
    );
  }

  function needsWholeList(): Problem {
    return tooCostly(
      `query: it needs all things at once, which have more than ${settings.wholeCharactersMax} characters. Do without ` +
        "positions from the end, steps, and $ in filters.",
    );
  }
}

function tooCostly(detail: string): Problem {
  return new Problem("query-too-costly", detail, { retry: "never" });
}

/** The pages of `pages`, of which the next one is read while one is worked on. */
async function* ahead<Page>(pages: AsyncGenerator<Page>): AsyncGenerator<Page> {
  let next = pages.next();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done === true) return;
      next = pages.next();
      // Its failure is thrown where it is awaited.
      next.catch(() => {});
      yield value as Page;
    }
  } finally {
    await next.catch(() => {});
    await pages.return(undefined);
  }
}

function sourceOf({ entry, document }: StoredEntry, now: Date): Source {
  if (entry.controller !== null) return { document, registration: null };
  const { created, modified, expires, ttlSeconds } = entry;
  return { document, registration: { created, modified, expires, ttlSeconds, retrieved: now } };
}

function lengthOf(page: readonly StoredEntry[]): number {
  return page.reduce((sum, { document }) => sum + document.length, 0);
}
