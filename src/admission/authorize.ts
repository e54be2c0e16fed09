import { Problem } from "../base/problem.ts";
import {
  type Attested,
  type Candidate,
  type Door,
  type Evidence,
  type Permitted,
  type TokenScope,
  tokenScopes,
} from "./stages.ts";

/** Who may write (design "ADMISSION"). */
export type AdmissionMode = "signed" | "open" | "token";

/** Whether a token that came along allows what `scope` does. Pure. */
export function allows(evidence: Evidence, scope: TokenScope): boolean {
  return evidence.token !== null && tokenScopes.indexOf(evidence.token) >= tokenScopes.indexOf(scope);
}

/**
 * Refuses whoever carries no token that allows `scope`. Throws `token-required` without one, `insufficient-scope` with
 * one that allows less.
 */
export function requireScope(evidence: Evidence, scope: TokenScope, purpose: string): void {
  if (allows(evidence, scope)) return;
  if (evidence.token === null) {
    throw new Problem("token-required", `${purpose} needs an API token: send it as \`Authorization: Bearer <token>\`.`);
  }
  throw new Problem(
    "insufficient-scope",
    `${purpose} needs a token of the scope ${scope}; this one has ${evidence.token}.`,
    {
      extensions: { required: scope },
    },
  );
}

/** In `token` mode, refuses whoever carries no token for writing; before any work is done for them. */
export function requirePass(mode: AdmissionMode, evidence: Evidence): void {
  if (mode === "token") requireScope(evidence, "write", "Writing to this registry");
}

/**
 * Whether the mode lets this document in at `now`, whoever's entry it may touch. Who opens the local network's door lets
 * in what stands there, signed or not: the mode is about those who send documents. A peer has no token, it was let in
 * when it was followed; of peers only signed documents are taken. Pure.
 */
export function authorize(attested: Attested, mode: AdmissionMode, now: Date): Permitted {
  const { candidate } = attested;
  const { door, evidence } = candidate.submission;
  if (door === "http" || door === "cli") requirePass(mode, evidence);
  if (attested.controller === null) {
    if (door === "inbox") throw proofRequired();
    refuseUnsignedTombstone(candidate.kind);
    if (mode === "signed" && door !== "lan") throw proofRequired();
  }
  // The registry that a document comes from keeps its lease, and says so when that ends.
  const ttlSeconds = door === "inbox" ? null : candidate.requested.ttlSeconds;
  return { stage: "permitted", attested, at: now, expires: expiryOf(candidate, ttlSeconds, now), ttlSeconds };
}

function proofRequired(): Problem {
  return new Problem(
    "proof-required",
    "This registry accepts only documents with a Data Integrity proof. Sign the document, for instance with `npx thingstead sign FILE --key KEY`, and send it again.",
    { validationErrors: [{ field: "/proof", description: "must be a Data Integrity proof of the document" }] },
  );
}

/** When the registration runs out: `ttl` overrides what the producer wrote as `expires` (WoT Discovery §7.3.1.1). */
function expiryOf({ requested: { expires } }: Candidate, ttlSeconds: number | null, now: Date): Date | null {
  if (ttlSeconds !== null) return new Date(now.getTime() + ttlSeconds * 1000);
  if (expires !== null && expires <= now) {
    throw new Problem(
      "invalid-thing-description",
      "registration.expires lies in the past, so nobody could read the entry.",
      {
        validationErrors: [{ field: "/registration/expires", description: "must lie in the future" }],
      },
    );
  }
  return expires;
}

/** Whether somebody with this evidence may remove or renew an entry that nobody signed. Pure. */
export function mayChangeUnsigned(mode: AdmissionMode, evidence: Evidence): boolean {
  return mode === "open" || allows(evidence, "write");
}

/** Doors by which a document of another controller may stand beside the first one's, under the same thing id. */
export function keepsApart(door: Door): boolean {
  return door === "inbox" || door === "lan";
}

function refuseUnsignedTombstone(kind: "description" | "tombstone"): void {
  if (kind === "tombstone") {
    throw new Problem("invalid-tombstone", "A Tombstone needs a proof by the controller of the entry.", {
      validationErrors: [{ field: "/proof", description: "must be a Data Integrity proof by the entry's controller" }],
    });
  }
}
