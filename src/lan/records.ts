import type { OutgoingPacket, OutgoingRecord } from "multicast-dns";
import { directorySubtype, servicesName, wotService } from "./instance-name.ts";
import type { ServiceType } from "./target.ts";

/** What is announced: where the description of a Thing or directory is. */
export interface Announcement {
  /** The instance's name, such as `Lamp._wot._tcp.local`. */
  instance: string;
  type: ServiceType;
  /** The path of its description, at most `pathBytesMax` bytes. */
  td: string;
}

/** Where all that this process announces is. */
export interface ServerPlace {
  /** A host name below `.local` that is this process's own. */
  host: string;
  port: number;
}

/** Bytes of a path that fit into a string of a TXT record with its key (RFC 6763 §6.1). */
export const pathBytesMax = 252;

/** Seconds that records may be kept (RFC 6762 §10): those about hosts, and all others. */
const hostTtlSeconds = 120;
const otherTtlSeconds = 4_500;

/** Bytes of a packet, so that it fits into an Ethernet frame. */
const packetBytesMax = 1_400;

/** The records of an announcement, without those of its host. */
export function recordsOf({ instance, type, td }: Announcement, { host, port }: ServerPlace): OutgoingRecord[] {
  // The process speaks http on its port, whatever stands before it elsewhere.
  const strings = [`td=${td}`, `type=${type}`, "scheme=http"].map((text) => Buffer.from(text));
  return [
    { name: wotService, type: "PTR", ttl: otherTtlSeconds, data: instance },
    ...(type === "Directory"
      ? [{ name: directorySubtype, type: "PTR" as const, ttl: otherTtlSeconds, data: instance }]
      : []),
    { name: instance, type: "SRV", ttl: hostTtlSeconds, flush: true, data: { port, target: host } },
    { name: instance, type: "TXT", ttl: otherTtlSeconds, flush: true, data: strings },
  ];
}

/** The records that all announcements on an interface share: its addresses, and the type of services. */
export function commonRecords({ host }: ServerPlace, addresses: readonly string[]): OutgoingRecord[] {
  return [
    ...addresses.map((data) => ({ name: host, type: "A" as const, ttl: hostTtlSeconds, flush: true, data })),
    { name: servicesName, type: "PTR", ttl: otherTtlSeconds, data: wotService },
  ];
}

/** The same records, withdrawn (RFC 6762 §10.1). */
export function withdrawn(records: readonly OutgoingRecord[]): OutgoingRecord[] {
  return records.map((record) => ({ ...record, ttl: 0 }));
}

/** Packets with `groups` of records that belong together, and in each of them `additionals`. */
export function packetsOf(
  groups: readonly (readonly OutgoingRecord[])[],
  additionals: readonly OutgoingRecord[],
): OutgoingPacket[] {
  const packets: OutgoingPacket[] = [];
  let answers: OutgoingRecord[] = [];
  const flush = () => {
    if (answers.length > 0) packets.push({ type: "response", answers, additionals: [...additionals] });
    answers = [];
  };
  for (const group of groups) {
    if (bytesOf([...answers, ...group, ...additionals]) > packetBytesMax) flush();
    answers = [...answers, ...group];
  }
  flush();
  return packets;
}

/** The size of records as they are encoded, roughly from above. */
function bytesOf(records: readonly OutgoingRecord[]): number {
  return records.reduce((sum, { name, data }) => {
    const texts = Array.isArray(data) ? data : [typeof data === "string" ? data : data.target];
    return sum + Buffer.byteLength(name) + 20 + texts.reduce((bytes, text) => bytes + Buffer.byteLength(text) + 2, 0);
  }, 0);
}
