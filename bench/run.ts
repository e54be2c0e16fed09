import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { seededRandom } from "../test/support/random.ts";
import { createSigner, syntheticTd } from "./corpus.ts";
import { type BenchDatabase, createDatabase } from "./database.ts";
import { type Figures, type Load, measureHttp } from "./load.ts";
import { measureVerification } from "./verification.ts";

/**
 * Measures a registry against what it is built on, side by side in one run: the ratios count, since machines differ
 * and are shared. `DATABASE_URL` adds Postgres (a database of its own is made there and dropped again).
 */
const { values: options } = parseArgs({
  options: {
    entries: { type: "string", default: "10000,100000" },
    databases: { type: "string", default: process.env["DATABASE_URL"] === undefined ? "pglite" : "pglite,postgres" },
    seconds: { type: "string", default: "5" },
    clients: { type: "string", default: "16" },
  },
});
const seconds = Number(options.seconds);
const clients = Number(options.clients);
const sizes = options.entries
  .split(",")
  .map(Number)
  .sort((a, b) => a - b);

interface Bench {
  registry: string;
  bare: string;
  loaded: number;
}

await benchVerification();
for (const kind of options.databases.split(",")) {
  console.log(`\n# ${kind}, ${clients} clients, ${seconds} s each`);
  await withServer(kind, async (bench) => {
    for (const size of sizes) {
      await load(bench, size);
      console.log(`\n## ${size} entries`);
      await benchById(bench);
      await benchSearch(bench);
      await benchListing(bench);
      await benchJsonPath(bench);
      await benchRegistration(bench);
    }
  });
}

async function benchVerification(): Promise<void> {
  const rates = await measureVerification(seconds);
  const reference = rates["with canonicalisation"] ?? Number.NaN;
  console.log(`\n${"proofs, one thread".padEnd(30)}${["/s", "ratio"].map((head) => head.padStart(10)).join("")}`);
  for (const [name, rate] of Object.entries(rates)) {
    console.log(`${name.padEnd(30)}${rate.toFixed(0).padStart(10)}${(rate / reference).toFixed(2).padStart(10)}`);
  }
}

async function benchById(bench: Bench): Promise<void> {
  const random = seededRandom(7);
  const id = () => encodeURIComponent(String(syntheticIds(Math.floor(random() * bench.loaded))));
  const body = createSigner()(syntheticTd(1));
  await fetch(`${bench.bare}/static`, { method: "PUT", body });
  const rows = {
    "bare Hono, static body": await measured(bench.bare, () => ({ method: "GET", path: "/static" })),
    "bare SQL through Hono": await measured(bench.bare, () => ({ method: "GET", path: `/sql/${id()}` })),
    "GET /things/{id}": await measured(bench.registry, () => ({ method: "GET", path: `/things/${id()}` })),
  };
  report("by id", rows, "bare SQL through Hono");
}

async function benchSearch(bench: Bench): Promise<void> {
  const random = seededRandom(11);
  const td = () => syntheticTd(Math.floor(random() * bench.loaded));
  const wordsOf = (text: unknown) => String(text).toLowerCase().replace(".", "").split(" ");
  const words = (count: number) => wordsOf(td()["description"]).slice(0, count).join("+");
  const capability = () => Object.keys(td()["actions"] as object)[0] ?? "";
  const searches: Record<string, () => string> = {
    "one common word": () => "q=weather",
    "one word of a description": () => `q=${words(1)}`,
    "five words": () => `q=${words(5)}`,
    "capability only": () => `capability=${capability()}`,
    "words and capability": () => `q=${words(2)}&capability=${capability()}`,
    "three words, filter, facets": () => `q=${words(3)}&type=lmos:Agent&facets=capability,type,vendor`,
    "a typing error": () => "q=wheather+forcast",
  };
  const rows: Record<string, Figures> = {};
  for (const [name, query] of Object.entries(searches)) {
    rows[name] = await measured(bench.registry, () => ({ method: "GET", path: `/search?${query()}` }), 1);
  }
  report("search, one client at a time", rows);
}

async function benchListing(bench: Bench): Promise<void> {
  const last = await lastPage(bench);
  const paths: Record<string, string> = {
    "first 100": "/things?limit=100",
    "last 100, by next link": last,
    "last 100, by offset": `/things?limit=100&offset=${bench.loaded - 100}`,
    "100 ids": "/things?limit=100&ids=only",
    "100 as a collection": "/things?limit=100&format=collection",
  };
  const rows: Record<string, Figures> = {};
  for (const [name, page] of Object.entries(paths)) {
    rows[name] = await measured(bench.registry, () => ({ method: "GET", path: page }), 1);
  }
  report("listing, one client at a time", rows);
}

/** The page that lies 100 entries before the end of the loaded corpus, as a next link names it. */
async function lastPage(bench: Bench): Promise<string> {
  const response = await fetch(`${bench.registry}/things?limit=1&offset=${bench.loaded - 101}`);
  const next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  if (next === undefined) throw new Error("the listing has no further page");
  return next.replace("limit=1&", "limit=100&");
}

async function benchJsonPath(bench: Bench): Promise<void> {
  const random = seededRandom(13);
  const td = () => syntheticTd(Math.floor(random() * bench.loaded));
  const queries: Record<string, () => string> = {
    "one by title": () => `$[?@.title=='${String(td()["title"])}']`,
    "one by vendor and action": () =>
      `$[?@['lmos:metadata']['lmos:vendor']['lmos:name']=='Vendor 150' && @.actions.${Object.keys(td()["actions"] as object)[0]}]`,
    "no hit": () => "$[?@.title=='none']",
  };
  const rows: Record<string, Figures> = {};
  for (const [name, query] of Object.entries(queries)) {
    const next = (): Load => ({ method: "GET", path: `/search/jsonpath?query=${encodeURIComponent(query())}` });
    rows[name] = await measured(bench.registry, next, 1);
  }
  report("JSONPath, one client at a time", rows);
}

async function benchRegistration(bench: Bench): Promise<void> {
  const sign = createSigner();
  // Documents are made before the clock runs; ids lie beyond the corpus, so that each is a new entry.
  const prepared = (
    count: number,
    offset: number,
    text: (index: number) => string,
  ): ((index: number) => Load | null) => {
    const loads = Array.from({ length: count }, (_, index): Load => {
      const body = text(offset + index);
      return { method: "PUT", path: `/things/${encodeURIComponent(String(syntheticIds(offset + index)))}`, body };
    });
    return (index) => loads[index] ?? null;
  };
  const count = Math.ceil(3_000 * seconds);
  const base = 10_000_000 + bench.loaded * 10;
  const rows = {
    "bare insert through Hono": await measured(bench.bare, (index) => ({
      method: "PUT",
      path: `/insert/${base + index}`,
      body: JSON.stringify(syntheticTd(index)),
    })),
    "unsigned registration": await measured(
      bench.registry,
      prepared(count, base, (index) => JSON.stringify(syntheticTd(index))),
    ),
    "signed registration": await measured(
      bench.registry,
      prepared(count, base + count, (index) => sign(syntheticTd(index))),
    ),
  };
  report("registration", rows, "bare insert through Hono");
}

function measured(origin: string, next: (index: number) => Load | null, clientCount = clients): Promise<Figures> {
  return measureHttp(origin, { clients: clientCount, seconds, next });
}

function report(title: string, rows: Record<string, Figures>, reference?: string): void {
  const base = reference === undefined ? undefined : rows[reference]?.perSecond;
  console.log(
    `\n${title.padEnd(30)}${["/s", "p50 ms", "p95 ms", "p99 ms", "ratio"].map((head) => head.padStart(10)).join("")}`,
  );
  for (const [name, figures] of Object.entries(rows)) {
    const { perSecond, p50, p95, p99, failures } = figures;
    const ratio = base === undefined ? "" : (perSecond / base).toFixed(2);
    const cells = [perSecond.toFixed(0), p50.toFixed(2), p95.toFixed(2), p99.toFixed(2), ratio];
    const failed = failures > 0 ? `  ${failures} failed` : "";
    console.log(`${name.padEnd(30)}${cells.map((cell) => cell.padStart(10)).join("")}${failed}`);
  }
}

/** Fills the registry up to `size` entries of the corpus, signed. */
async function load(bench: Bench, size: number): Promise<void> {
  const sign = createSigner();
  const start = bench.loaded;
  await measureHttp(bench.registry, {
    clients,
    seconds: 3_600,
    next: (index) => {
      const number = start + index;
      if (number >= size) return null;
      return {
        method: "PUT",
        path: `/things/${encodeURIComponent(String(syntheticIds(number)))}`,
        body: sign(syntheticTd(number)),
      };
    },
  });
  bench.loaded = size;
}

function syntheticIds(index: number): string {
  return `urn:uuid:${index.toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`;
}

async function withServer(kind: string, run: (bench: Bench) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(path.join(tmpdir(), "thingstead-bench-"));
  const database = kind === "postgres" ? await databaseOnServer() : null;
  const { DATABASE_URL: _, ...env } = process.env;
  const child = spawn(process.execPath, [new URL("server.ts", import.meta.url).pathname], {
    env: { ...env, DATA_DIR: dataDir, ...(database === null ? {} : { DATABASE_URL: database.url }) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const ports = await firstLine(child);
    const origin = (port: number) => `http://127.0.0.1:${port}`;
    await run({ registry: origin(ports.registry), bare: origin(ports.bare), loaded: 0 });
  } finally {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function firstLine(child: ChildProcess): Promise<{ registry: number; bare: number }> {
  if (child.stdout === null) throw new Error("the server's output is not piped");
  for await (const line of createInterface({ input: child.stdout })) {
    return JSON.parse(line) as { registry: number; bare: number };
  }
  throw new Error("the server ended before it was ready");
}

function databaseOnServer(): Promise<BenchDatabase> {
  const serverUrl = process.env["DATABASE_URL"];
  if (serverUrl === undefined) throw new Error("Set DATABASE_URL to a Postgres server for --databases postgres.");
  return createDatabase(serverUrl, `thingstead_bench_${process.pid}`);
}
