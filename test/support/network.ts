import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type RequestListener, type Server } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Ran, runProgram } from "./cli.ts";

const relay = fileURLToPath(new URL("host-relay.ts", import.meta.url));

/** Programs that hosts need besides Node.js, and the Debian packages that have them. */
const programs: Record<string, string> = {
  ip: "iproute2",
  tcpdump: "tcpdump",
  "dbus-daemon": "dbus",
  "avahi-daemon": "avahi-daemon",
  "avahi-publish": "avahi-utils",
  "avahi-browse": "avahi-utils",
};

/** A local network of hosts, each of them a Linux network namespace, joined by a bridge. Nothing leads out of it. */
export interface Network extends AsyncDisposable {
  /** Adds a host. Addresses are 10.77.0.1, 10.77.0.2, … in turn. */
  host(name: string, options?: HostOptions): Promise<Host>;
}

export interface HostOptions {
  /** Whether there is a default route, as on most networks; it leads to an address that nobody has. Default: true. */
  hasDefaultRoute?: boolean;
}

/** A host of a network, with its loopback interface and `eth0`. */
export interface Host {
  readonly name: string;
  /** Its IPv4 address; `setAddress` changes it. */
  readonly address: string;
  /** For the host's own files, Unix sockets among them. It goes with the network. */
  readonly directory: string;
  /** Runs a program to its end. */
  run(file: string, args: readonly string[], env?: Record<string, string>): Promise<Ran>;
  /** Starts a program, which is killed with the host if it still runs then. */
  start(file: string, args: readonly string[], env?: Record<string, string>): HostProcess;
  /** Sends an HTTP request from this host. */
  fetch(url: string, options?: FetchOptions): Promise<Fetched>;
  /** Serves HTTP on this host, on all of its addresses. */
  serve(port: number, listener: RequestListener): Promise<HostServer>;
  /** Records what passes at `eth0`. `filter` is in the language of pcap-filter(7). */
  capture(filter: string): Promise<Capture>;
  /** Replaces the IPv4 address of `eth0`. */
  setAddress(address: string): Promise<void>;
  /** Takes `eth0` down or up again. */
  setLink(state: "up" | "down"): Promise<void>;
  /** Pulls the plug: the link goes down, and every process of the host is killed with no time for goodbyes. */
  kill(): Promise<void>;
}

export interface HostProcess {
  readonly pid: number;
  /** What it wrote so far; of each the last 100,000 characters. */
  stdout(): string;
  stderr(): string;
  /** Resolves once it has written `text`; rejects if it ends before. */
  wrote(text: string, msMax?: number): Promise<void>;
  /** Sends a signal and waits for the end; resolves to the exit code, null after a signal. */
  end(signal?: "SIGTERM" | "SIGKILL"): Promise<number | null>;
}

export interface FetchOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

export interface Fetched {
  status: number;
  headers: IncomingMessage["headers"];
  text: string;
}

export interface HostServer {
  readonly port: number;
  /** Connections so far, whatever came over them. */
  connections(): number;
  /** Paths asked for so far. */
  readonly requests: string[];
}

export interface Capture {
  /** What passed so far, as tcpdump tells it, lifetimes of DNS records included. */
  text(): Promise<string>;
}

/** Why networks cannot be made here; null if they can. Makes a namespace with a bridge, to know. */
export function obstacleToNetworks(): string | null {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const directories = (process.env.PATH ?? "").split(path.delimiter);
  const missing = Object.keys(programs).filter((name) => !directories.some((one) => existsSync(path.join(one, name))));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((name) => programs[name]))];
    return `${missing.join(", ")} missing: install the packages ${packages.join(", ")}`;
  }
  const name = `${prefix}-try`;
  try {
    execFileSync("ip", ["netns", "add", name], { stdio: "pipe" });
    execFileSync("ip", ["-n", name, "link", "add", "br0", "type", "bridge"], { stdio: "pipe" });
    return null;
  } catch (error) {
    return `this kernel allows no network namespace with a bridge: ${String((error as Error).message).trim()}`;
  } finally {
    removeNamespace(name);
  }
}

/** Begins the names of all namespaces and directories of this process. */
const prefix = `thingstead-network-${process.pid}`;

/**
 * Makes a network. Disposing of it kills what runs in it and removes it; the end of the process does so as well. What a
 * process left that was killed is removed by the next one.
 */
export async function createNetwork(): Promise<Network> {
  removeLeftovers();
  const directory = await mkdtemp(path.join(tmpdir(), `${prefix}-`));
  const name = path.basename(directory);
  const namespaces: string[] = [];
  const servers: Server[] = [];
  const remove = () => {
    for (const server of servers) server.close();
    for (const namespace of namespaces.splice(0)) removeNamespace(namespace);
    rmSync(directory, { recursive: true, force: true });
  };
  process.on("exit", remove);

  async function addNamespace(namespace: string): Promise<void> {
    namespaces.push(namespace);
    await ip("netns", "add", namespace);
    await ip("-n", namespace, "link", "set", "lo", "up");
  }

  const bridge = `${name}-bridge`;
  await addNamespace(bridge);
  await ip("-n", bridge, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
  await ip("-n", bridge, "link", "set", "br0", "up");

  let hosts = 0;
  return {
    async host(hostName, { hasDefaultRoute = true } = {}) {
      const number = (hosts += 1);
      const namespace = `${name}-${hostName}`;
      await addNamespace(namespace);
      const cable = `link add port${number} type veth peer name eth0 netns ${namespace}`;
      await ip("-n", bridge, ...cable.split(" "));
      await ip("-n", bridge, "link", "set", `port${number}`, "master", "br0", "up");
      // Addresses of IPv6 can be used at once: nobody here could have the same ones.
      await ip("netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0");
      const host = await createHost(hostName, { namespace, directory, hasDefaultRoute, servers });
      await host.setAddress(`10.77.0.${number}`);
      return host;
    },
    async [Symbol.asyncDispose]() {
      process.off("exit", remove);
      remove();
    },
  };
}

interface HostPlace {
  namespace: string;
  directory: string;
  hasDefaultRoute: boolean;
  /** Servers in this process, which are closed with the network. */
  servers: Server[];
}

async function createHost(name: string, place: HostPlace): Promise<Host> {
  const { namespace } = place;
  const directory = await mkdtemp(path.join(place.directory, `${name}-`));
  const inside = (file: string, args: readonly string[]): string[] => ["netns", "exec", namespace, file, ...args];
  let address = "";
  let files = 0;
  let relaying: Promise<HostProcess & { ask(line: string): Promise<void> }> | null = null;

  /** Most hosts need no relay, and each is a process of some size. */
  const startedRelay = () => (relaying ??= startRelay());
  async function startRelay() {
    const child = spawn("ip", inside(process.execPath, [relay, directory]), { stdio: "pipe", env: plainEnv() });
    const running = watch(child);
    await running.wrote("ready\n");
    const ask = async (line: string) => {
      child.stdin.write(`${line}\n`);
      await running.wrote(`${line}\n`);
    };
    return { ...running, ask };
  }

  return {
    name,
    directory,
    get address() {
      return address;
    },
    run: (file, args, env = {}) => runProgram("ip", inside(file, args), { env }),
    start: (file, args, env = {}) =>
      watch(spawn("ip", inside(file, args), { stdio: "pipe", env: { ...plainEnv(), ...env } })),
    async fetch(url, options = {}) {
      await startedRelay();
      return fetchThrough(path.join(directory, "out"), url, options);
    },
    async serve(port, listener) {
      const { ask } = await startedRelay();
      const socket = path.join(directory, `in${(files += 1)}`);
      const requests: string[] = [];
      let connections = 0;
      const server = createServer((incoming, response) => {
        requests.push(incoming.url ?? "");
        listener(incoming, response);
      });
      server.on("connection", () => (connections += 1)).listen(socket);
      place.servers.push(server);
      await once(server, "listening");
      await ask(JSON.stringify({ port, socket }));
      return { port, requests, connections: () => connections };
    },
    async capture(filter) {
      const file = path.join(directory, `capture${(files += 1)}.pcap`);
      const args = ["-i", "eth0", "-n", "-U", "--immediate-mode", "-Z", "root", "-w", file, ...filter.split(" ")];
      const tcpdump = watch(spawn("ip", inside("tcpdump", args), { stdio: "pipe", env: plainEnv() }));
      await tcpdump.wrote("listening on eth0");
      return {
        async text() {
          const { stdout, stderr, code } = await runProgram("tcpdump", ["-n", "-t", "-vvv", "-r", file]);
          if (code !== 0) throw new Error(`tcpdump cannot read ${file}: ${stderr}`);
          return stdout;
        },
      };
    },
    async setAddress(next) {
      await ip("-n", namespace, "link", "set", "eth0", "up");
      // The old one first: with it go those that came later to the same network.
      if (address !== "") await ip("-n", namespace, "addr", "del", `${address}/24`, "dev", "eth0");
      await ip("-n", namespace, "addr", "add", `${next}/24`, "dev", "eth0");
      address = next;
      const route = "route replace default via 10.77.0.254 dev eth0".split(" ");
      if (place.hasDefaultRoute) await ip("-n", namespace, ...route);
    },
    async setLink(state) {
      await ip("-n", namespace, "link", "set", "eth0", state);
    },
    async kill() {
      await ip("-n", namespace, "link", "set", "eth0", "down");
      relaying = null;
      killProcesses(namespace);
    },
  };
}

/** What a child process does, told to its parent. */
function watch(child: ChildProcess): HostProcess {
  const written = { stdout: "", stderr: "" };
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const changed = new EventTarget();
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
      written[name] = (written[name] + chunk).slice(-100_000);
      changed.dispatchEvent(new Event("text"));
    });
  }
  child.on("error", () => resolve());
  child.on("close", () => {
    resolve();
    changed.dispatchEvent(new Event("text"));
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;

  return {
    pid: child.pid ?? 0,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    async wrote(text, msMax = 20_000) {
      const signal = AbortSignal.timeout(msMax);
      while (!written.stdout.includes(text) && !written.stderr.includes(text)) {
        if (hasEnded() || signal.aborted) {
          const end = signal.aborted ? `wrote nothing like it for ${msMax} ms` : `ended (${child.exitCode})`;
          throw new Error(`${child.spawnargs.slice(3).join(" ")} ${end} instead of ${text}:\n${written.stderr}`);
        }
        await Promise.race([once(changed, "text"), once(signal, "abort")]);
      }
    },
    async end(signal = "SIGTERM") {
      if (!hasEnded()) child.kill(signal);
      await ended;
      return child.exitCode;
    },
  };
}

async function fetchThrough(socket: string, url: string, options: FetchOptions): Promise<Fetched> {
  const { hostname, port } = new URL(url);
  const outgoing = request(url, {
    method: options.method ?? "GET",
    headers: { connection: "close", ...options.headers },
    createConnection() {
      const connection = connect(socket);
      connection.write(`${hostname.replaceAll(/[[\]]/g, "")} ${port || 80}\n`);
      return connection;
    },
    timeout: 10_000,
  });
  outgoing.on("timeout", () => outgoing.destroy(new Error(`${url} did not answer`)));
  outgoing.end(options.body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk as string;
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

async function ip(...args: string[]): Promise<void> {
  const { code, stderr } = await runProgram("ip", args);
  if (code !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr.trim()}`);
}

function plainEnv(): Record<string, string> {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME };
}

/* What follows cannot wait for anything: a process may be ending. */

function ipNow(...args: string[]): string {
  try {
    return execFileSync("ip", args, { stdio: "pipe", encoding: "utf8" });
  } catch {
    // What is not there need not be removed.
    return "";
  }
}

function killProcesses(namespace: string): void {
  for (const pid of ipNow("netns", "pids", namespace).split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended by itself meanwhile.
    }
  }
}

function removeNamespace(namespace: string): void {
  killProcesses(namespace);
  ipNow("netns", "del", namespace);
}

/** Removes the networks of processes that were killed, and their directories. */
function removeLeftovers(): void {
  const isLeft = (name: string) => {
    const pid = /^thingstead-network-(\d+)-/.exec(name)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  };
  const namespaces = ipNow("netns", "list")
    .split("\n")
    .map((line) => line.split(" ", 1)[0] ?? "");
  for (const namespace of namespaces.filter(isLeft)) removeNamespace(namespace);
  for (const directory of readdirSync(tmpdir()).filter(isLeft)) {
    rmSync(path.join(tmpdir(), directory), { recursive: true, force: true });
  }
}
