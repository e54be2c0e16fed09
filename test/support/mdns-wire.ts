import type { Socket } from "node:dgram";
import { EventEmitter } from "node:events";
import multicastDns, { type IncomingPacket, type OutgoingPacket } from "multicast-dns";
import type { MachineInterfaces } from "../../src/lan/interfaces.ts";

/** A network for multicast DNS that lies in memory: what goes over it is the bytes of real packets. */
export interface Wire {
  /** Makes sockets of a host with this address. */
  socketsOf(address: string, port?: number): () => Socket;
  /** Sends a packet as the host with this address. */
  send(packet: OutgoingPacket, from: string, port?: number): void;
  /** What went over it so far. */
  readonly packets: { packet: IncomingPacket; from: string }[];
  /** Loses all packets, until `mend`. */
  cut(): void;
  mend(): void;
  close(): void;
}

export function createWire(): Wire {
  const sockets = new Set<EventEmitter>();
  const packets: Wire["packets"] = [];
  let isCut = false;

  function socketOf(address: string, port: number): Socket {
    const socket = new EventEmitter();
    const parts = {
      bind(_port: number, _address: string, done: () => void) {
        setImmediate(() => {
          sockets.add(socket);
          socket.emit("listening");
          done();
        });
      },
      send(bytes: Buffer, _offset: number, _length: number, _port: number, _to: string, done: (error: null) => void) {
        const copy = Buffer.from(bytes);
        setImmediate(() => {
          if (!isCut) for (const other of sockets) other.emit("message", copy, { address, port });
        });
        done(null);
      },
      close(done: () => void) {
        sockets.delete(socket);
        setImmediate(done);
      },
      address: () => ({ address: "0.0.0.0", port: 5353 }),
      addMembership() {},
      dropMembership() {},
      setMulticastTTL() {},
      setMulticastLoopback() {},
      setMulticastInterface() {},
    };
    return Object.assign(socket, parts) as unknown as Socket;
  }

  const ear = multicastDns({ interface: "10.0.0.250", bind: "0.0.0.0", socket: socketOf("10.0.0.250", 5353) });
  ear.on("packet", (packet, from) => packets.push({ packet, from: from.address }));

  return {
    socketsOf:
      (address, port = 5353) =>
      () =>
        socketOf(address, port),
    send(packet, from, port = 5353) {
      const host = multicastDns({ interface: from, bind: "0.0.0.0", socket: socketOf(from, port) });
      const done = () => host.destroy();
      if (packet.type === "query") host.query(packet, done);
      else host.respond(packet, null, done);
    },
    packets,
    cut() {
      isCut = true;
    },
    mend() {
      isCut = false;
    },
    close() {
      ear.destroy();
    },
  };
}

/** What a packet is after it went over the network: encoded and decoded. */
export async function received(packet: OutgoingPacket): Promise<IncomingPacket> {
  const wire = createWire();
  wire.send(packet, "10.0.0.7");
  while (wire.packets.length === 0) await new Promise(setImmediate);
  wire.close();
  const [first] = wire.packets;
  if (first === undefined) throw new Error("the packet got lost");
  return first.packet;
}

/** The interfaces of a machine, in the form of `os.networkInterfaces()`. `cidrs`: addresses by interface. */
export function machineWith(cidrs: Record<string, string | string[]>): MachineInterfaces {
  return Object.fromEntries(
    Object.entries(cidrs).map(([name, all]) => [
      name,
      [all].flat().map((cidr) => {
        const address = cidr.split("/", 1)[0] ?? "";
        const internal = address.startsWith("127.") || address === "::1";
        const rest = { mac: "02:00:00:00:00:01", netmask: "", internal, cidr, address };
        return address.includes(":")
          ? { ...rest, family: "IPv6" as const, scopeid: 0 }
          : { ...rest, family: "IPv4" as const };
      }),
    ]),
  );
}

/** The records of a service, as its announcer sends them. */
export function serviceRecords(service: {
  name: string;
  host?: string;
  port?: number;
  addresses?: readonly string[];
  txt?: readonly (string | Buffer)[];
  ttl?: number;
}): OutgoingPacket {
  const { name, host = "lamp.local", port = 8090, addresses = ["10.0.0.7"], txt = ["td=/td"], ttl = 120 } = service;
  return {
    type: "response",
    answers: [
      { name: "_wot._tcp.local", type: "PTR", ttl, data: name },
      { name, type: "SRV", ttl, flush: true, data: { port, target: host } },
      { name, type: "TXT", ttl, flush: true, data: txt.map((one) => Buffer.from(one as string)) },
    ],
    additionals: addresses.map((data) => ({ name: host, type: "A" as const, ttl, flush: true, data })),
  };
}
