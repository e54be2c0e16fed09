import type { Socket } from "node:dgram";
import type { IncomingPacket, Peer } from "multicast-dns";
import { loggerOf } from "../base/log.ts";
import { type Channel, openChannel } from "./channel.ts";
import { type LanInterface, type MachineInterfaces, usableInterfaces } from "./interfaces.ts";
import type { Timers } from "./timers.ts";

/** An interface as operators see it. */
export interface InterfaceReport {
  name: string;
  /** Null if it has none, or does not exist. */
  address: string | null;
  /** The registry has heard its own announcement on it. */
  announced: boolean;
  /** What is wrong, and what mends it; null if nothing is. */
  error: string | null;
}

export interface NetworkOptions {
  /** The machine's interfaces at this moment. */
  interfaces(): MachineInterfaces;
  /** Only these interfaces; null: all but the loopback interface. */
  names: readonly string[] | null;
  timers: Timers;
  /** Milliseconds. */
  now(): number;
  createSocket?: (() => Socket) | undefined;
  settings: NetworkSettings;
  /** Why the registry must not be announced on an interface; null if it is to be. */
  obstacle(link: LanInterface): string | null;
  /** What a packet shows of this process: nothing, that it was sent by it, or that it announces it. */
  recognise(packet: IncomingPacket): "foreign" | "own" | "announcement";
  onOpen(channel: Channel): void;
  onClose(channel: Channel): void;
  onPacket(channel: Channel, packet: IncomingPacket, from: Peer): void;
}

/** All in milliseconds. */
export interface NetworkSettings {
  /** Time between two looks at the machine's interfaces. */
  pollMs: number;
  /** How long the registry's own packets may take to come back before something is wrong. */
  selfHearMs: number;
  /** Time after which an interface is tried again on which something is wrong. */
  retryMs: number;
}

interface Line {
  channel: Channel;
  openedAt: number;
  heard: boolean;
  announced: boolean;
  fault: string | null;
}

export interface Network {
  channels(): Channel[];
  report(): InterfaceReport[];
  close(): Promise<void>;
}

/** What is said of an interface on which sending works, and nothing is heard. */
const unheard =
  "What is sent on it is not heard again: a firewall may block UDP port 5353, or the interface does not carry multicast.";

/**
 * Keeps a channel open on each usable interface, whatever interfaces and addresses come and go, and sees to it that each
 * hears what this process itself sends: an interface that is silently deaf is reported and tried again.
 */
export function openNetwork(options: NetworkOptions): Network {
  const { timers, now, settings } = options;
  const log = loggerOf("lan");
  const lines = new Map<string, Line>();
  /** What was logged last of an interface, so that trying again and again does not fill the log. */
  const logged = new Map<string, string>();

  function noteFault(line: Line, fault: string): void {
    const { name } = line.channel.link;
    if (lines.get(name) !== line) return;
    line.fault = fault;
    if (logged.get(name) === fault) return;
    logged.set(name, fault);
    log.error("multicast DNS does not work on {interface}: {fault}", { interface: name, fault });
  }

  function open(link: LanInterface): void {
    const channel = openChannel(link, {
      now,
      createSocket: options.createSocket,
      onPacket(packet, from) {
        if (link.addresses.includes(from.address)) noteOwn(link.name, options.recognise(packet));
        options.onPacket(channel, packet, from);
      },
      onFault: (fault) => noteFault(line, fault),
    });
    const line: Line = { channel, openedAt: now(), heard: false, announced: false, fault: null };
    lines.set(link.name, line);
    timers.after(settings.selfHearMs, () => {
      const isGood = line.announced || (line.heard && options.obstacle(link) !== null);
      if (!isGood && line.fault === null) noteFault(line, unheard);
    });
    options.onOpen(channel);
  }

  function noteOwn(name: string, kind: ReturnType<NetworkOptions["recognise"]>): void {
    const line = lines.get(name);
    if (line === undefined || kind === "foreign") return;
    if (kind === "announcement" && !line.announced) {
      log.info("announced on {interface}", { interface: name, address: line.channel.link.addresses[0] });
    }
    line.heard = true;
    line.announced ||= kind === "announcement";
    line.fault = null;
    logged.delete(name);
  }

  function shut(name: string, line: Line): Promise<void> {
    lines.delete(name);
    options.onClose(line.channel);
    return line.channel.close();
  }

  function poll(): void {
    const links = new Map(usableInterfaces(options.interfaces(), options.names).map((link) => [link.name, link]));
    for (const [name, line] of lines) {
      const isSame = links.get(name)?.addresses.join() === line.channel.link.addresses.join();
      const isBroken = line.fault !== null && now() - line.openedAt >= settings.retryMs;
      if (!isSame || isBroken) void shut(name, line);
    }
    for (const [name, link] of links) if (!lines.has(name)) open(link);
  }

  poll();
  if (lines.size === 0) log.warn("there is no interface with an IPv4 address that multicast DNS could use");
  timers.every(settings.pollMs, poll);

  return {
    channels: () => [...lines.values()].map(({ channel }) => channel),
    report() {
      const missing = (options.names ?? []).filter((name) => !lines.has(name));
      return [
        ...[...lines].map(([name, { channel, announced, fault }]) => ({
          name,
          address: channel.link.addresses[0],
          announced,
          error: fault ?? options.obstacle(channel.link),
        })),
        ...missing.map((name) => ({
          name,
          address: null,
          announced: false,
          error: "There is no such interface, or it is down, or has no IPv4 address.",
        })),
      ];
    },
    async close() {
      await Promise.all([...lines].map(([name, line]) => shut(name, line)));
    },
  };
}
