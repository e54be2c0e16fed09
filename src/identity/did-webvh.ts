import type { Clock } from "../base/clock.ts";
import type { Did } from "../base/ids.ts";
import type { JsonValue } from "../base/json.ts";
import {
  didDeactivated,
  type DidFetchDeps,
  didFileUrl,
  didNotFound,
  type FetchedDid,
  fetchDidFile,
  lifetimeMsOf,
  parseDidFile,
} from "./did-fetch.ts";
import { readDidDocument } from "./did-document.ts";
import { type DidLog, verifyDidLog } from "./did-webvh-log.ts";
import { requireApproval } from "./did-webvh-witness.ts";

/** The SCID, a SHA-256 multihash in base58btc; then host and path as in did:web. */
const didWebvhSyntax = /^did:webvh:Qm[1-9A-HJ-NP-Za-km-z]{44}:(.+)$/;

const logAccept = "text/jsonl, application/jsonl, application/json;q=0.5, */*;q=0.1";

export interface DidWebvhDeps extends DidFetchDeps {
  clock: Clock;
  /** The last versionId that was seen of each log; `fetchDidWebvh` reads and writes it. */
  logVersions: { get(did: Did): string | undefined; set(did: Did, versionId: string): unknown };
}

/**
 * Where `file` of a did:webvh is (did:webvh 1.0, "The DID to HTTPS Transformation"): `did:webvh:SCID:host%3A8443:a:b` has
 * its log at `https://host:8443/a/b/did.jsonl`, without a path at `/.well-known/did.jsonl`. Hosts with letters beyond
 * ASCII are written in Punycode, as a DID cannot hold them.
 *
 * Throws `did-not-found` for what names no such place, as `didFileUrl` does.
 */
export function didWebvhUrl(did: Did, file: "did.jsonl" | "did-witness.json", allowPrivateAddresses: boolean): URL {
  const location = didWebvhSyntax.exec(did)?.[1];
  if (location === undefined) throw didNotFound(did, "it does not start with did:webvh:SCID:HOST, with a SCID as Qm…");
  return didFileUrl(did, location, file, allowPrivateAddresses);
}

/**
 * The current DID document of a did:webvh (versions 1.0 and 0.5): its log is fetched and checked from the first entry on,
 * with the approval of its witnesses where it has some, and the last entry's document counts. A log that lacks a version
 * which it had before is refused, so that a host cannot go back to keys that were given up ("Truncation or withholding of
 * log entries"). It is current for as long as HTTP says, or else the log's `ttl`.
 *
 * Throws `did-deactivated` (final) for a log that ends so, `did-not-found` (final) for one that is missing or does not
 * hold, with the number of the entry, and what `fetchDidFile` throws.
 */
export async function fetchDidWebvh(did: Did, deps: DidWebvhDeps): Promise<FetchedDid> {
  const { clock, logVersions, allowPrivateAddresses } = deps;
  const url = didWebvhUrl(did, "did.jsonl", allowPrivateAddresses);
  const { status, headers, body } = await fetchDidFile(did, url, logAccept, deps);
  if (status !== 200) throw didNotFound(did, `${url.href} answered with status ${status}`);

  const now = clock.now();
  const log = await verifyDidLog(body, did, now);
  const [first] = log.witnessed;
  if (first !== undefined) {
    requireApproval(log, await fetchWitnessFile(did, first.entryNumber, deps), did, now);
  }
  checkHistory(did, log, logVersions.get(did));
  logVersions.set(did, log.versionIds.at(-1) ?? "");

  if (log.isDeactivated) throw didDeactivated(did, `entry ${log.versionIds.length} of its log says so`);
  const document = readDidDocument(log.state, did);
  if (typeof document === "string") {
    throw didNotFound(did, `entry ${log.versionIds.length} of its log has a document that cannot be used: ${document}`);
  }
  const ttlMs = log.ttlSeconds === null ? undefined : log.ttlSeconds * 1000;
  return { document, bytes: log.stateBytes, lifetimeMs: lifetimeMsOf(headers) ?? ttlMs };
}

async function fetchWitnessFile(did: Did, entryNumber: number, deps: DidWebvhDeps): Promise<JsonValue> {
  const url = didWebvhUrl(did, "did-witness.json", deps.allowPrivateAddresses);
  const { status, body } = await fetchDidFile(did, url, "application/json", deps);
  if (status !== 200) {
    throw didNotFound(
      did,
      `entry ${entryNumber} of its log has witnesses, and ${url.href} answered with status ${status}`,
    );
  }
  return parseDidFile(did, url, body);
}

function checkHistory(did: Did, { versionIds }: DidLog, seenVersionId: string | undefined): void {
  if (seenVersionId !== undefined && !versionIds.includes(seenVersionId)) {
    const number = seenVersionId.slice(0, seenVersionId.indexOf("-"));
    throw didNotFound(did, `entry ${number} of its log is missing or another than the one that was seen before`);
  }
}
