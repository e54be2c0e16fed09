import { canonicalize } from "../../base/canonical.ts";
import type { Clock } from "../../base/clock.ts";
import { digestOf } from "../../base/ids.ts";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { Problem } from "../../base/problem.ts";
import { verifyProof } from "../../identity/proof.ts";
import type { DidResolver } from "../../identity/resolver.ts";
import { enrichDescription, withoutRegistration } from "../../things/enrich.ts";
import { Refusal, Unreachable } from "../failure.ts";
import type { Finding } from "./findings.ts";
import { documentOf, type LogClient, type Served } from "./log-client.ts";
import type { Standing } from "./replay.ts";

/** What came of looking at an entry. */
export type Verdict =
  | { is: "right" }
  /** `unproven`: nothing speaks against the registry, but it is not certain either that all is as it must be. */
  | { is: "wrong" | "unproven"; check: Finding["check"]; seq: number; detail: string };

interface CheckDeps {
  client: LogClient;
  resolver: DidResolver;
  clock: Clock;
}

/**
 * Checks what the registry serves of an entry: that it is there or not as the log has it, that its bytes have the digest
 * that the log gives, and that the proof holds by the DID of its controller. Throws Unreachable.
 */
export async function checkEntry(standing: Standing, deps: CheckDeps): Promise<Verdict> {
  try {
    const served = await serve(standing, deps.client);
    const fault = faultOfState(standing, served.status);
    if (fault !== null) return wrong(standing.seq, fault);
    if (served.status === "absent") return { is: "right" };
    return standing.controller === null
      ? await checkUnsigned(standing, served.bytes, deps)
      : await checkSigned(standing, standing.controller, served.bytes, deps);
  } catch (error) {
    if (!(error instanceof Refusal) || error instanceof Unreachable) throw error;
    return wrong(standing.seq, `It cannot be read. ${error.message}`);
  }
}

/** What is served of this very entry. Another one may answer at its URL: a signed one of the same id, or a part of one. */
async function serve({ id, controller }: Standing, client: LogClient): Promise<Served> {
  const served = await client.readEntry(id, controller);
  if (served.status === "absent") return served;
  const document = documentOf(served.bytes);
  const isOther =
    document !== null && (document["id"] !== id || (controller === null && document["proof"] !== undefined));
  return isOther ? { status: "absent" } : served;
}

function faultOfState({ state, kind, seq }: Standing, status: Served["status"]): string | null {
  const by = `entry ${seq} of the log ("${kind}")`;
  switch (state) {
    case "listed":
      return status === "current"
        ? null
        : `It is ${status === "gone" ? "answered as gone" : "not served"}, against ${by}.`;
    case "retracted":
      return status === "gone" ? null : `Its tombstone is not served, against ${by}.`;
    case "unlisted":
      return status === "gone" ? `It is answered as gone, against ${by}.` : null;
    case "absent":
      return status === "absent" ? null : `It is still served, against ${by}.`;
  }
}

async function checkSigned(
  { id, document, seq }: Standing,
  controller: string,
  bytes: Uint8Array,
  deps: CheckDeps,
): Promise<Verdict> {
  if (document === null) return wrong(seq, "It is served, and the log has no document of it.");
  const fault = faultOfDigest(document, bytes);
  if (fault !== null) return wrong(document.seq, fault);
  const json = documentOf(bytes);
  if (json === null) return wrong(document.seq, "Its document is not a JSON object.");
  return checkProof(json, { id, controller, seq: document.seq }, deps);
}

/** An unsigned entry is served enriched: its document is that of a version, and what is served must say the same. */
async function checkUnsigned({ id, document, seq }: Standing, bytes: Uint8Array, deps: CheckDeps): Promise<Verdict> {
  if (document === null) return wrong(seq, "It is served, and the log has no document of it.");
  const version = await deps.client.readVersion(id, null, document.digest);
  if (version.status === "absent") return wrong(document.seq, "The registry does not have the document of its digest.");
  const fault = faultOfDigest(document, version.bytes);
  if (fault !== null) return wrong(document.seq, fault);
  const [served, stored] = [documentOf(bytes), documentOf(version.bytes)];
  const isSame = served !== null && stored !== null && coreOf(served) === coreOf(stored);
  return isSame ? { is: "right" } : wrong(document.seq, "What is served does not say what its document says.");
}

/** A description without what a registry adds to it. */
function coreOf(description: JsonObject): string {
  const anytime = new Date(0);
  const registration = { created: anytime, modified: anytime, expires: null, ttlSeconds: null };
  return canonicalize(withoutRegistration(enrichDescription(description, registration)));
}

function faultOfDigest(document: { digest: string; seq: number }, bytes: Uint8Array): string | null {
  const digest = digestOf(bytes);
  if (digest === document.digest) return null;
  return `The bytes that are served have the digest ${digest}; entry ${document.seq} of the log has ${document.digest}.`;
}

async function checkProof(
  json: JsonObject,
  entry: { id: string; controller: string; seq: number },
  { client, resolver, clock }: CheckDeps,
): Promise<Verdict> {
  const { seq } = entry;
  const expired = expiryOf(json, clock.now());
  const verdict = (is: "wrong" | "unproven", detail: string): Verdict => ({ is, check: "proof", seq, detail });
  try {
    // What has expired must have held before.
    const asOf = expired === null ? clock : { now: () => new Date(expired.getTime() - 1) };
    const { controller } = await verifyProof(json, { resolver, clock: asOf });
    if (controller !== entry.controller) return verdict("wrong", `It is signed by ${controller}.`);
    return expired === null ? { is: "right" } : verdict("unproven", `Its proof expired at ${expired.toISOString()}.`);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const mayPass = error.retry === "later" || error.type === "egress-refused";
    if (mayPass) return verdict("unproven", `Its proof cannot be checked. ${error.message}`);
    // A key that was taken back since: then the registry must not say that it verified the entry.
    return (await isCalledVerified(entry, client))
      ? verdict("wrong", `Its proof does not hold, and the registry calls it verified. ${error.message}`)
      : verdict("unproven", `Its proof does not hold, as the registry says as well. ${error.message}`);
  }
}

async function isCalledVerified(
  { id, controller }: { id: string; controller: string },
  client: LogClient,
): Promise<boolean> {
  const { verification } = await client.readRegistration(id, controller);
  return !isJsonObject(verification) || verification["verified"] !== false;
}

/** When the proof of `json` expired, if it has. */
function expiryOf({ proof }: JsonObject, now: Date): Date | null {
  const expires = isJsonObject(proof) && typeof proof["expires"] === "string" ? new Date(proof["expires"]) : null;
  return expires !== null && expires <= now ? expires : null;
}

function wrong(seq: number, detail: string): Verdict {
  return { is: "wrong", check: "entry", seq, detail };
}
