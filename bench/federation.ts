import { type ChildProcess, fork } from "node:child_process";
import { generateKeyPairSync, sign as signBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Pool } from "undici";
import { entryKeyOf, type Did, type ThingId } from "../src/base/ids.ts";
import { freePort, type ServerProcess, startServerProcess } from "../test/support/process.ts";
import { createSigner, syntheticTd } from "./corpus.ts";
import { createDatabase } from "./database.ts";
import type { Notice, Order, SinkReport } from "./sinks.ts";

/**
 * Measures what goes on between registries, each a process of its own with a database of its own on the Postgres server of
 * `DATABASE_URL`, side by side with what it can be compared with in the same run: machines differ and are shared.
 */
const { values: options } = parseArgs({
  options: {
    entries: { type: "string", default: "10000" },
    pushed: { type: "string", default: "1000" },
    peers: { type: "string", default: "10" },
    seconds: { type: "string", default: "15" },
    rounds: { type: "string", default: "2" },
    only: { type: "string", default: "backfill,push,dead" },
  },
});
const entriesMax = Number(options.entries);
const pushed = Number(options.pushed);
const peersMax = Number(options.peers);
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);

/** Registrations at once, as in `npm run bench`. */
const clients = 16;
/** Registrations a second while latencies are measured: far from what the registry can do. */
const steadyPerSecond = 20;

const adminToken = "a-token-for-benchmarks";
const authorization = { authorization: `Bearer ${adminToken}` };
const serverUrl = process.env["DATABASE_URL"] ?? "";
if (serverUrl === "")
  throw new Error("Set DATABASE_URL to a Postgres server: two databases are made there, and dropped.");

interface Document {
  path: string;
  key: string;
  text: string;
}

const signers = [createSigner(), createSigner()];

for (let round = 1; round <= rounds; round += 1) {
  console.log(`\n# Round ${round} of ${rounds}, load ${loadavg()[0]?.toFixed(1)}`);
  if (options.only.includes("backfill")) await benchBackfill();
  if (options.only.includes("push")) await benchPush();
  if (options.only.includes("dead")) await benchDeadPeers();
}

/** A new follower reads the whole list, and checks the proof of each entry. */
async function benchBackfill(): Promise<void> {
  await withRegistries(2, async ([first, second]) => {
    if (first === undefined || second === undefined) throw new Error("two registries were started");
    const registration = await measured([first], () => register(first, documentsFrom(0, entriesMax)));
    await sleep(2_000);
    const backfill = await measured([second], async () => {
      await post(second, "/peers", { target: first.url });
      await until(async () => (await peersOf(second))[0]?.following.pulledAt != null);
    });
    const [peer] = await peersOf(second);
    if (peer?.following.entries !== entriesMax) throw new Error(`the follower has ${peer?.following.entries} entries`);
    reportRates(`backfill of ${entriesMax}`, {
      "signed registration, 16 clients": rateOf(registration, entriesMax),
      "verified entries, backfilled": rateOf(backfill, entriesMax),
    });
  });
}

/** Followers are blocked while entries are registered, then all of these are sent to all of them. */
async function benchPush(): Promise<void> {
  const rates: Record<string, Rate> = { "RSA-2048 signatures, one thread": signatureRate() };
  for (const isRegistry of [false, true]) {
    for (const count of [1, peersMax]) {
      const name = `${count} ${count === 1 ? "peer" : "peers"}, ${isRegistry ? "batches" : "one each"}`;
      rates[name] = await pushRate(count, isRegistry);
    }
  }
  reportRates(`push of ${pushed}, to each peer`, rates);
}

/** Entries that each of the peers gets, and the time of the registry for one entry to one peer. */
async function pushRate(count: number, isRegistry: boolean): Promise<Rate> {
  return withRegistries(1, async ([registry]) =>
    withSinks(async (tell) => {
      if (registry === undefined) throw new Error("a registry was started");
      await tell({ order: "follow", registry: registry.url, count, isRegistry });
      const peers = await peersOf(registry);
      for (const { id } of peers) await post(registry, `/peers/${id}/block`, {});
      await register(registry, documentsFrom(0, pushed));
      // What follows from them by itself, such as the index.
      await sleep(2_000);
      const start = performance.timeOrigin + performance.now();
      const got = Array.from({ length: count }, () => new Map<string, number>());
      const sending = await measured([registry], async () => {
        await Promise.all(peers.map(({ id }) => post(registry, `/peers/${id}/unblock`, {})));
        await until(async () => (await peersOf(registry)).every(({ follower }) => follower.lag === 0));
      });
      const { arrivals } = await tell({ order: "report" });
      for (const [at, some] of arrivals.entries()) for (const { key, at: ms } of some) got[at]?.set(key, ms);
      const perPeer = got.map((keys) => keys.size / ((Math.max(...keys.values()) - start) / 1000));
      const all = got.reduce((sum, keys) => sum + keys.size, 0);
      return { ...rateOf(sending, all), perSecond: perPeer.reduce((sum, rate) => sum + rate, 0) / count };
    }),
  );
}

function signatureRate(): Rate {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const bytes = Buffer.alloc(300);
  let count = 0;
  const start = performance.now();
  for (; performance.now() - start < 1_000; count += 1) signBytes("sha256", bytes, privateKey);
  const ms = performance.now() - start;
  return { perSecond: count / (ms / 1000), cpuMs: ms / count };
}

/** How long news takes to a peer, alone and beside others that are gone. */
async function benchDeadPeers(): Promise<void> {
  const alone = await latencies(1, null);
  const rows = {
    [`one peer, alone`]: alone,
    [`and ${peersMax - 1} that answer`]: await latencies(peersMax, null),
    [`and ${peersMax - 1} that refuse connections`]: await latencies(peersMax, "refuse"),
    [`and ${peersMax - 1} that never answer`]: await latencies(peersMax, "silence"),
  };
  console.log(`\n${"ms from registration to arrival".padEnd(36)}${heads("p50", "p95", "ratio p50", "ratio p95")}`);
  for (const [name, { p50, p95 }] of Object.entries(rows)) {
    const ratios = [p50 / alone.p50, p95 / alone.p95].map((ratio) => ratio.toFixed(2));
    console.log(name.padEnd(36) + heads(p50.toFixed(1), p95.toFixed(1), ...ratios));
  }
}

async function latencies(count: number, death: "refuse" | "silence" | null): Promise<{ p50: number; p95: number }> {
  return withRegistries(1, async ([registry]) =>
    withSinks(async (tell) => {
      if (registry === undefined) throw new Error("a registry was started");
      await tell({ order: "follow", registry: registry.url, count, isRegistry: true });
      // Peers die before the time that counts, so that it has both first failures and later ones.
      const documents = documentsFrom(0, (seconds + 2) * steadyPerSecond);
      const begun = new Map<string, number>();
      const pool = new Pool(registry.url, { connections: clients });
      for (const [index, document] of documents.entries()) {
        if (index === steadyPerSecond && death !== null) await tell({ order: death });
        const start = performance.timeOrigin + performance.now();
        begun.set(document.key, start);
        await put(pool, document);
        await sleep(Math.max(0, 1000 / steadyPerSecond - (performance.timeOrigin + performance.now() - start)));
      }
      await sleep(2_000);
      await pool.close();
      const { arrivals } = await tell({ order: "report" });
      const counted = new Set(documents.slice(2 * steadyPerSecond).map(({ key }) => key));
      const taken = (arrivals.at(-1) ?? [])
        .filter(({ key }) => counted.has(key))
        .map(({ key, at }) => at - (begun.get(key) ?? Number.NaN))
        .toSorted((a, b) => a - b);
      if (taken.length < counted.size) throw new Error(`${taken.length} of ${counted.size} entries arrived`);
      const percentile = (share: number) => taken[Math.floor(taken.length * share)] ?? Number.NaN;
      return { p50: percentile(0.5), p95: percentile(0.95) };
    }),
  );
}

/** Signed descriptions of the corpus, by a controller of its own each time. */
function documentsFrom(start: number, count: number): Document[] {
  return Array.from({ length: count }, (_, index) => {
    const td = syntheticTd(start + index);
    const text = (signers[index % signers.length] ?? createSigner())(td);
    const { proof } = JSON.parse(text) as { proof: { verificationMethod: string } };
    const controller = proof.verificationMethod.replace(/#.*$/, "") as Did;
    const id = String(td["id"]) as ThingId;
    return { path: `/things/${encodeURIComponent(id)}`, key: entryKeyOf(controller, id), text };
  });
}

async function put(pool: Pool, { path, text }: Document): Promise<void> {
  const headers = { "content-type": "application/td+json" };
  const { statusCode, body } = await pool.request({ method: "PUT", path, headers, body: text });
  const answer = await body.text();
  if (statusCode !== 201) throw new Error(`a registration is answered with ${statusCode}: ${answer}`);
}

/** Registers all of them. */
async function register({ url }: ServerProcess, documents: readonly Document[]): Promise<void> {
  const pool = new Pool(url, { connections: clients });
  const queue = documents.values();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (const document of queue) await put(pool, document);
    }),
  );
  await pool.close();
}

interface Peer {
  id: string;
  follower: { lag: number | null };
  following: { pulledAt: string | null; entries: number };
}

async function peersOf({ url }: ServerProcess): Promise<Peer[]> {
  const answer = await fetch(`${url}/peers`, { headers: authorization });
  return ((await answer.json()) as { peers: Peer[] }).peers;
}

async function post({ url }: ServerProcess, path: string, body: object): Promise<void> {
  const headers = { ...authorization, "content-type": "application/json" };
  const { status } = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (status >= 300) throw new Error(`POST ${path} is answered with ${status}`);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 10 * 60_000; performance.now() < end; await sleep(100)) {
    if (await holds()) return;
  }
  throw new Error("it took longer than ten minutes");
}

/** Runs `run` with registries of its own, each with an empty database. */
async function withRegistries<Result>(
  count: number,
  run: (registries: ServerProcess[]) => Promise<Result>,
): Promise<Result> {
  await using stack = new AsyncDisposableStack();
  const registries: ServerProcess[] = [];
  for (let index = 0; index < count; index += 1) {
    const database = await createDatabase(serverUrl, `thingstead_bench_${process.pid}_${index}`);
    stack.defer(() => database.drop());
    const port = await freePort();
    const env = {
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      DATABASE_URL: database.url,
      ADMIN_TOKEN: adminToken,
      ALLOW_PRIVATE_ADDRESSES: "on",
      ...(process.env["NODE_OPTIONS"] === undefined ? {} : { NODE_OPTIONS: process.env["NODE_OPTIONS"] }),
    };
    const registry = await startServerProcess({ port, env });
    stack.defer(async () => void (await registry.stop()));
    registries.push(registry);
  }
  return await run(registries);
}

type Tell = (order: Order) => Promise<SinkReport>;

/** Runs `run` with a process for followers. */
async function withSinks<Result>(run: (tell: Tell) => Promise<Result>): Promise<Result> {
  const child = fork(fileURLToPath(new URL("sinks.ts", import.meta.url)), { execArgv: [] });
  try {
    return await run((order) => tellSinks(child, order));
  } finally {
    child.kill();
  }
}

async function tellSinks(child: ChildProcess, order: Order): Promise<SinkReport> {
  const { promise, resolve, reject } = Promise.withResolvers<SinkReport>();
  const ended = () => reject(new Error("the followers' process has ended"));
  child.once("exit", ended);
  child.once("message", ({ arrivals = [], requests = 0 }: Notice) => resolve({ arrivals, requests }));
  child.send(order);
  try {
    return await promise;
  } finally {
    child.off("exit", ended);
  }
}

function heads(...cells: string[]): string {
  return cells.map((cell) => cell.padStart(12)).join("");
}

interface Rate {
  perSecond: number;
  /** Milliseconds of processor time for one: what it takes on a machine that is busy with other things as well. */
  cpuMs: number;
}

interface Measured {
  ms: number;
  /** Of the registries, without their database; NaN where the system does not say. */
  cpuMs: number;
}

async function measured(registries: readonly ServerProcess[], run: () => Promise<void>): Promise<Measured> {
  const cpuMs = () => registries.reduce((sum, { pid }) => sum + cpuMsOf(pid), 0);
  const [start, cpuStart] = [performance.now(), cpuMs()];
  await run();
  return { ms: performance.now() - start, cpuMs: cpuMs() - cpuStart };
}

function rateOf({ ms, cpuMs }: Measured, count: number): Rate {
  return { perSecond: count / (ms / 1000), cpuMs: cpuMs / count };
}

/** The processor time that a process has used, by proc(5): fields 14 and 15, in hundredths of a second. */
function cpuMsOf(pid: number): number {
  if (process.platform !== "linux") return Number.NaN;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Rates, and how they compare with the first one. */
function reportRates(title: string, rates: Record<string, Rate>): void {
  const [reference] = Object.values(rates);
  console.log(`\n${title.padEnd(36)}${heads("/s", "ratio", "ms of CPU")}`);
  for (const [name, { perSecond, cpuMs }] of Object.entries(rates)) {
    const ratio = perSecond / (reference?.perSecond ?? Number.NaN);
    console.log(name.padEnd(36) + heads(perSecond.toFixed(0), ratio.toFixed(2), cpuMs.toFixed(2)));
  }
}
