import { setImmediate as yieldToOthers } from "node:timers/promises";
import type { Did } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { isDid } from "./did.ts";
import { didNotFound } from "./did-fetch.ts";
import { entryHashOf, scidOf, scidPlaceholder } from "./did-webvh-hash.ts";
import {
  authorizedKeys,
  EntryFault,
  type LogParameters,
  nextParameters,
  type WitnessRule,
} from "./did-webvh-parameters.ts";
import { logProofFault } from "./did-webvh-proof.ts";
import { instantOf, normaliseInstant } from "./instant.ts";

/** What a log says that was found in order. */
export interface DidLog {
  /** The versionIds of all entries, `1-Qm…` first. */
  versionIds: string[];
  /** Whose approval each entry needs that needs any; to be checked against the witness file. */
  witnessed: { entryNumber: number; rule: WitnessRule }[];
  /** The DID document of the last entry. */
  state: JsonObject;
  /** Bytes of the last entry. */
  stateBytes: number;
  isDeactivated: boolean;
  ttlSeconds: number | null;
}

/** An entry whose form is right (did:webvh §"The DID Log File"). */
interface Entry {
  json: JsonObject;
  number: number;
  versionId: string;
  /** UTC in fixed width, which sorts as text. */
  versionTime: string;
  parameters: JsonValue | undefined;
  state: JsonObject;
  stateId: Did;
  proofs: JsonValue[];
}

/** What of the entries so far counts for the next. */
interface Head {
  entry: Entry;
  parameters: LogParameters;
}

const members: ReadonlySet<string> = new Set(["versionId", "versionTime", "parameters", "state", "proof"]);

const lineBounds = {
  bytesMax: limits.didDocumentBytesMax,
  depthMax: limits.jsonDepthMax,
  nodesMax: limits.jsonNodesMax,
};

/** After so many entries, some milliseconds of work, others have their turn. */
const entriesAtOnceMax = 8;

/**
 * Checks `body`, the `did.jsonl` of `did`, from its first to its last entry (did:webvh §"Read (Resolve)"): SCID, chain of
 * hashes, numbers, times, parameters, proofs, pre-rotation and renaming. The last entry must be of `did` itself: one that
 * has moved is found under its new name. Witnesses are left to `requireApproval`.
 *
 * Throws `did-not-found` that names the first entry that does not hold.
 */
export async function verifyDidLog(body: Uint8Array, did: Did, now: Date): Promise<DidLog> {
  const lines = linesOf(body, did);
  const log: Pick<DidLog, "versionIds" | "witnessed"> = { versionIds: [], witnessed: [] };
  let head: Head | null = null;
  for (const [at, line] of lines.entries()) {
    const number = at + 1;
    try {
      const next = advance(head, readEntry(line, number), did, now);
      const rule = head?.parameters.witness ?? next.parameters.witness;
      if (rule !== null) log.witnessed.push({ entryNumber: number, rule });
      log.versionIds.push(next.entry.versionId);
      head = next;
      if (number === lines.length && next.entry.stateId !== did) {
        throw new EntryFault(`is of ${next.entry.stateId}, to which the DID has moved`);
      }
    } catch (error) {
      if (!(error instanceof EntryFault)) throw error;
      throw didNotFound(did, `entry ${number} of its log ${error.message}`, error);
    }
    if (number % entriesAtOnceMax === 0) await yieldToOthers();
  }
  if (head === null) throw didNotFound(did, "its log has no entries");
  const { parameters, entry } = head;
  return {
    ...log,
    state: entry.state,
    stateBytes: lines.at(-1)?.length ?? 0,
    isDeactivated: parameters.deactivated,
    ttlSeconds: parameters.ttlSeconds,
  };
}

/** The lines of a log; the last one may or may not be ended. */
function linesOf(body: Uint8Array, did: Did): Uint8Array[] {
  if (body.length > limits.didLogBytesMax) {
    throw didNotFound(did, `its log has more than ${limits.didLogBytesMax} bytes`);
  }
  const lines: Uint8Array[] = [];
  for (let start = 0; start < body.length;) {
    if (lines.length === limits.didLogEntriesMax) {
      throw didNotFound(did, `its log has more than ${limits.didLogEntriesMax} entries`);
    }
    const end = body.indexOf(0x0a, start);
    lines.push(body.subarray(start, end < 0 ? body.length : end));
    start = end < 0 ? body.length : end + 1;
  }
  return lines;
}

function readEntry(line: Uint8Array, number: number): Entry {
  const json = parseLine(line);
  if (!isJsonObject(json)) throw new EntryFault("is not a JSON object");
  const unknown = Object.keys(json).find((name) => !members.has(name));
  if (unknown !== undefined) throw new EntryFault(`has the unknown member "${unknown.slice(0, 100)}"`);
  const { versionId, versionTime, parameters, state, proof } = json;
  if (typeof versionId !== "string") throw new EntryFault('has no text in "versionId"');
  const instant = typeof versionTime === "string" ? normaliseInstant(versionTime) : null;
  if (typeof versionTime !== "string" || instant === null || !/(?:Z|\+00:00)$/.test(versionTime)) {
    throw new EntryFault('has no time in UTC in "versionTime", such as "2026-11-21T09:00:00Z"');
  }
  const stateId = isJsonObject(state) ? state["id"] : undefined;
  if (!isJsonObject(state) || typeof stateId !== "string" || !isDid(stateId)) {
    throw new EntryFault('has no DID document in "state", with a DID as its "id"');
  }
  const proofs = proof === undefined ? [] : [proof].flat();
  return { json, number, versionId, versionTime: instant, parameters, state, stateId, proofs };
}

function parseLine(line: Uint8Array): JsonValue {
  try {
    return parseJson(line, lineBounds).value;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new EntryFault(`cannot be read: ${error.message.replace(/\.$/, "")}`, { cause: error });
  }
}

/** `entry` as the new head of the log, if it may follow `head`. Throws EntryFault. */
function advance(head: Head | null, entry: Entry, did: Did, now: Date): Head {
  const previous = head?.parameters ?? null;
  const parameters = nextParameters(entry.parameters, previous);
  if (head === null) checkScid(entry, parameters, did);
  checkVersion(entry, head?.entry.versionId ?? parameters.scid);
  checkTime(entry, head, now);
  checkProofs(entry, authorizedKeys(previous, parameters), now);
  checkName(entry, parameters, head);
  return { entry, parameters };
}

function checkScid(entry: Entry, { scid }: LogParameters, did: Did): void {
  if (!did.startsWith(`did:webvh:${scid}:`)) {
    throw new EntryFault(`begins the log of another DID, with the SCID ${scid.slice(0, 100)}`);
  }
  // The controller has replaced all of them; what is left would let two first entries have one SCID.
  if (JSON.stringify(entry.json).includes(scidPlaceholder)) throw new EntryFault(`still holds a ${scidPlaceholder}`);
  if (scidOf(entry.json, scid) !== scid) throw new EntryFault("does not have the SCID that follows from it");
}

function checkVersion({ json, number, versionId }: Entry, predecessor: string): void {
  if (!versionId.startsWith(`${number}-`)) {
    throw new EntryFault(
      `has the versionId ${JSON.stringify(versionId.slice(0, 100))}, which does not start with ${number}-`,
    );
  }
  if (versionId !== `${number}-${entryHashOf(json, predecessor)}`) {
    throw new EntryFault("does not have the hash that follows from it and the one before");
  }
}

function checkTime({ versionTime }: Entry, head: Head | null, now: Date): void {
  if (head !== null && versionTime <= head.entry.versionTime) {
    throw new EntryFault(`has a "versionTime", ${versionTime}, that is not after that of the one before`);
  }
  if (versionTime > instantOf(new Date(now.getTime() + limits.clockSkewMsMax))) {
    throw new EntryFault(`has the "versionTime" ${versionTime}, which has not come yet`);
  }
}

/** All of an entry's proofs must hold; mostly there is one. */
function checkProofs({ json, proofs }: Entry, keys: ReadonlySet<string>, now: Date): void {
  if (proofs.length === 0) throw new EntryFault("has no proof");
  for (const proof of proofs) {
    const fault = logProofFault(json, proof, keys, now);
    if (fault !== undefined) throw new EntryFault(`has a proof that ${fault}`);
  }
}

/** The DID may change its host and path, never its SCID, if it is portable (did:webvh §"DID Portability"). */
function checkName({ state, stateId }: Entry, { scid, portable }: LogParameters, head: Head | null): void {
  if (!stateId.startsWith(`did:webvh:${scid}:`)) {
    throw new EntryFault(`has a DID document whose "id", ${stateId}, is not with the SCID ${scid}`);
  }
  if (head === null || stateId === head.entry.stateId) return;
  if (!portable) throw new EntryFault("renames a DID that is not portable");
  const aliases = state["alsoKnownAs"];
  if (!Array.isArray(aliases) || !aliases.includes(head.entry.stateId)) {
    throw new EntryFault(`renames the DID without "alsoKnownAs" ${head.entry.stateId}`);
  }
}
