/**
 * `node bench/embedder.ts --url http://localhost:11434/v1 --model NAME`: what meaning adds to words. Ranks 70 real tool
 * servers for 101 labelled queries by words alone, by vectors alone and by both, with a model of yours behind an
 * OpenAI-compatible API. The data (../shared/data/mcp) is not part of the repository.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/clock.ts";
import { entryKeyOf, type EntryKey, type ThingId } from "../src/base/ids.ts";
import type { JsonObject } from "../src/base/json.ts";
import { limits } from "../src/base/limits.ts";
import { openDatabase } from "../src/db/client.ts";
import { openEmbeddings } from "../src/search/embeddings/embeddings.ts";
import { createHybridSearch } from "../src/search/hybrid.ts";
import type { SearchDocument } from "../src/search/port.ts";
import { createPostgresSearch } from "../src/search/postgres.ts";
import { factsOf } from "../src/things/facts.ts";
import { searchFor } from "../test/support/search.ts";

interface LabelledQuery {
  q: string;
  relevant: string[];
  kind: "step" | "task";
}

const { values } = parseArgs({
  options: { url: { type: "string" }, model: { type: "string" }, key: { type: "string" } },
});
const { url, model, key: apiKey } = values;
if (url === undefined || model === undefined) {
  console.error("usage: node bench/embedder.ts --url http://localhost:11434/v1 --model NAME [--key KEY]");
  process.exit(2);
}

const dataFolder = fileURLToPath(new URL("../../shared/data/mcp/", import.meta.url));
const tds = readLines<JsonObject & { id: string }>("tds.ndjson");
const queries = readLines<LabelledQuery>("queries-dev.ndjson");
const now = new Date();

await using db = await openDatabase({ vectors: true });
const words = createPostgresSearch({ db: db.orm });
const documents = tds.map((td, index): SearchDocument => ({
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
await words.apply(
  documents.map((document) => ({ key: document.key, document })),
  db.orm,
);
await words.maintain();
const settings = { url, model, apiKey: apiKey ?? null, tokensPerDay: 0 };
const embeddings = await openEmbeddings(settings, { db: db.orm, clock: systemClock, queryWaitMsMax: 30_000 });
const startedAt = performance.now();
await embeddings.update(
  documents.map((document) => ({ key: document.key, facts: document })),
  new AbortController().signal,
);
console.log(`${tds.length} entries embedded in ${Math.round(performance.now() - startedAt)} ms\n`);

const both = createHybridSearch({ words, meaning: embeddings, db: db.orm });
const asked = (q: string) => searchFor(q, { limit: limits.searchPageMax });
const rankings: Record<string, (q: string) => Promise<EntryKey[]>> = {
  words: async (q) => (await words.search(asked(q), now)).hits.map(({ key }) => key),
  vectors: async (q) => ((await embeddings.nearest(asked(q), limits.searchPageMax, now)) ?? []).map(({ key }) => key),
  both: async (q) => (await both.search(asked(q), now)).hits.map(({ key }) => key),
};
console.log(["kind", "ranking", "hit@1", "hit@5", "MRR", "nDCG@10"].map(cell).join(""));
for (const kind of ["step", "task"] as const) {
  for (const [name, ranking] of Object.entries(rankings)) {
    console.log([kind, name, ...(await measure(kind, ranking)).map((value) => value.toFixed(3))].map(cell).join(""));
  }
}
await embeddings.close();

async function measure(kind: LabelledQuery["kind"], ranking: (q: string) => Promise<EntryKey[]>): Promise<number[]> {
  const ofKind = queries.filter((query) => query.kind === kind);
  let sums = [0, 0, 0, 0];
  for (const { q, relevant } of ofKind) {
    const wanted = new Set(relevant.map((id) => entryKeyOf(null, id as ThingId)));
    const isRelevant = (await ranking(q)).map((key) => wanted.has(key));
    const first = isRelevant.indexOf(true);
    const gain = discounted(isRelevant.slice(0, 10)) / discounted(relevant.slice(0, 10).map(() => true));
    const found = [first === 0 ? 1 : 0, first >= 0 && first < 5 ? 1 : 0, first < 0 ? 0 : 1 / (first + 1), gain];
    sums = sums.map((sum, index) => sum + (found[index] ?? 0) / ofKind.length);
  }
  return sums;
}

function discounted(relevance: boolean[]): number {
  return relevance.reduce((sum, isRelevant, index) => sum + (isRelevant ? 1 / Math.log2(index + 2) : 0), 0);
}

function readLines<Line>(name: string): Line[] {
  try {
    const lines = readFileSync(`${dataFolder}${name}`, "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line) as Line);
  } catch (error) {
    console.error(`${dataFolder}${name} cannot be read, so there is nothing to measure: ${String(error)}`);
    process.exit(1);
  }
}

function cell(text: string, index: number): string {
  return index < 2 ? text.padEnd(10) : text.padStart(9);
}
