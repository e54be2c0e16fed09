/**
 * `npm run bench:relevance`: how well search ranks 70 real tool servers for 101 labelled queries, alone and beside
 * unrelated entries, against a plain BM25 over the same entries that is computed in the same run.
 * `-- --unrelated 0,10000` says beside how many. The data (../shared/data/mcp) is not part of the repository. On PGlite,
 * or on the Postgres server of DATABASE_URL in databases of its own.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { entryKeyOf, type ThingId } from "../src/base/ids.ts";
import type { JsonObject } from "../src/base/json.ts";
import { limits } from "../src/base/limits.ts";
import type { Database } from "../src/db/client.ts";
import { createPostgresSearch } from "../src/search/postgres.ts";
import type { SearchDocument, SearchEngine } from "../src/search/port.ts";
import { factsOf } from "../src/things/facts.ts";
import { searchFor } from "../test/support/search.ts";
import { unrelatedTd } from "./corpus.ts";
import { openBenchDatabase } from "./database.ts";

interface LabelledQuery {
  q: string;
  relevant: string[];
  kind: "step" | "task";
}

/** Ids, best first. */
type Ranking = (query: string) => Promise<string[]> | string[];

const kinds = ["step", "task"] as const;
const dataFolder = fileURLToPath(new URL("../../shared/data/mcp/", import.meta.url));

/** Entries that are indexed in one transaction. */
const batch = 500;

const tds = readLines<JsonObject & { id: string }>("tds.ndjson");
const queries = readLines<LabelledQuery>("queries-dev.ndjson");
const { values: options } = parseArgs({ options: { unrelated: { type: "string", default: "0,10000,100000" } } });
console.log(`MRR is over the first ${limits.searchPageMax} hits.`);
for (const unrelated of options.unrelated.split(",").map(Number)) {
  await using database = await openBenchDatabase();
  await compare(database, unrelated);
}

async function compare(database: Database, unrelated: number): Promise<void> {
  const engine = await indexed(database, unrelated);
  const ours = await measure(async (query) =>
    searched(await engine.search(searchFor(query, { limit: limits.searchPageMax }), new Date())),
  );
  const reference = await measure(plainBm25(unrelated));
  console.log(`\n${tds.length} descriptions beside ${unrelated} unrelated ones (${database.kind}):\n`);
  console.log(["kind", "engine", "hit@1", "hit@5", "MRR", "nDCG@10"].map(cell).join(""));
  for (const kind of kinds) {
    const count = queries.filter((query) => query.kind === kind).length;
    console.log(rowOf(`${kind} (${count} queries)`, "Thingstead", ours[kind]));
    console.log(rowOf("", "BM25", reference[kind]));
    const ratios = ours[kind].map((value, index) => value / (reference[kind][index] ?? Number.NaN));
    console.log(rowOf("", "Thingstead / BM25", ratios));
  }
}

/** Number `index` of all descriptions: those of the data, then unrelated ones. */
function tdAt(index: number): JsonObject & { id: string } {
  return tds[index] ?? (unrelatedTd(index) as JsonObject & { id: string });
}

function readLines<Line>(name: string): Line[] {
  try {
    return readFileSync(`${dataFolder}${name}`, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
  } catch (error) {
    console.error(`${dataFolder}${name} cannot be read, so there is nothing to measure: ${String(error)}`);
    process.exit(1);
  }
}

async function indexed(database: Database, unrelated: number): Promise<SearchEngine> {
  const search = createPostgresSearch({ db: database.orm });
  for (let start = 0; start < tds.length + unrelated; start += batch) {
    const changes = Array.from({ length: Math.min(batch, tds.length + unrelated - start) }, (_, offset) => {
      const td = tdAt(start + offset);
      const document: SearchDocument = {
        ...factsOf(td),
        key: entryKeyOf(null, td.id as ThingId),
        // The unrelated ones are older, so that nothing is found for being new.
        sequence: 1_000_000 - (start + offset),
        expires: null,
        modified: new Date(0),
        controller: null,
        origin: null,
        verified: false,
        badges: [],
      };
      return { key: document.key, document };
    });
    await database.orm.transaction((tx) => search.apply(changes, tx));
  }
  await search.maintain();
  return search;
}

function searched(page: Awaited<ReturnType<SearchEngine["search"]>>): string[] {
  const ids = new Map(tds.map((td) => [entryKeyOf(null, td.id as ThingId), td.id]));
  return page.hits.map((hit) => ids.get(hit.key) ?? "");
}

/** hit@1, hit@5, MRR and nDCG@10 by kind of query. */
async function measure(ranking: Ranking): Promise<Record<(typeof kinds)[number], number[]>> {
  const sums = { step: [0, 0, 0, 0], task: [0, 0, 0, 0] };
  for (const { q, relevant, kind } of queries) {
    const ids = await ranking(q);
    const isRelevant = ids.map((id) => relevant.includes(id));
    const first = isRelevant.indexOf(true);
    const gain = discounted(isRelevant.slice(0, 10));
    const ideal = discounted(relevant.slice(0, 10).map(() => true));
    const values = [
      first === 0 ? 1 : 0,
      first >= 0 && first < 5 ? 1 : 0,
      first < 0 ? 0 : 1 / (first + 1),
      gain / ideal,
    ];
    const count = queries.filter((query) => query.kind === kind).length;
    sums[kind] = sums[kind].map((sum, index) => sum + (values[index] ?? 0) / count);
  }
  return sums;
}

function discounted(relevance: boolean[]): number {
  return relevance.reduce((sum, isRelevant, index) => sum + (isRelevant ? 1 / Math.log2(index + 2) : 0), 0);
}

/**
 * BM25 as the README of the data has it: k1 1.2, b 0.75; title ×3, description ×2, tool names ×2 split at case and
 * underscores, tool descriptions ×1; a short stop list, which the README does not name.
 */
function plainBm25(unrelated: number): Ranking {
  const [k1, b] = [1.2, 0.75];
  const stopWords = new Set(
    "a an the and or of to in on for with is are be this that it as by from at i me my we our you your please can could would".split(
      " ",
    ),
  );
  const wordsOf = (text: unknown) =>
    (
      String(text ?? "")
        .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
        .toLowerCase()
        .match(/[a-z0-9]+|[^\p{ASCII}]/gu) ?? []
    ).filter((word) => !stopWords.has(word));
  const lengths: number[] = [];
  /** By word, the documents that have it, with its weighted frequency. */
  const postings = new Map<string, Map<number, number>>();
  for (let document = 0; document < tds.length + unrelated; document += 1) {
    let length = 0;
    const add = (text: unknown, weight: number) => {
      for (const word of wordsOf(text)) {
        const having = postings.get(word) ?? new Map<number, number>();
        postings.set(word, having.set(document, (having.get(document) ?? 0) + weight));
        length += 1;
      }
    };
    const td = tdAt(document);
    add(td.title, 3);
    add(td.description, 2);
    for (const [name, action] of Object.entries((td.actions ?? {}) as Record<string, JsonObject>)) {
      add(name, 2);
      add(action.description, 1);
    }
    lengths.push(length);
  }
  const meanLength = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  return (query) => {
    const scores = new Map<number, number>();
    for (const word of wordsOf(query)) {
      const having = postings.get(word) ?? new Map<number, number>();
      const rarity = Math.log(1 + (lengths.length - having.size + 0.5) / (having.size + 0.5));
      for (const [document, frequency] of having) {
        const norm = k1 * (1 - b + (b * (lengths[document] ?? 0)) / meanLength);
        const score = (rarity * frequency * (k1 + 1)) / (frequency + norm);
        scores.set(document, (scores.get(document) ?? 0) + score);
      }
    }
    // As in the README's figures, what has none of the words is ranked as well, last and in the order of the file.
    for (let document = 0; document < limits.searchPageMax; document += 1) {
      if (document < lengths.length && !scores.has(document)) scores.set(document, 0);
    }
    return [...scores]
      .sort(([x, a], [y, c]) => c - a || x - y)
      .slice(0, limits.searchPageMax)
      .map(([document]) => tdAt(document).id);
  };
}

function rowOf(kind: string, engine: string, values: number[]): string {
  return [kind, engine, ...values.map((value) => value.toFixed(3))].map(cell).join("");
}

function cell(text: string, index: number): string {
  return index < 2 ? text.padEnd(20) : text.padStart(9);
}
