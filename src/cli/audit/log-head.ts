import type { Clock } from "../../base/clock.ts";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { limits } from "../../base/limits.ts";
import { Problem } from "../../base/problem.ts";
import type { LogPlace } from "../../db/public-log.ts";
import { normaliseInstant, verifyProof } from "../../identity/proof.ts";
import { registryDid } from "../../identity/registry-identity.ts";
import type { DidResolver } from "../../identity/resolver.ts";
import { Refusal } from "../failure.ts";
import type { Findings } from "./findings.ts";
import type { LogClient } from "./log-client.ts";

/** What a registry signs about its log. */
export interface LogHead extends LogPlace {
  /** The registry's DID. */
  registry: string;
  time: string;
  /** The signed document: evidence that the registry cannot deny. */
  document: JsonObject;
}

/** The members of a head, whoever signed it; null if `document` is none. */
export function readLogHead(document: JsonObject): LogHead | null {
  const { registry, seq, hash, time } = document;
  if (typeof registry !== "string" || typeof time !== "string") return null;
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0) return null;
  if (typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash)) return null;
  return { registry, seq, hash, time, document };
}

/**
 * The head of the registry's log, checked: signed now, by the DID of the registry's own origin, which is resolved here.
 * Null where it cannot be relied on; why is added to `findings`. Throws what `DidResolver.resolve` throws, and a Refusal
 * where a registry on a private address needs to be allowed.
 */
export async function fetchLogHead(
  client: LogClient,
  deps: { resolver: DidResolver; clock: Clock; findings: Findings },
): Promise<LogHead | null> {
  const { clock, findings } = deps;
  const document = await client.readHead();
  const head = readLogHead(document);
  if (head === null) {
    findings.add({
      check: "head",
      detail: "The head of the log is not one: registry, seq, hash and time are missing.",
    });
    return null;
  }
  const expected = registryDid(client.registry);
  if (head.registry !== expected) {
    const detail = `The head is that of ${head.registry}. At ${client.registry}, it must be that of ${expected}: audit a registry at its public URL.`;
    findings.add({ check: "head", seq: head.seq, detail });
    return null;
  }
  const fault = await faultOfProof(head, deps);
  if (fault !== null) {
    findings.add({ check: "head", seq: head.seq, detail: `The head is not signed by ${head.registry}: ${fault}` });
    return null;
  }
  const ageMs = clock.now().getTime() - Date.parse(head.time);
  if (!(Math.abs(ageMs) <= limits.logHeadAgeMsMax)) {
    const detail = `The head is of ${head.time}, and not of now: somebody holds back newer ones, or this machine's clock is wrong.`;
    findings.add({ check: "head", seq: head.seq, detail });
  }
  return head;
}

async function faultOfProof(head: LogHead, deps: { resolver: DidResolver; clock: Clock }): Promise<string | null> {
  try {
    const { proof } = head.document;
    const method = isJsonObject(proof) ? proof["verificationMethod"] : undefined;
    // Before anything is fetched: who else's DID is resolved must not be for the registry to say.
    if (typeof method === "string" && !method.startsWith(`${head.registry}#`)) return `its proof names ${method}.`;
    const { created } = await verifyProof(head.document, deps);
    return created === normaliseInstant(head.time) ? null : `its proof was created at another time, ${created}.`;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.type === "invalid-proof") return error.message;
    if (error.type === "egress-refused") {
      throw new Refusal(
        `${error.message} To audit a registry on this machine or a closed network, add --allow-private-addresses.`,
        { cause: error },
      );
    }
    throw error;
  }
}
