import type { IncomingPacket, IncomingRecord } from "multicast-dns";
import { limits } from "../base/limits.ts";
import { directorySubtype, isInstanceName, nameKey, wotService } from "./instance-name.ts";
import { type Fault, type Hearing, type ServiceText, usableAddress } from "./target.ts";

/** What one packet says of a service. */
export interface ServiceObservation {
  /** The instance's name, such as `Lamp._wot._tcp.local`. */
  name: string;
  /** The announcement is withdrawn (RFC 6762 §10.1). */
  goodbye: boolean;
  location: { host: string; port: number } | null;
  text: ServiceText | Fault | null;
}

/** What one packet says. */
export interface Observations {
  services: ServiceObservation[];
  /** By the key of a host's name: the address to use, or why there is none. */
  hosts: ReadonlyMap<string, { address: string } | Fault>;
}

const serviceNames: ReadonlySet<string> = new Set([wotService, directorySubtype]);

/** Bytes of a host's name (RFC 1035 §2.3.4). */
const hostBytesMax = 255;

/**
 * Reads what a response says of Things and directories. Anybody on the network can have written it: names that are none
 * are passed over, and what a record must not say becomes a fault of its service. Pure.
 */
export function observationsIn(packet: IncomingPacket, hearing: Hearing): Observations {
  const services = new Map<string, ServiceObservation & { live: boolean }>();
  const addresses = new Map<string, string[]>();

  const serviceOf = (name: unknown) => {
    if (typeof name !== "string" || !isInstanceName(name)) return null;
    const key = nameKey(name);
    const service = services.get(key) ?? { name, goodbye: false, live: false, location: null, text: null };
    services.set(key, service);
    return service;
  };
  const noteLife = (service: ReturnType<typeof serviceOf>, { ttl }: IncomingRecord) => {
    if (service === null) return;
    if (ttl === 0) service.goodbye = true;
    else service.live = true;
  };

  for (const record of [...packet.answers, ...packet.additionals]) {
    const { name, type, ttl, data } = record;
    if (type === "PTR" && serviceNames.has(nameKey(name))) {
      // A service may leave a subtype and stay.
      if (ttl !== 0 || nameKey(name) === wotService) noteLife(serviceOf(data), record);
    } else if (type === "SRV") {
      const service = serviceOf(name);
      noteLife(service, record);
      if (service !== null && ttl !== 0) service.location = locationIn(data);
    } else if (type === "TXT" && ttl !== 0) {
      const service = serviceOf(name);
      if (service !== null) service.text = textIn(data);
    } else if (type === "A" && ttl !== 0 && typeof data === "string") {
      const known = addresses.get(nameKey(name));
      if (known === undefined) addresses.set(nameKey(name), [data]);
      else known.push(data);
    }
  }
  return {
    services: [...services.values()].map(({ live, ...service }) => ({ ...service, goodbye: service.goodbye && !live })),
    hosts: new Map([...addresses].map(([host, found]) => [host, usableAddress(found, hearing)])),
  };
}

function locationIn(data: unknown): ServiceObservation["location"] {
  const { target, port } = (data ?? {}) as { target?: unknown; port?: unknown };
  if (typeof target !== "string" || typeof port !== "number" || Buffer.byteLength(target) > hostBytesMax) return null;
  return /[\p{Cc}\ufffd]/u.test(target) ? null : { host: target, port };
}

/** Reads `key=value` strings: keys in any case, and of a key that occurs twice the first (RFC 6763 §6.4). */
function textIn(data: unknown): ServiceText | Fault {
  const strings = [data].flat().filter((one) => Buffer.isBuffer(one));
  const bytes = strings.reduce((sum, { length }) => sum + length + 1, 0);
  if (bytes > limits.lanTextBytesMax) {
    return { fault: `The TXT record has ${bytes} bytes; at most ${limits.lanTextBytesMax} are read.` };
  }
  const values = new Map<string, string>();
  for (const one of strings.map((string) => string.toString("utf8"))) {
    const [, key = "", value = ""] = /^([^=]+)=?(.*)$/s.exec(one) ?? [];
    if (!values.has(key.toLowerCase())) values.set(key.toLowerCase(), value);
  }
  const valueOf = (key: string) => values.get(key) ?? null;
  const raw = strings.map((string) => string.toString("base64")).join(" ");
  return { td: valueOf("td"), type: valueOf("type"), scheme: valueOf("scheme"), raw };
}
