/** The parts of multicast-dns that are used here; it ships no types. Packets are what dns-packet makes of them. */

declare module "multicast-dns" {
  import type { Socket } from "node:dgram";
  import type { EventEmitter } from "node:events";

  export interface Question {
    name: string;
    type: string;
  }

  /** A record as it is sent. */
  export type OutgoingRecord = {
    name: string;
    ttl: number;
    /** The cache-flush bit: whoever knows other records of this name and type is to forget them (RFC 6762 §10.2). */
    flush?: boolean;
  } & (
    | { type: "PTR" | "A"; data: string }
    | { type: "SRV"; data: { port: number; target: string } }
    | { type: "TXT"; data: Buffer[] }
  );

  /** A record as it was received. What `data` is depends on the type. */
  export interface IncomingRecord {
    name: string;
    type: string;
    ttl?: number;
    data?: unknown;
  }

  export interface OutgoingPacket {
    id?: number;
    type?: "query" | "response";
    flags?: number;
    questions?: Question[];
    answers?: OutgoingRecord[];
    authorities?: OutgoingRecord[];
    additionals?: OutgoingRecord[];
  }

  export interface IncomingPacket {
    id: number;
    type: "query" | "response";
    questions: Question[];
    answers: IncomingRecord[];
    authorities: IncomingRecord[];
    additionals: IncomingRecord[];
  }

  export interface Peer {
    address: string;
    port: number;
  }

  export interface MulticastDns extends EventEmitter<{
    packet: [packet: IncomingPacket, from: Peer];
    error: [error: NodeJS.ErrnoException];
    warning: [error: NodeJS.ErrnoException];
    ready: [];
  }> {
    query(packet: OutgoingPacket, done: (error?: Error | null) => void): void;
    respond(packet: OutgoingPacket, to: Peer | null, done: (error?: Error | null) => void): void;
    destroy(done?: () => void): void;
  }

  export default function multicastDns(options: {
    /** The address of the interface. */
    interface: string;
    /** The address to bind to. */
    bind: string;
    socket?: Socket;
  }): MulticastDns;
}
