import type { Socket } from "node:dgram";
import { hostname } from "node:os";
import type { Admission } from "../admission/admission.ts";
import type { Clock } from "../base/clock.ts";
import type { Egress } from "../base/egress.ts";
import { limits } from "../base/limits.ts";
import { loggerOf } from "../base/log.ts";
import type { LogReader } from "../db/public-log.ts";
import type { EntryReader } from "../things/entry-store.ts";
import { type Announcer, createAnnouncer } from "./announcer.ts";
import { type Browser, createBrowser } from "./browser.ts";
import { addressesOf, type LanInterface, type MachineInterfaces, machineInterfaces } from "./interfaces.ts";
import { type InterfaceReport, type Network, openNetwork } from "./network.ts";
import { createProxiedThings, thingPath } from "./proxied-things.ts";
import type { Announcement } from "./records.ts";
import { createRunner, type Runner } from "./runner.ts";
import type { LocalEntry, ServiceReport } from "./service.ts";
import { createServices } from "./services.ts";
import { createTimers } from "./timers.ts";

/** What the operator has chosen. */
export interface LanOptions {
  enabled: boolean;
  /** `HOST`, as it was configured, and whether it is reached from this machine only. */
  host: string;
  isLoopback: boolean;
  /** Announce registered things that do not do it themselves. */
  proxy: boolean;
  /** Only these interfaces; null: all but the loopback interface. */
  interfaces: readonly string[] | null;
  /** How long a silent service stays before it is checked. */
  ttlSeconds: number;
}

export interface LanDeps {
  options: LanOptions;
  egress: Egress;
  admission: Pick<Admission, "publish" | "endLocal">;
  entries: EntryReader;
  log: LogReader;
  clock: Clock;
  /** What tells this registry from others. */
  seed: string;
  /** Whether other processes may use the same database. */
  sharesDatabase: boolean;
  parts?: LanParts | undefined;
}

/** What a test may bring along. */
export interface LanParts {
  /** The machine's interfaces. */
  interfaces?: () => MachineInterfaces;
  createSocket?: () => Socket;
  settings?: Partial<LanSettings>;
  random?: () => number;
}

/** All in milliseconds. */
export interface LanSettings {
  /** Time between two looks at the machine's interfaces. */
  pollMs: number;
  /** How long the registry's own packets may take to come back. */
  selfHearMs: number;
  /** Time after which an interface is tried again on which something is wrong. */
  retryMs: number;
  /** Time between two looks at what is to be done. */
  tickMs: number;
  /** Time between two queries for all services. */
  queryMs: number;
  checkMs: number;
  refreshMs: number;
  changeMs: number;
  /** Time between two looks at the log for things to announce. */
  followMs: number;
}

/** What is known of the local network. */
export interface LanReport {
  enabled: boolean;
  /** Why it is enabled, or not. */
  reason: string;
  interfaces: InterfaceReport[];
  announced: Announcement[];
  services: ServiceReport[];
}

/** The local network's door. */
export interface Lan {
  report(): LanReport;
  /** Opens the door for a server that listens on `address`. Never rejects: a network that fails is reported. */
  start(server: { address: string; port: number }): Promise<void>;
  /** Withdraws what is announced, and ends what is under way. Entries stay: after a start their services are heard. */
  stop(): Promise<void>;
}

/** Where the registry's own description is. */
const directoryPath = "/.well-known/wot";

/** Makes the door to the local network (design §6), closed at first. */
export function createLan(deps: LanDeps): Lan {
  const { options } = deps;
  const log = loggerOf("lan");
  let failure: string | null = null;
  let open: { report(): Omit<LanReport, "enabled" | "reason">; close(): Promise<void> } | null = null;

  return {
    report: () => ({
      enabled: options.enabled,
      reason: failure ?? reasonOf(options),
      ...(open?.report() ?? { interfaces: [], announced: [], services: [] }),
    }),
    async start(server) {
      try {
        if (options.enabled) open = await openDoor(deps, server);
        else if (!deps.sharesDatabase) await endAll(deps);
      } catch (error) {
        log.error("the local network cannot be used: {error}", { error });
        if (options.enabled) failure = "LAN is on, but could not be started: the registry's log says why.";
      }
    },
    async stop() {
      await open?.close();
      open = null;
    },
  };
}

async function openDoor(deps: LanDeps, server: { address: string; port: number }) {
  const { options, clock, egress, admission, entries, seed, parts = {} } = deps;
  const log = loggerOf("lan");
  const settings = settingsOf(options, parts.settings);
  const timers = createTimers();
  const random = parts.random ?? Math.random;
  const interfaces = parts.interfaces ?? machineInterfaces;
  let lastMs = 0;
  const now = () => (lastMs = Math.max(lastMs, clock.now().getTime()));

  const services = createServices(settings, now());
  const runner: Runner = createRunner({ services, egress, admission, entries, clock, now });
  for (const [origin, known] of await storedServices(deps)) {
    if (!services.restore(origin, known, now())) await endEntries(origin, known, deps);
  }

  const own = `${seed}\n${hostname()}\n${server.port}`;
  const host = `thingstead-${Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, "0")}.local`;
  const announcer: Announcer = createAnnouncer({
    place: { host, port: server.port },
    label: `Thingstead on ${hostname()}`,
    seed: own,
    td: directoryPath,
    timers,
    random,
    now,
  });
  const browser: Browser = createBrowser({ services, announcer, host, timers, now, queryMs: settings.queryMs });

  const obstacle = (link: LanInterface) => (canReach(link, server.address) ? null : unreachable(options.host));
  let ownAddresses = addressesOf(interfaces());
  const network: Network = openNetwork({
    interfaces() {
      const machine = interfaces();
      ownAddresses = addressesOf(machine);
      return machine;
    },
    names: options.interfaces,
    timers,
    now,
    createSocket: parts.createSocket,
    settings,
    obstacle,
    recognise: (packet) => browser.recognise(packet),
    onOpen(channel) {
      if (obstacle(channel.link) === null) announcer.join(channel);
      browser.join(channel);
    },
    onClose(channel) {
      announcer.leave(channel);
      browser.leave(channel);
    },
    onPacket(channel, packet, from) {
      announcer.hear(channel, packet);
      browser.hear(packet, { sender: from, link: channel.link, isOwn: (address) => ownAddresses.has(address) });
    },
  });
  const links = network.channels().map(({ link }) => link);
  if (links.length > 0 && links.every((link) => obstacle(link) !== null)) {
    log.warn("the registry is not announced: {reason}", { reason: unreachable(options.host) });
  }

  timers.every(settings.tickMs, () => {
    browser.askForMissing();
    runner.run();
  });
  if (options.proxy) followThings(deps, own, announcer, services, timers, settings.followMs);

  return {
    report: () => ({ interfaces: network.report(), announced: announcer.list(), services: services.list(now()) }),
    async close() {
      timers.stop();
      await announcer.withdraw();
      await runner.stop();
      await network.close();
    },
  };
}

function settingsOf({ ttlSeconds }: LanOptions, given: Partial<LanSettings> = {}): LanSettings & { ttlMs: number } {
  const ttlMs = ttlSeconds * 1000;
  return {
    ttlMs,
    pollMs: 2_000,
    selfHearMs: 3_000,
    retryMs: 30_000,
    tickMs: 250,
    // Some queries may get lost before a service counts as silent.
    queryMs: Math.min(30_000, Math.max(1_000, ttlMs / 4)),
    checkMs: Math.min(10_000, ttlMs),
    refreshMs: Math.min(60_000, ttlMs / 2),
    changeMs: 10_000,
    followMs: 2_000,
    ...given,
  };
}

/** Keeps what is announced for others in step with what is registered. */
function followThings(
  deps: LanDeps,
  seed: string,
  announcer: Announcer,
  services: ReturnType<typeof createServices>,
  timers: ReturnType<typeof createTimers>,
  intervalMs: number,
): void {
  const log = loggerOf("lan");
  const things = createProxiedThings({
    ...deps,
    seed,
    // Another registry that announces it does not count: each would wait for the other.
    announcesItself: (id) => services.announces(id, (url) => !url.endsWith(thingPath(id))),
  });
  let isFollowing = false;
  const follow = async () => {
    if (isFollowing) return;
    isFollowing = true;
    try {
      announcer.setThings(await things.follow());
    } catch (error) {
      log.error("the things to announce cannot be read: {error}", { error });
    } finally {
      isFollowing = false;
    }
  };
  void follow();
  timers.every(intervalMs, () => void follow());
}

/** Whether who is on an interface's network reaches a server that listens on `address`. */
function canReach({ addresses }: LanInterface, address: string): boolean {
  return address === "0.0.0.0" || address === "::" || addresses.includes(address.replace(/^::ffff:/, ""));
}

function unreachable(host: string): string {
  return `HOST is ${host}, which this network does not reach. Set HOST to 0.0.0.0, or to an address of the interface.`;
}

function reasonOf({ enabled, host, isLoopback }: LanOptions): string {
  if (isLoopback) {
    return enabled
      ? `HOST is ${host}, this machine only, and LAN is on all the same: things are found, others do not find the registry.`
      : `HOST is ${host}, this machine only.`;
  }
  return enabled ? `HOST is ${host}, which others reach.` : "LAN is off.";
}

/** The entries that came from the local network, by the names of their services. */
async function storedServices({ entries, clock }: LanDeps): Promise<Map<string, LocalEntry[]>> {
  const rows = await entries.listLocal(clock.now(), limits.lanServicesMax * limits.lanDescriptionsPerServiceMax);
  const services = new Map<string, LocalEntry[]>();
  for (const { origin, thingId, controller } of rows) {
    const name = origin ?? "";
    services.set(name, [...(services.get(name) ?? []), { thingId, controller }]);
  }
  return services;
}

/** Ends what an earlier run has left: nobody would notice when it goes. */
async function endAll(deps: LanDeps): Promise<void> {
  for (const [origin, known] of await storedServices(deps)) await endEntries(origin, known, deps);
}

async function endEntries(origin: string, known: readonly LocalEntry[], { admission }: LanDeps): Promise<void> {
  for (const entry of known) await admission.endLocal({ ...entry, origin });
}
