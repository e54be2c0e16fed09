import type { Socket } from "node:dgram";
import multicastDns, { type IncomingPacket, type OutgoingPacket, type Peer } from "multicast-dns";
import { limits } from "../base/limits.ts";
import { loggerOf } from "../base/log.ts";
import type { LanInterface } from "./interfaces.ts";
import { createRate } from "../base/rate.ts";

/** Multicast DNS on one interface, over IPv4 (RFC 6762). */
export interface Channel {
  readonly link: LanInterface;
  /** Sends to everybody; resolves once it is sent, or could not be, which `onFault` is told. Never rejects. */
  send(packet: OutgoingPacket): Promise<void>;
  close(): Promise<void>;
}

export interface ChannelOptions {
  /** Given what comes from this interface's network, the channel's own packets included. */
  onPacket(packet: IncomingPacket, from: Peer): void;
  /** Told why nothing can be sent or received, in words for people. */
  onFault(fault: string): void;
  /** Milliseconds, for counting packets. */
  now(): number;
  /** Makes the socket; by default a UDP socket that shares its port. For tests. */
  createSocket?: (() => Socket) | undefined;
}

/** The port of multicast DNS (RFC 6762 §3). */
export const mdnsPort = 5353;

const reasons: Record<string, string> = {
  EADDRINUSE: "UDP port 5353 is in use by a program that does not share it.",
  EACCES: "The system does not let this process use UDP port 5353.",
  EPERM: "The system does not let multicast DNS out; a firewall may block UDP port 5353.",
  ENETUNREACH: "There is no route for multicast from this interface.",
  EHOSTUNREACH: "There is no route for multicast from this interface.",
  ENETDOWN: "The interface is down.",
  ENODEV: "The interface cannot join a multicast group.",
  EADDRNOTAVAIL: "The interface does not have this address any more.",
};

/**
 * Opens a socket on an interface. Nothing throws: `onFault` is told what fails.
 *
 * Sockets that share the port hear the packets of all interfaces. Those that come from elsewhere than this interface's
 * own network are dropped (RFC 6762 §11), and so are those above `limits.lanPacketsPerSecondMax`.
 */
export function openChannel(link: LanInterface, options: ChannelOptions): Channel {
  const { createSocket } = options;
  const log = loggerOf("lan");
  const socket = createSocket === undefined ? {} : { socket: createSocket() };
  // Bound to all addresses: a socket bound to that of the interface would not hear multicast.
  const mdns = multicastDns({ interface: link.addresses[0], bind: "0.0.0.0", ...socket });
  const rate = createRate(limits.lanPacketsMax, limits.lanPacketsPerSecondMax, options.now());

  const noteFault = (error: NodeJS.ErrnoException) => {
    options.onFault(reasons[error.code ?? ""] ?? `Multicast DNS fails: ${error.message}`);
  };
  mdns.on("error", noteFault);
  // What cannot be decoded is a warning as well, and nobody's fault here.
  mdns.on("warning", (error) => {
    if (typeof error.syscall === "string") noteFault(error);
  });
  mdns.on("packet", (packet, from) => {
    if (!link.isOnLink(from.address) || !rate.take(options.now())) return;
    try {
      options.onPacket(packet, from);
    } catch (error) {
      // Thrown on, it would end the process: what a stranger sends must never do that.
      log.error("a packet from {address} could not be handled: {error}", { address: from.address, error });
    }
  });

  return {
    link,
    async send(packet) {
      const { promise, resolve } = Promise.withResolvers<Error | null | undefined>();
      try {
        if (packet.type === "query") mdns.query(packet, resolve);
        else mdns.respond(packet, null, resolve);
      } catch (error) {
        resolve(error as Error);
      }
      const error = await promise;
      if (error != null) noteFault(error);
    },
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      mdns.destroy(resolve);
      await promise;
    },
  };
}
