/**
 * `npm run bench:search`: the Postgres search engine at 10,000 to 1,000,000 entries, in a database of its own on the
 * server of `DATABASE_URL`. Latencies stand beside those of bare SQL in the same run: the ratios count, since machines
 * differ and are shared.
 */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { sql } from "drizzle-orm";
import { type Database, openDatabase, rowsOf } from "../src/db/client.ts";
import { decodeRankedCursor, encodeRankedCursor, fingerprintOf } from "../src/search/cursor.ts";
import type { SearchDocument, SearchQuery } from "../src/search/port.ts";
import { createPostgresSearch } from "../src/search/postgres.ts";
import { seededRandom } from "../test/support/random.ts";
import { searchFilters, searchFor } from "../test/support/search.ts";
import { type BenchDatabase, createDatabase } from "./database.ts";
import { measure } from "./load.ts";
import { type LoadShare, loadBatch, syntheticChange } from "./search-load.ts";

const { values: options } = parseArgs({
  options: {
    entries: { type: "string", default: "10000,100000,1000000" },
    seconds: { type: "string", default: "3" },
    clients: { type: "string", default: "8" },
    threads: { type: "string", default: "2" },
    /** Works on the database that an earlier run with this option left, and leaves it: loading a million takes a while. */
    keep: { type: "boolean", default: false },
    /** Queries whose best ten are compared with the exact ranking. */
    compared: { type: "string", default: "40" },
  },
});
const seconds = Number(options.seconds);
const clients = Number(options.clients);
const sizes = options.entries
  .split(",")
  .map(Number)
  .sort((a, b) => a - b);
const databaseUrl = process.env["DATABASE_URL"];
if (databaseUrl === undefined || databaseUrl === "") {
  console.error(
    "DATABASE_URL names no Postgres server: set it, for instance to postgres://postgres@localhost/postgres.",
  );
  process.exit(2);
}

/** Like texts that people publish: these words are in a large share of all entries. */
const commonWords = ["weather", "forecast", "temperature", "get", "invoice", "ticket", "order", "list"];

const databaseName = "thingstead_bench_search";
const place =
  (options.keep ? await keptDatabase(databaseUrl, databaseName) : null) ??
  (await createDatabase(databaseUrl, databaseName));
const db = await openDatabase({ databaseUrl: place.url, connectionsMax: clients });
const engine = createPostgresSearch({ db: db.orm });
let loaded = await countLoaded();
try {
  for (const size of sizes) {
    console.log(`\n# ${size} entries`);
    if (size > loaded) await load(size);
    await reportSize(db);
    const cases = casesOf(size);
    for (const at of [1, clients]) await reportLatency(cases, at);
    await reportRecall(cases);
    await reportWrites();
    await reportSearchesWhileWriting(cases);
  }
} finally {
  await db.close();
  if (!options.keep) await place.drop();
}

/** What an earlier run left; null where there is nothing, or where it was made for another version of the index. */
async function keptDatabase(serverUrl: string, database: string): Promise<BenchDatabase | null> {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  try {
    await (await openDatabase({ databaseUrl: url.href, connectionsMax: 1 })).close();
    return { url: url.href, drop: async () => {} };
  } catch {
    return null;
  }
}

async function countLoaded(): Promise<number> {
  const [row] = await rowsOf<{ entries: number }>(
    db.orm,
    sql`select coalesce(max(sequence), 0)::integer as entries from search_entries`,
  );
  return row?.entries ?? 0;
}

/** Fills the index up to `size` entries. Its largest indexes are built afterwards, in a tenth of the time. */
async function load(size: number): Promise<void> {
  const started = performance.now();
  const indexes = await rowsOf<{ name: string; definition: string }>(
    db.orm,
    sql`select indexname as name, indexdef as definition from pg_indexes
        where tablename in ('search_entries', 'search_samples') and indexdef like '%USING gin%'`,
  );
  for (const { name } of indexes) await db.orm.execute(sql`drop index ${sql.identifier(name)}`);
  const threads = Number(options.threads);
  const from = loaded;
  let done = 0;
  const progress = setInterval(() => console.error(`  ${from + done} of ${size}`), 10_000);
  await Promise.all(
    Array.from({ length: threads }, (_, thread) => {
      const share: LoadShare = { databaseUrl: place.url, from, to: size, thread, threads };
      const worker = new Worker(new URL("./search-load.ts", import.meta.url), { workerData: share });
      worker.on("message", (count: number) => (done += count));
      return new Promise<void>((resolve, reject) => {
        worker.once("error", reject);
        worker.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`a thread ended with ${code}`))));
      });
    }),
  );
  clearInterval(progress);
  const rate = done / ((performance.now() - started) / 1_000);
  const builtFrom = performance.now();
  await db.orm.transaction(async (tx) => {
    await tx.execute(sql`set local statement_timeout = 0`);
    await tx.execute(sql`set local maintenance_work_mem = '1GB'`);
    for (const { definition } of indexes) await tx.execute(sql.raw(definition));
    await tx.execute(sql`analyze`);
  });
  const vacuumed = await openDatabase({ databaseUrl: place.url, connectionsMax: 1 });
  await vacuumed.orm.execute(sql`set statement_timeout = 0`);
  await vacuumed.orm.execute(sql`vacuum`);
  await vacuumed.close();
  loaded = size;
  const buildSeconds = (performance.now() - builtFrom) / 1_000;
  console.log(`loaded ${rate.toFixed(0)}/s (${threads} threads), then ${buildSeconds.toFixed(0)} s to build indexes`);
}

async function reportSize(database: Database): Promise<void> {
  const rows = await rowsOf<{ name: string; bytes: number }>(
    database.orm,
    sql`select c.relname as name, pg_table_size(c.oid)::float8 as bytes from pg_class c
        where c.relname like 'search\\_%' and c.relkind in ('r', 'i') and c.relname not like 'search_paths%'
        order by 2 desc`,
  );
  const all = rows.reduce((sum, { bytes }) => sum + bytes, 0);
  console.log(`\nindex: ${(all / loaded).toFixed(0)} bytes an entry`);
  for (const { name, bytes } of rows.filter((row) => row.bytes > all / 200)) {
    console.log(`  ${name.padEnd(34)}${(bytes / loaded).toFixed(0).padStart(8)}`);
  }
}

/** Kinds of queries; each call makes another one. */
type Cases = Record<string, () => SearchQuery>;

function casesOf(size: number): Cases {
  const random = seededRandom(size);
  const anyDocument = () => syntheticChange(Math.floor(random() * size)).document as SearchDocument;
  const textOf = ({ descriptions }: SearchDocument) => (descriptions[0]?.text ?? "").toLowerCase().replace(".", "");
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)] as Item;
  const common = () => pick(commonWords);
  const rare = () =>
    textOf(anyDocument())
      .split(" ")
      .sort((a, b) => b.length - a.length)[0] ?? "";
  const words = (count: number) => textOf(anyDocument()).split(" ").slice(0, count).join(" ");
  const capability = (document = anyDocument()) => [document.affordances[0]?.name ?? ""];
  const mistyped = () => {
    const word = pick(["weather", "forecast", "temperature", "translate", "schedule"]);
    const at = 1 + Math.floor(random() * (word.length - 2));
    return `${word.slice(0, at)}${word.slice(at + 1)}`;
  };
  const threeFilters = { type: ["lmos:Agent"], protocol: ["https"], media: ["application/json"] };
  return {
    "one rare word": () => searchFor(rare()),
    "one common word": () => searchFor(common()),
    "five words": () => searchFor(words(5)),
    "capability only": () => searchFor("", { filters: searchFilters({ capability: capability() }) }),
    "three words, three filters, facets": () =>
      searchFor(words(3), { filters: searchFilters(threeFilters), facets: ["capability", "type", "vendor"] }),
    "common word, three filters, facets": () =>
      searchFor(common(), { filters: searchFilters(threeFilters), facets: ["capability", "type", "vendor"] }),
    "words, latency, since": () =>
      searchFor(words(3), { latencyMsMax: 200, modifiedSince: new Date(Date.UTC(2027, 0, 1)) }),
    "a typing error": () => searchFor(mistyped()),
    browse: () => searchFor(""),
    "browse, facets": () => searchFor("", { facets: ["capability", "type", "vendor", "tag"] }),
    "browse by title": () => searchFor("", { order: "title" }),
    "browse by change, common filter": () =>
      searchFor("", { order: "modified", filters: searchFilters({ type: ["lmos:Agent"] }) }),
    "browse by change, rare filters": () => {
      const document = anyDocument();
      const filters = searchFilters({ capability: capability(document), vendor: document.vendors });
      return searchFor("", { order: "modified", filters });
    },
    "browse, filters that exclude each other": () =>
      searchFor("", { filters: searchFilters({ type: ["lmos:Agent", "lmos:Tool"] }) }),
    "browse, fast": () => searchFor("", { latencyMsMax: 15 }),
  };
}

async function reportLatency(cases: Cases, at: number): Promise<void> {
  const bare = await bareSql();
  const rows = new Map<string, Awaited<ReturnType<typeof measure>>>();
  for (const [name, run] of Object.entries(bare)) rows.set(name, await measured(at, run));
  const reference = rows.get(Object.keys(bare)[0] ?? "")?.p50 ?? Number.NaN;
  for (const [name, query] of Object.entries(cases)) {
    rows.set(name, await measured(at, () => engine.search(query(), new Date())));
  }
  const heads = ["/s", "p50 ms", "p95 ms", "p99 ms", "p50 ratio"];
  console.log(`\n${`${at} at a time`.padEnd(42)}${heads.map(cell).join("")}`);
  for (const [name, { perSecond, p50, p95, p99 }] of rows) {
    const cells = [perSecond.toFixed(0), p50.toFixed(2), p95.toFixed(2), p99.toFixed(2), (p50 / reference).toFixed(1)];
    console.log(`${name.padEnd(42)}${cells.map(cell).join("")}`);
  }
}

/** What there is to compare with: the same driver and database, and no search engine. */
async function bareSql(): Promise<Record<string, () => Promise<unknown>>> {
  const random = seededRandom(3);
  const key = () => syntheticChange(Math.floor(random() * loaded)).key;
  const word = () => commonWords[Math.floor(random() * commonWords.length)] as string;
  return {
    "SQL: by primary key": () =>
      db.orm.execute(sql`select affordances from search_details where key = decode(${key()}, 'hex')`),
    "SQL: any twenty with a common word": () =>
      db.orm.execute(sql`select key from search_entries where lexemes @@ ${word()}::tsquery limit 20`),
  };
}

function measured(at: number, run: () => Promise<unknown>): ReturnType<typeof measure> {
  return measure(at, seconds, async () => {
    await run();
    return true;
  });
}

/** The share of the exact ranking's best ten that is found: candidates are bounded, and what is none cannot be. */
async function reportRecall(cases: Cases): Promise<void> {
  console.log(`\n${"best ten of the exact ranking".padEnd(42)}${["found", "queries"].map(cell).join("")}`);
  for (const name of ["one rare word", "one common word", "five words", "three words, three filters, facets"]) {
    let found = 0;
    let best = 0;
    let queries = 0;
    while (queries < Number(options.compared)) {
      const query = { ...(cases[name] as () => SearchQuery)(), facets: [], limit: 10 };
      const page = await engine.search(query, new Date());
      queries += 1;
      const exact =
        page.next === null ? page : await engine.search({ ...query, cursor: exactly(query, page.next) }, new Date());
      const scores = page.hits.map(({ score }) => score);
      best += exact.hits.length;
      // Entries of the same score are equally good.
      for (const { score } of exact.hits) {
        const at = scores.indexOf(score);
        if (at < 0) continue;
        scores.splice(at, 1);
        found += 1;
      }
    }
    console.log(`${name.padEnd(42)}${cell(best === 0 ? "-" : (found / best).toFixed(3))}${cell(String(queries))}`);
  }
}

/** The cursor `next` made to start before the first hit, with every entry that has one of the words as a candidate. */
function exactly(query: SearchQuery, next: string): string {
  const cursor = decodeRankedCursor(next, fingerprintOf(query));
  const groups = cursor.terms.map((_, term) => [term * 100]);
  return encodeRankedCursor({ ...cursor, groups, newest: [], since: null, score: 1_000_000, sequence: 0 });
}

async function reportWrites(): Promise<void> {
  const batches = 10;
  const started = performance.now();
  for (let batch = 0; batch < batches; batch += 1) await writeMore(loadBatch);
  const ms = (performance.now() - started) / (batches * loadBatch);
  console.log(`\nwriting, in batches of ${loadBatch}: ${ms.toFixed(2)} ms an entry`);
}

/** Puts in the next entries of the corpus, as the indexer does. */
async function writeMore(count: number): Promise<void> {
  const changes = Array.from({ length: count }, (_, index) => syntheticChange(loaded + index));
  loaded += count;
  await db.orm.transaction((tx) => engine.apply(changes, tx));
  await engine.maintain();
}

/** Searches one at a time while 500 entries arrive each second, beside the same searches in peace. */
async function reportSearchesWhileWriting(cases: Cases): Promise<void> {
  const batchesPerSecond = 5;
  console.log(
    `\n${"while 500 entries a second arrive".padEnd(42)}${["p50 ms", "p95 ms", "p95 ratio"].map(cell).join("")}`,
  );
  for (const name of ["one rare word", "five words", "common word, three filters, facets", "browse"]) {
    const search = () => engine.search((cases[name] as () => SearchQuery)(), new Date());
    const peace = await measured(1, search);
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        const started = performance.now();
        await writeMore(500 / batchesPerSecond);
        const pause = 1_000 / batchesPerSecond - (performance.now() - started);
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, pause)));
      }
    })();
    const { p50, p95 } = await measured(1, search);
    isOver = true;
    await writing;
    console.log(
      `${name.padEnd(42)}${[p50.toFixed(2), p95.toFixed(2), (p95 / peace.p95).toFixed(2)].map(cell).join("")}`,
    );
  }
}

function cell(text: string): string {
  return text.padStart(11);
}
