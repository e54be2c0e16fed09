import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Avahi, type Publication, startAvahi } from "../test/support/avahi.ts";
import { tdOf } from "../test/support/descriptions.ts";
import { createNetwork, type Host, obstacleToNetworks } from "../test/support/network.ts";
import { type LanRegistry, startRegistry } from "../test/lan/registry.ts";

/**
 * Measures the local network's door between hosts that are network namespaces, with Avahi as the announcer: how long a
 * thing takes to be found by search at another host, and to be gone again; what many things at once cost. Root only.
 */
const { values: options } = parseArgs({
  options: {
    starts: { type: "string", default: "5" },
    announcements: { type: "string", default: "20" },
    things: { type: "string", default: "200" },
    ttl: { type: "string", default: "5" },
    "idle-seconds": { type: "string", default: "20" },
  },
});
const starts = Number(options.starts);
const announcements = Number(options.announcements);
const things = Number(options.things);
const ttlSeconds = Number(options.ttl);
const idleSeconds = Number(options["idle-seconds"]);

const port = 8090;
/** Milliseconds between two questions whether a thing is there: the figures are this exact. */
const askMs = 20;

const obstacle = obstacleToNetworks();
if (obstacle === null) {
  await benchAnnouncement();
  await benchLatency();
  await benchMany();
} else {
  console.error(`No networks can be made here: ${obstacle}.`);
  process.exitCode = 1;
}

/** A host with Avahi that announces things. */
interface Agent {
  host: Host;
  avahi: Avahi;
  /** Announces a new thing; resolves once Avahi has established its name. */
  announce(title: string): Promise<Publication>;
  idOf(title: string): string;
}

async function startAgent(host: Host): Promise<Agent> {
  const avahi = await startAvahi(host);
  const tds = new Map<string, ReturnType<typeof tdOf>>();
  await host.serve(port, (request, response) => {
    const td = tds.get((request.url ?? "").slice(1));
    response.writeHead(td === undefined ? 404 : 200, { "content-type": "application/td+json" });
    response.end(JSON.stringify(td));
  });
  return {
    host,
    avahi,
    announce(title) {
      tds.set(title, tdOf({ title }));
      return avahi.publish({ name: `${host.name} ${title}`, port, txt: [`td=/${title}`, "type=Thing"] });
    },
    idOf: (title) => String(tds.get(title)?.["id"]),
  };
}

async function benchAnnouncement(): Promise<void> {
  await using network = await createNetwork();
  const [host, watcher] = [await network.host("registry"), await network.host("watcher")];
  const avahi = await startAvahi(watcher);
  const ms: number[] = [];
  for (let round = 0; round < starts; round += 1) {
    const following = avahi.follow("_wot._tcp");
    const registry = await startIn(host, { LAN: "on" });
    const ready = performance.now();
    await following.wrote("type=Directory");
    ms.push(performance.now() - ready);
    await following.end();
    await registry.process.end();
    await until(async () => (await avahi.browse("_wot._tcp")).length === 0);
  }
  console.log(`\n${`${starts} starts of a registry, ms`.padEnd(54)}${row(["p50", "p95", "max"])}`);
  report("ready to resolved by Avahi", ms);
}

async function benchLatency(): Promise<void> {
  await using network = await createNetwork();
  const [registryHost, agentHost] = [await network.host("registry"), await network.host("agent")];
  const registry = await startIn(registryHost, { LAN: "on", LAN_TTL: String(ttlSeconds) });
  const agent = await startAgent(agentHost);

  const fromStart: number[] = [];
  const fromEstablished: number[] = [];
  const toEnd: number[] = [];
  for (let number = 0; number < announcements; number += 1) {
    const title = `lamp${number}`;
    const started = performance.now();
    const announcing = agent.announce(title).then((publication) => ({ publication, at: performance.now() }));
    const foundAt = await until(async () => (await registry.search(`q=${title}`)).includes(agent.idOf(title)));
    const { publication, at } = await announcing;
    fromStart.push(foundAt - started);
    fromEstablished.push(foundAt - at);

    const ended = performance.now();
    await publication.end();
    toEnd.push((await until(async () => (await registry.search(`q=${title}`)).length === 0)) - ended);
  }
  console.log(`\n${`${announcements} announcements, ms`.padEnd(54)}${row(["p50", "p95", "max"])}`);
  report("start of avahi-publish to found by search", fromStart);
  report("name established (probing over) to found by search", fromEstablished);
  report("end of avahi-publish (goodbye) to gone from search", toEnd);

  await agent.announce("victim");
  await until(async () => (await registry.search("q=victim")).length === 1);
  const killed = performance.now();
  await agent.host.kill();
  const gone = await until(async () => (await registry.search("q=victim")).length === 0);
  console.log(
    `\nkill -9 of the agent's host to gone from search, with LAN_TTL=${ttlSeconds}: ${((gone - killed) / 1000).toFixed(1)} s`,
  );
}

async function benchMany(): Promise<void> {
  await using network = await createNetwork();
  const [registryHost, silentHost] = [await network.host("registry"), await network.host("silent")];
  const agentHosts = [await network.host("agent1"), await network.host("agent2")];
  const registry = await startIn(registryHost, { LAN: "on" });
  const silent = await startIn(silentHost, { LAN: "off" });
  const agents = await Promise.all(agentHosts.map((host) => startAgent(host)));

  const started = performance.now();
  const titles = Array.from({ length: things }, (_, number) => `sensor${number}`);
  const announcing = Promise.all(titles.map((title, number) => agents[number % agents.length]?.announce(title)));
  let found = 0;
  const foundAt = await until(async () => {
    found = await countEntries(registry);
    return found >= things;
  }, 120_000).catch(() => Number.NaN);
  await announcing;
  console.log(
    `\n${things} things announced at once on ${agents.length} hosts: ${found} found after ${((foundAt - started) / 1000).toFixed(1)} s`,
  );

  const names = [`LAN=on, ${things} things there`, "LAN=off, none"];
  const idle = await Promise.all([registry, silent].map(({ process: { pid } }) => measureIdle(pid)));
  console.log(`\n${`idle over ${idleSeconds} s`.padEnd(54)}${row(["MiB", "CPU %"])}`);
  for (const [index, { mebibytes, cpuPercent }] of idle.entries()) {
    console.log(`${names[index]?.padEnd(54)}${row([mebibytes.toFixed(0), cpuPercent.toFixed(2)])}`);
  }
}

async function countEntries(registry: LanRegistry): Promise<number> {
  let count = 0;
  let cursor = "";
  for (;;) {
    const { text } = await registry.fetch(`/search?limit=100${cursor}`);
    const { items, next } = JSON.parse(text) as { items: unknown[]; next: string | null };
    count += items.length;
    if (next === null) return count;
    cursor = `&cursor=${encodeURIComponent(next)}`;
  }
}

/** A registry with an empty database of its own, which goes with the network. */
function startIn(host: Host, env: Record<string, string>): Promise<LanRegistry> {
  return startRegistry(host, { DATA_DIR: path.join(host.directory, "data"), LOG_LEVEL: "warning", ...env });
}

/** Resolves to when the answer was yes; rejects if it is not within `msMax`. */
async function until(ask: () => Promise<boolean>, msMax = 180_000): Promise<number> {
  const deadline = performance.now() + msMax;
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`it did not happen within ${msMax} ms`);
    await sleep(askMs);
  }
  return performance.now();
}

/** Memory at the end, and the share of one processor's time, of a process over `idleSeconds`. */
async function measureIdle(pid: number): Promise<{ mebibytes: number; cpuPercent: number }> {
  const before = await cpuSecondsOf(pid);
  await sleep(idleSeconds * 1000);
  const cpuPercent = (((await cpuSecondsOf(pid)) - before) / idleSeconds) * 100;
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return { mebibytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024, cpuPercent };
}

/** User and system time so far: fields 14 and 15 of proc_pid_stat(5), in hundredths of a second. */
async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const [user = "", system = ""] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11);
  return (Number(user) + Number(system)) / 100;
}

function report(name: string, ms: readonly number[]): void {
  const sorted = ms.toSorted((a, b) => a - b);
  const quantile = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  console.log(`${name.padEnd(54)}${row([quantile(0.5), quantile(0.95), quantile(1)].map((one) => one.toFixed(0)))}`);
}

function row(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(10)).join("");
}
