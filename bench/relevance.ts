/**
 * `npm run bench:relevance`: how well search ranks 70 real tool servers for 101 labelled queries, beside a plain BM25
 * that is computed in the same run. The data (../shared/data/mcp) is not part of the repository.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { entryKeyOf, type ThingId } from "../src/base/ids.ts";
import type { JsonObject } from "../src/base/json.ts";
import { limits } from "../src/base/limits.ts";
import { type Database, openDatabase } from "../src/db/client.ts";
import { createPostgresSearch } from "../src/search/postgres.ts";
import type { SearchDocument, SearchEngine } from "../src/search/port.ts";
import { factsOf } from "../src/things/facts.ts";
import { searchFor } from "../test/support/search.ts";

interface LabelledQuery {
  q: string;
  relevant: string[];
  kind: "step" | "task";
}

/** Ids, best first. */
type Ranking = (query: string) => Promise<string[]> | string[];

const kinds = ["step", "task"] as const;
const dataFolder = fileURLToPath(new URL("../../shared/data/mcp/", import.meta.url));

/** What the README of the data says of plain BM25. */
const published = { step: [0.722, 0.87, 0.801, 0.815], task: [0.553, 0.872, 0.667, 0.612] };

const tds = readLines<JsonObject & { id: string }>("tds.ndjson");
const queries = readLines<LabelledQuery>("queries-dev.ndjson");
const databaseUrl = process.env.DATABASE_URL;
const db = await openDatabase(databaseUrl === undefined || databaseUrl === "" ? {} : { databaseUrl });
try {
  const engine = await indexed(db, tds);
  const ours = await measure(async (query) =>
    searched(await engine.search(searchFor(query, { limit: limits.searchPageMax }), new Date())),
  );
  const reference = await measure(plainBm25(tds));
  const rows = kinds.flatMap((kind) => [
    rowOf(`${kind} (${queries.filter((query) => query.kind === kind).length} queries)`, "Thingstead", ours[kind]),
    rowOf("", "BM25, this run", reference[kind]),
    rowOf("", "BM25, README", published[kind]),
    rowOf(
      "",
      "Thingstead / BM25",
      ours[kind].map((value, index) => value / (reference[kind][index] ?? Number.NaN)),
    ),
  ]);
  console.log(
    `Search over ${tds.length} descriptions (${db.kind}). Bounds of one page: MRR and the rest over ${limits.searchPageMax} hits.\n`,
  );
  console.log(["kind", "engine", "hit@1", "hit@5", "MRR", "nDCG@10"].map(cell).join(""));
  for (const row of rows) console.log(row);
  console.log(
    "\nThe README names the fields, k1 and b of its BM25, but not its stop list; the one used here is in bench/relevance.ts.",
  );
} finally {
  await db.close();
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

async function indexed(database: Database, descriptions: (JsonObject & { id: string })[]): Promise<SearchEngine> {
  const search = createPostgresSearch({ db: database.orm });
  const documents = descriptions.map((td, index): SearchDocument => ({
    ...factsOf(td),
    key: entryKeyOf(null, td.id as ThingId),
    sequence: index + 1,
    expires: null,
    modified: new Date(0),
    controller: null,
    origin: null,
    verified: false,
    badges: [],
  }));
  await search.apply(
    documents.map((document) => ({ key: document.key, document })),
    database.orm,
  );
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
 * underscores, tool descriptions ×1; a short stop list.
 */
function plainBm25(descriptions: (JsonObject & { id: string })[]): Ranking {
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
  const documents = descriptions.map((td) => {
    const frequencies = new Map<string, number>();
    let length = 0;
    const add = (text: unknown, weight: number) => {
      for (const word of wordsOf(text)) {
        frequencies.set(word, (frequencies.get(word) ?? 0) + weight);
        length += 1;
      }
    };
    add(td.title, 3);
    add(td.description, 2);
    for (const [name, action] of Object.entries((td.actions ?? {}) as Record<string, JsonObject>)) {
      add(name, 2);
      add(action.description, 1);
    }
    return { id: td.id, frequencies, length };
  });
  const meanLength = documents.reduce((sum, { length }) => sum + length, 0) / documents.length;
  const rarity = (word: string) => {
    const having = documents.filter(({ frequencies }) => frequencies.has(word)).length;
    return Math.log(1 + (documents.length - having + 0.5) / (having + 0.5));
  };
  return (query) => {
    const words = wordsOf(query).map((word) => ({ word, idf: rarity(word) }));
    const scored = documents.map(({ id, frequencies, length }) => {
      const norm = k1 * (1 - b + (b * length) / meanLength);
      const score = words.reduce((sum, { word, idf }) => {
        const frequency = frequencies.get(word) ?? 0;
        return sum + (idf * frequency * (k1 + 1)) / (frequency + norm);
      }, 0);
      return { id, score };
    });
    // The reference ranks what has none of the words as well, last and in the order of the file.
    return scored.sort((x, y) => y.score - x.score).map(({ id }) => id);
  };
}

function rowOf(kind: string, engine: string, values: number[]): string {
  return [kind, engine, ...values.map((value) => value.toFixed(3))].map(cell).join("");
}

function cell(text: string, index: number): string {
  return index < 2 ? text.padEnd(20) : text.padStart(9);
}
