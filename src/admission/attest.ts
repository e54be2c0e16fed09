import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { didOfUrl, isDid } from "../identity/did.ts";
import { verifyProof } from "../identity/proof.ts";
import type { DidResolver } from "../identity/resolver.ts";
import type { Did, ThingId } from "../base/ids.ts";
import type { Attested, Candidate } from "./stages.ts";

/**
 * Finds out whose document it is: resolves the controller's DID and checks the proof. The only stage that asks the
 * network, and therefore outside the transaction. Throws `invalid-proof`, `did-not-found`, `did-unavailable`,
 * `unsupported-did-method`, `egress-refused` or `not-controller`.
 */
export async function attest(candidate: Candidate, deps: { resolver: DidResolver; clock: Clock }): Promise<Attested> {
  if (!candidate.signed) {
    if (didOfThing(candidate.thingId) !== null) throw needsProofByDid(candidate.thingId);
    return { stage: "attested", candidate, verification: null, controller: null };
  }
  const verification = await verifyProof(candidate.json, { ...deps, ageMsMax: limits.didWriteAgeMsMax });
  await requireControl(candidate.thingId, verification.controller, deps.resolver);
  return { stage: "attested", candidate, verification, controller: verification.controller };
}

/** A thing whose id is a DID belongs to that DID, or to one that its DID document names as controller (design §3.4). */
async function requireControl(thingId: ThingId, controller: Did, resolver: DidResolver): Promise<void> {
  const thingDid = didOfThing(thingId);
  if (thingDid === null || thingDid === controller) return;
  const { document } = await resolver.resolve(thingDid, { ageMsMax: limits.didWriteAgeMsMax });
  if (![document.controller].flat().includes(controller)) {
    throw new Problem(
      "not-controller",
      `The thing id ${thingId} is a DID, so only that DID, or one that its DID document names as controller, may sign for it; the proof is by ${controller}.`,
      { extensions: { controller: thingDid } },
    );
  }
}

function didOfThing(thingId: ThingId): Did | null {
  const did = thingId.startsWith("did:") ? thingId.split(/[/?#]/, 1)[0] : undefined;
  return did !== undefined && isDid(did) ? didOfUrl(thingId) : null;
}

function needsProofByDid(thingId: ThingId): Problem {
  return new Problem("not-controller", `The thing id ${thingId} is a DID: the description needs a proof by that DID.`, {
    validationErrors: [{ field: "/proof", description: "must be a proof by the DID that is the id" }],
  });
}
