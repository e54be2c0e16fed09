import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { multihashOf } from "./did-webvh-hash.ts";

/** Who has to approve of a log entry (did:webvh §"The witness Parameter"). */
export interface WitnessRule {
  /** How many of `witnesses` must approve. */
  threshold: number;
  /** The multikeys of their did:keys. */
  witnesses: ReadonlySet<string>;
}

/** The parameters that are in force after a log entry (did:webvh §"did:webvh DID Method Parameters"). */
export interface LogParameters {
  method: string;
  scid: string;
  /** Multikeys that may sign for the DID. */
  updateKeys: ReadonlySet<string>;
  /** Multihashes of the keys that may be the next `updateKeys`; pre-rotation is in use unless it is empty. */
  nextKeyHashes: ReadonlySet<string>;
  witness: WitnessRule | null;
  portable: boolean;
  deactivated: boolean;
  /** For how long the DID may be cached by its controller's wish; null if it has none. */
  ttlSeconds: number | null;
}

/** What is wrong with an entry of a log. The message continues "entry N …". */
export class EntryFault extends Error {}

/** Versions of the specification whose logs are read alike, the older ones first. */
const methods: readonly string[] = ["did:webvh:0.5", "did:webvh:1.0"];

const names: ReadonlySet<string> = new Set([
  "method",
  "scid",
  "updateKeys",
  "nextKeyHashes",
  "witness",
  "watchers",
  "portable",
  "deactivated",
  "ttl",
]);

const ttlSecondsMax = 2 ** 31;

/**
 * The parameters in force after the entry that has `json` in its `parameters`. `previous` are those before, null for the
 * first entry. A parameter that is left out stays as it was; null, as early implementations wrote it, is the default.
 *
 * Throws EntryFault for what the specification does not allow: a change that only the first entry may make or must not
 * make, keys that were not committed to while pre-rotation is in use, names and values unknown to it.
 */
export function nextParameters(json: JsonValue | undefined, previous: LogParameters | null): LogParameters {
  if (!isJsonObject(json)) throw new EntryFault('has no object in "parameters"');
  const unknown = Object.keys(json).find((name) => !names.has(name));
  if (unknown !== undefined) throw new EntryFault(`has the unknown parameter "${unknown.slice(0, 100)}"`);
  if (previous?.deactivated === true) throw new EntryFault("follows the one that deactivated the DID");

  const method = readMethod(json["method"], previous);
  const parameters: LogParameters = {
    method,
    scid: readScid(json["scid"], previous),
    updateKeys: readTexts(json, "updateKeys") ?? previous?.updateKeys ?? new Set(),
    nextKeyHashes: readTexts(json, "nextKeyHashes") ?? previous?.nextKeyHashes ?? new Set(),
    witness: json["witness"] === undefined ? (previous?.witness ?? null) : readWitness(json["witness"], method),
    portable: readFlag(json, "portable") ?? previous?.portable ?? false,
    deactivated: readFlag(json, "deactivated") ?? false,
    ttlSeconds: json["ttl"] === undefined ? (previous?.ttlSeconds ?? null) : readTtl(json["ttl"]),
  };
  // Watchers are for those who look for other copies of a log. Here it has one place.
  readTexts(json, "watchers");
  if (previous?.portable === false && parameters.portable) {
    throw new EntryFault('sets "portable" to true, which only the first entry may');
  }
  if (previous !== null && isPreRotating(previous)) checkCommitment(json, parameters, previous);
  return parameters;
}

/**
 * The keys that may sign the entry between `previous` and `current` (did:webvh §"Authorized Keys"): those before it, but
 * its own in the first entry and where they were committed to.
 */
export function authorizedKeys(previous: LogParameters | null, current: LogParameters): ReadonlySet<string> {
  return previous === null || isPreRotating(previous) ? current.updateKeys : previous.updateKeys;
}

function isPreRotating({ nextKeyHashes }: LogParameters): boolean {
  return nextKeyHashes.size > 0;
}

/** While pre-rotation is in use, an entry names its keys anew, and only such as the one before committed to. */
function checkCommitment(json: JsonObject, { updateKeys }: LogParameters, { nextKeyHashes }: LogParameters): void {
  for (const name of ["updateKeys", "nextKeyHashes"]) {
    if (json[name] === undefined) throw new EntryFault(`leaves out "${name}", though pre-rotation is in use`);
  }
  for (const key of updateKeys) {
    if (!nextKeyHashes.has(multihashOf(key))) {
      throw new EntryFault(`has the update key ${key.slice(0, 100)}, whose hash the entry before did not commit to`);
    }
  }
}

function readMethod(value: JsonValue | undefined, previous: LogParameters | null): string {
  if (value === undefined && previous !== null) return previous.method;
  if (typeof value !== "string" || !methods.includes(value)) {
    throw new EntryFault(`has the method ${shown(value)}; known are ${methods.join(" and ")}`);
  }
  if (previous !== null && methods.indexOf(value) < methods.indexOf(previous.method)) {
    throw new EntryFault(`goes back from ${previous.method} to ${value}`);
  }
  return value;
}

function readScid(value: JsonValue | undefined, previous: LogParameters | null): string {
  if (previous === null) {
    if (typeof value !== "string") throw new EntryFault('has no text in the parameter "scid"');
    return value;
  }
  if (value !== undefined) throw new EntryFault('has the parameter "scid", which only the first entry may have');
  return previous.scid;
}

/** Texts that are in an array; none if it is null, undefined if it is left out. */
function readTexts(json: JsonObject, name: string): ReadonlySet<string> | undefined {
  const value = json[name];
  if (value === undefined) return undefined;
  const texts = value ?? [];
  if (!Array.isArray(texts) || !texts.every((one) => typeof one === "string")) {
    throw new EntryFault(`has a parameter "${name}" that is not an array of texts`);
  }
  return new Set(texts);
}

function readFlag(json: JsonObject, name: string): boolean | undefined {
  const value = json[name];
  if (value === undefined || typeof value === "boolean") return value;
  throw new EntryFault(`has a parameter "${name}" that is neither true nor false`);
}

function readTtl(value: JsonValue): number | null {
  if (value === null) return null;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > ttlSecondsMax) {
    throw new EntryFault(`has the "ttl" ${shown(value)}; expected is a whole number of seconds up to 2^31`);
  }
  return value;
}

function readWitness(value: JsonValue, method: string): WitnessRule | null {
  if (value === null) return null;
  if (!isJsonObject(value)) throw new EntryFault('has a parameter "witness" that is not an object');
  if (Object.keys(value).length === 0) return null;
  const { threshold, witnesses } = value;
  if (!Array.isArray(witnesses)) throw new EntryFault('has a "witness" without an array of "witnesses"');
  // Version 0.5 had no other way to say that there are none.
  if (method === "did:webvh:0.5" && witnesses.length === 0 && threshold === 0) return null;
  const keys = witnesses.map(readWitnessKey);
  const distinct = new Set(keys);
  if (distinct.size !== keys.length) throw new EntryFault("names a witness twice");
  if (typeof threshold !== "number" || !Number.isInteger(threshold) || threshold < 1 || threshold > keys.length) {
    throw new EntryFault(`has the witness threshold ${shown(threshold)}, with ${keys.length} witnesses`);
  }
  return { threshold, witnesses: distinct };
}

function readWitnessKey(witness: JsonValue): string {
  const id = isJsonObject(witness) ? witness["id"] : undefined;
  if (!isJsonObject(witness) || typeof id !== "string" || !id.startsWith("did:key:z")) {
    throw new EntryFault('has a witness whose "id" is not a did:key');
  }
  // Version 0.5 added weights up. One by one is the only way of counting that both versions know.
  if (witness["weight"] !== undefined && witness["weight"] !== 1) {
    throw new EntryFault('has a witness with a "weight" other than 1, which version 1.0 does not know');
  }
  return id.slice("did:key:".length);
}

function shown(value: JsonValue | undefined): string {
  return (JSON.stringify(value) ?? "none").slice(0, 100);
}
