import type { Clock } from "../base/clock.ts";
import type { Egress } from "../base/egress.ts";
import type { Did } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { fetchServiceCredentials } from "../identity/credential-services.ts";
import { checkCredential, type CredentialFinding, credentialsInDescription } from "../identity/credentials.ts";
import { checkDomain, hostOfDid } from "../identity/domain-badge.ts";
import { reviewProof } from "../identity/proof.ts";
import type { DidResolution, DidResolver } from "../identity/resolver.ts";
import { type AssessmentRow, isAbout } from "../things/assessment-store.ts";
import { descriptionOf, type StoredEntry } from "../things/entry-store.ts";
import { formHostsOf } from "../things/facts.ts";
import type { BadgeName, HeldBadge } from "./trust.ts";

export interface AssessDeps {
  resolver: DidResolver;
  egress: Egress;
  clock: Clock;
  /** The DIDs whose credentials count, by the operator's choice. */
  trustedIssuers: readonly string[];
}

/** What was found out about an entry, but for its names. */
export type Assessment = Omit<AssessmentRow, "lookalike">;

/** How the proof stands, and the DID document behind it, if it could be had. */
interface Standing extends Pick<Assessment, "state" | "reason" | "absentSince" | "didDocumentRetrieved"> {
  resolution: DidResolution | null;
  /** The host may answer again. */
  passing: boolean;
}

/** What was found about one badge. */
interface BadgeOutcome {
  badge: BadgeName;
  held: boolean;
  explanation: string;
  passing: boolean;
  /** When what it is held for ends; null if that is not known. */
  validUntil?: Date | null;
}

/**
 * Looks again at an entry whose document was accepted: whether its proof still holds, and which badges it has earned.
 * Asks the network; writes nothing. `previous` is what was found out before, about whichever version.
 */
export async function assessEntry(
  stored: StoredEntry,
  previous: AssessmentRow | undefined,
  deps: AssessDeps,
): Promise<Assessment> {
  const { entry } = stored;
  const before = isAbout(previous, entry.versionDigest) ? previous : undefined;
  const td = descriptionOf(stored);
  const standing = await standingOf(stored, td, before, deps);
  const now = deps.clock.now();
  const acceptedAt = entry.verifiedAt ?? entry.modified;

  const outcomes = standing.state === "verified" && entry.controller !== null ? await lookForBadges() : [];
  const badges = outcomes.flatMap((outcome) => heldBadge(outcome, before?.badges ?? [], now) ?? []);
  const heldNames = new Set(badges.map(({ badge }) => badge));
  return {
    key: entry.key,
    versionDigest: entry.versionDigest,
    state: standing.state,
    reason: standing.reason,
    since: before !== undefined && before.state === standing.state ? before.since : sinceOf(),
    absentSince: standing.absentSince,
    didDocumentRetrieved: standing.didDocumentRetrieved,
    badges,
    findings: outcomes.filter(({ badge }) => !heldNames.has(badge)).map(({ explanation }) => explanation),
    assessed: now,
    due: dueAfter(),
  };

  function sinceOf(): Date {
    return standing.state === "verified" && before === undefined ? acceptedAt : now;
  }

  async function lookForBadges(): Promise<BadgeOutcome[]> {
    const { controller } = entry;
    if (controller === null) return [];
    return [...(await domainOutcome(controller)), ...(await credentialOutcomes(controller))];
  }

  async function domainOutcome(did: Did): Promise<BadgeOutcome[]> {
    if (hostOfDid(did) === null) return [];
    if (standing.resolution === null) {
      return [{ badge: "domain", held: false, explanation: "The DID's host does not answer.", passing: true }];
    }
    const { document } = standing.resolution;
    return [{ badge: "domain", ...(await checkDomain({ did, document, hosts: formHostsOf(td), td }, deps)) }];
  }

  async function credentialOutcomes(controller: Did): Promise<BadgeOutcome[]> {
    const refusals: BadgeOutcome[] = [];
    for await (const finding of findingsOf(controller)) {
      const { accepted: held, reason: explanation, validUntil } = finding;
      const outcome = { badge: "credential", held, explanation, passing: false, validUntil } as const;
      // One that counts is enough.
      if (held) return [outcome];
      refusals.push(outcome);
    }
    return refusals;
  }

  /** What is found of each credential that goes with the entry, one after the other. */
  async function* findingsOf(
    controller: Did,
  ): AsyncGenerator<Pick<CredentialFinding, "accepted" | "reason" | "validUntil">> {
    const { trustedIssuers } = deps;
    const context = { controller, thingId: entry.thingId, trustedIssuers };
    for (const one of credentialsInDescription(td)) yield checkCredential(one, "entry", context, deps);
    // Where nobody is trusted, nobody is asked either.
    if (standing.resolution === null || trustedIssuers.length === 0) return;
    const { credentials, faults } = await fetchServiceCredentials(standing.resolution.document, deps);
    for (const one of credentials) yield checkCredential(one, "service", context, deps);
    for (const reason of faults) yield { accepted: false, reason, validUntil: null };
  }

  /** When to look again: null for an entry that nothing but a new version changes. */
  function dueAfter(): Date | null {
    const { controller, proofExpires } = entry;
    if (controller === null || standing.state === "lapsed") return null;
    const needsNetwork = hostOfDid(controller) !== null || credentialsInDescription(td).length > 0;
    const isPassing = standing.passing || outcomes.some(({ passing }) => passing);
    const later = now.getTime() + (isPassing ? limits.reviewRetryMs : limits.reviewIntervalMs);
    const ends = [proofExpires, ...outcomes.map(({ validUntil }) => validUntil ?? null)].filter((end) => end !== null);
    const dates = [...(needsNetwork ? [later] : []), ...ends.map((end) => end.getTime())];
    return dates.length === 0 ? null : new Date(Math.min(...dates));
  }
}

/** How the proof stands by what the controller's DID document says now. */
async function standingOf(
  stored: StoredEntry,
  td: JsonObject,
  before: AssessmentRow | undefined,
  { resolver, clock }: AssessDeps,
): Promise<Standing> {
  const { controller, proofExpires, verifiedAt } = stored.entry;
  const verified: Standing = {
    state: "verified",
    reason: null,
    absentSince: null,
    didDocumentRetrieved: null,
    resolution: null,
    passing: false,
  };
  const now = clock.now();
  if (controller === null) return verified;
  if (proofExpires !== null && proofExpires <= now) {
    return { ...verified, state: "lapsed", reason: "The proof's expires has come." };
  }
  const isPending = before !== undefined && before.absentSince !== null;
  const lastHeard = before?.didDocumentRetrieved ?? verifiedAt;
  try {
    // What was missing once counts only if it is missing in another, later document.
    const ageMsMax = isPending ? limits.didWriteAgeMsMax : limits.didFreshMsMax;
    const resolution = await resolver.resolve(controller, { ageMsMax });
    const retrieved = hostOfDid(controller) === null ? null : resolution.retrievedAt;
    const found = { ...verified, resolution, didDocumentRetrieved: retrieved };
    const proof = reviewProof(td, resolution, now);
    if (proof.holds) return found;
    if (proof.reason === "proof-expired") return { ...found, state: "lapsed", reason: proof.detail };
    if (proof.reason === "key-revoked") return { ...found, state: "unverifiable", reason: proof.detail };
    return { ...found, ...missing(proof.detail) };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { message: reason } = error;
    if (error.type === "did-deactivated") return { ...verified, state: "unverifiable", reason };
    if (error.retry === "never") return { ...verified, didDocumentRetrieved: lastHeard, ...missing(reason) };
    // Nobody can be asked: what was known goes on to count for a while, and is shown with its age.
    const resolution = await resolver.resolveStale(controller).catch(nullIfProblem);
    const isTooOld = lastHeard === null || now.getTime() - lastHeard.getTime() > limits.didStaleMsMax;
    const state = isTooOld ? "unverifiable" : (before?.state ?? "verified");
    return {
      ...verified,
      state,
      reason: state === "verified" ? null : isTooOld ? reason : (before?.reason ?? reason),
      absentSince: before?.absentSince ?? null,
      didDocumentRetrieved: lastHeard,
      resolution,
      passing: true,
    };
  }

  /** A key, or a whole document, that is not there may be a mistake in passing, the first time. */
  function missing(reason: string): Pick<Standing, "state" | "reason" | "absentSince"> {
    const absentSince = before?.absentSince ?? now;
    const isLasting = now.getTime() - absentSince.getTime() >= limits.reviewIntervalMs;
    const state = isLasting || before?.state === "unverifiable" ? "unverifiable" : "verified";
    return { state, reason: state === "verified" ? null : reason, absentSince };
  }
}

function nullIfProblem(error: unknown): null {
  if (error instanceof Problem) return null;
  throw error;
}

/** The badge as it is held; also one that was held and whose host cannot be asked for the moment. */
function heldBadge(outcome: BadgeOutcome, before: readonly HeldBadge[], now: Date): HeldBadge | null {
  const { badge, held, explanation, passing } = outcome;
  const known = before.find((one) => one.badge === badge);
  if (held) return { badge, explanation, since: known?.since ?? now.toISOString(), checked: now.toISOString() };
  if (!passing || known === undefined) return null;
  return now.getTime() - Date.parse(known.checked) <= limits.badgeGraceMsMax ? known : null;
}
