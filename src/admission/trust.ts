import type { HeldBadge, LookalikeLabel } from "../db/schema/index.ts";
import { type AssessmentRow, isAbout } from "../things/assessment-store.ts";
import type { EntrySummary } from "../things/entry-store.ts";
import { limits } from "../base/limits.ts";

export type { HeldBadge, LookalikeLabel } from "../db/schema/index.ts";

/** The badges, from the weakest to the strongest. */
export const badgeNames = ["self", "domain", "credential"] as const;
export type BadgeName = (typeof badgeNames)[number];

/**
 * How a description's proof stands:
 *
 * - `unsigned`: it has none;
 * - `verified`: it holds by what is known of the controller's DID document;
 * - `unverifiable`: it held when the document was accepted, and does not any more;
 * - `lapsed`: its own `expires` has come.
 */
export const verificationStates = ["unsigned", "verified", "unverifiable", "lapsed"] as const;
export type VerificationState = (typeof verificationStates)[number];

/** What a reader can rely on about an entry. */
export interface Trust {
  state: VerificationState;
  /** Why the state is what it is; null where it is `verified` or `unsigned`. */
  reason: string | null;
  since: Date;
  /** The age of the controller's DID document behind it; null where the DID is its own document, or no look was needed yet. */
  didDocumentRetrieved: Date | null;
  /** The controller's host has not been heard for longer than it should. */
  stale: boolean;
  /** Only of a verified entry. */
  badges: HeldBadge[];
  /** Why other badges are not held, as far as it was looked at, in words for people. */
  findings: string[];
  lookalike: LookalikeLabel | null;
  /** When all of this was last looked at; null if only when the document was accepted. */
  assessed: Date | null;
}

/** The facts of an entry that trust is computed from. */
export type TrustFacts = Pick<
  EntrySummary,
  "controller" | "versionDigest" | "proofExpires" | "verifiedAt" | "modified"
>;

/**
 * What can be relied on at `now`. `assessment` is what was found out since the document was accepted; of another version
 * it says nothing. A proof lapses at its very instant, whether somebody has looked or not. Pure.
 */
export function trustOf(entry: TrustFacts, assessment: AssessmentRow | null | undefined, now: Date): Trust {
  const about = isAbout(assessment, entry.versionDigest) ? assessment : null;
  const acceptedAt = entry.verifiedAt ?? entry.modified;
  const rest = {
    findings: about?.findings ?? [],
    lookalike: about?.lookalike ?? null,
    assessed: about?.assessed ?? null,
    didDocumentRetrieved: about?.didDocumentRetrieved ?? null,
  };
  const without = { ...rest, reason: null, stale: false, badges: [] };
  if (entry.controller === null) return { ...without, state: "unsigned", since: entry.modified };
  if (entry.proofExpires !== null && entry.proofExpires <= now) {
    return { ...without, state: "lapsed", reason: "The proof's expires has come.", since: entry.proofExpires };
  }
  if (about?.state === "unverifiable") {
    return { ...without, state: "unverifiable", reason: about.reason, since: about.since };
  }
  const retrieved = rest.didDocumentRetrieved;
  return {
    ...rest,
    state: "verified",
    reason: null,
    since: about?.since ?? acceptedAt,
    stale: retrieved !== null && now.getTime() - retrieved.getTime() > 2 * limits.reviewIntervalMs,
    badges: [...selfBadge(entry.controller, acceptedAt), ...(about?.badges ?? [])],
  };
}

/** How strong the strongest of `badges` is: 0 none, 1 self, 2 domain, 3 credential. */
export function strengthOf(badges: readonly { badge: BadgeName }[]): number {
  return Math.max(0, ...badges.map(({ badge }) => badgeNames.indexOf(badge) + 1));
}

/** A did:key is its own document, so that its badge follows from the proof alone. */
function selfBadge(controller: string, acceptedAt: Date): HeldBadge[] {
  if (!controller.startsWith("did:key:")) return [];
  const at = acceptedAt.toISOString();
  const explanation = "Signed by the key that is its own name: always the same signer, whoever that is.";
  return [{ badge: "self", explanation, since: at, checked: at }];
}
