import type { Did } from "../base/ids.ts";
import { isJsonObject, type JsonValue } from "../base/json.ts";
import { didNotFound } from "./did-fetch.ts";
import type { DidLog } from "./did-webvh-log.ts";
import { logProofFault, multikeyOfMethod } from "./did-webvh-proof.ts";

/**
 * Requires that every entry of `log` that needs it has the approval of enough of its witnesses by `file`, the parsed
 * `did-witness.json` of `did` (did:webvh §"Verifying Witness Proofs During Resolution"). To approve of an entry is to
 * approve of all before it. Proofs that do not hold, and those of versions that are not in this log, count for nothing:
 * a witness's signature over a versionId says nothing about which DID it belongs to.
 *
 * Throws `did-not-found` that names the first entry without approval.
 */
export function requireApproval(log: DidLog, file: JsonValue, did: Did, now: Date): void {
  const approved = approvals(log, file, now);
  for (const { entryNumber, rule } of log.witnessed) {
    const approving = [...rule.witnesses].filter((witness) => (approved.get(witness) ?? 0) >= entryNumber);
    if (approving.length < rule.threshold) {
      const count = `${approving.length} of its witnesses, where ${rule.threshold} are needed`;
      throw didNotFound(did, `entry ${entryNumber} of its log has the approval of ${count}`);
    }
  }
}

/** The number of the last entry that each witness approved of. */
function approvals({ versionIds, witnessed }: DidLog, file: JsonValue, now: Date): Map<string, number> {
  const witnesses = new Set(witnessed.flatMap(({ rule }) => [...rule.witnesses]));
  const numbers = new Map(versionIds.map((versionId, at) => [versionId, at + 1]));
  const approved = new Map<string, number>();
  for (const record of Array.isArray(file) ? file : []) {
    if (!isJsonObject(record)) continue;
    const { versionId, proof } = record;
    const number = typeof versionId === "string" ? numbers.get(versionId) : undefined;
    if (typeof versionId !== "string" || number === undefined || !Array.isArray(proof)) continue;
    for (const one of proof) {
      const witness = isJsonObject(one) ? multikeyOfMethod(one["verificationMethod"]) : null;
      if (witness === null || (approved.get(witness) ?? 0) >= number) continue;
      if (logProofFault({ versionId }, one, witnesses, now) === undefined) approved.set(witness, number);
    }
  }
  return approved;
}
