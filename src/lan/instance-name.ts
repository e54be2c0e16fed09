import { createHash } from "node:crypto";
import { snippetOf } from "../base/shown-text.ts";

/** The DNS-SD service of Things and directories over TCP (WoT Discovery §6.3). */
export const wotService = "_wot._tcp.local";

/** The subtype under which directories are found (WoT Discovery §6.3). */
export const directorySubtype = `_directory._sub.${wotService}`;

/** The name that lists the types of services (RFC 6763 §9). */
export const servicesName = "_services._dns-sd._udp.local";

/** Bytes of a DNS label (RFC 1035 §2.3.4). */
const labelBytesMax = 63;

/** What no instance name may hold (RFC 6763 §4.1.1), and what bytes become that are not UTF-8. */
const refusedPattern = /[\p{Cc}\ufffd]/u;

/**
 * The name of a service instance: `label`, cut so that it fits, then ` (suffix)` if there is one. Dots become hyphens,
 * since the encoder below takes each for the end of a label.
 */
export function instanceName(label: string, suffix: string | null = null): string {
  const tail = suffix === null ? "" : ` (${suffix})`;
  const shown = snippetOf(label, labelBytesMax).replaceAll(".", "-");
  return `${cutToBytes(shown, labelBytesMax - Buffer.byteLength(tail))}${tail}.${wotService}`;
}

/** A few letters that stand for `parts`, so that names which would be the same are not. */
export function distinctSuffix(...parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 6);
}

/** What names are compared by: DNS does not tell cases of ASCII letters apart (RFC 6762 §16). */
export function nameKey(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** Whether `name` is that of a Thing or directory, such as `Lamp._wot._tcp.local`, and fit to be shown and stored. */
export function isInstanceName(name: string): boolean {
  if (!nameKey(name).endsWith(`.${wotService}`) || refusedPattern.test(name)) return false;
  const label = name.slice(0, -wotService.length - 1);
  return label.trim() !== "" && Buffer.byteLength(label) <= labelBytesMax;
}

/**
 * An id for a description that has none, always the same for one service: the name-based UUID of the service's name in
 * the namespace of DNS names (RFC 9562 §5.5), as a URN.
 */
export function thingIdOfInstance(name: string): string {
  const dnsNamespace = Buffer.from("6ba7b8109dad11d180b400c04fd430c8", "hex");
  const bytes = createHash("sha1").update(dnsNamespace).update(nameKey(name)).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  return `urn:uuid:${hex}`;
}

function cutToBytes(text: string, bytesMax: number): string {
  let cut = text;
  while (Buffer.byteLength(cut) > bytesMax) cut = [...cut].slice(0, -1).join("");
  return cut.trimEnd();
}
