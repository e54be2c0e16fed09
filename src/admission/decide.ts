import type { Etag } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import { type EntryRow, etagOfEntry, isExpired } from "../things/entry-store.ts";
import { allows, keepsApart } from "./authorize.ts";
import type { Attested, Evidence, Precondition, Submission } from "./stages.ts";

/** What the store has to write. */
export type Decision =
  /** `supersedes`: an unsigned entry of the same id, which a signed document replaces. */
  | { action: "create"; isPrimary: boolean; supersedes: EntryRow | null }
  /** `keepsRegistration`: the version is another one, but where the entry is registered stays as it was. */
  | { action: "update"; entry: EntryRow; equivocal: boolean; revived: boolean; keepsRegistration: boolean }
  /** `isAdopted`: from now on it is here by the way that the document came, and not because a peer lists it. */
  | { action: "relist"; entry: EntryRow; isAdopted: boolean }
  /** The same for an entry that is listed: what came from a peer is registered here. */
  | { action: "adopt"; entry: EntryRow }
  | { action: "keep"; entry: EntryRow }
  /** The losing side of an equivocation: kept as evidence, and refused. */
  | { action: "evidence"; entry: EntryRow };

/**
 * Decides, from all rows of the thing id as they are under the lock, what a permitted document does. Pure.
 *
 * Throws `not-controller`, `signed-entry`, `entry-unlisted`, `version-not-newer` or `precondition-failed`.
 * The rules are design §3.4 to §3.6.
 */
export function decide(attested: Attested, rows: readonly EntryRow[], now: Date): Decision {
  const { candidate, controller } = attested;
  const { submission } = candidate;
  const primary = rows.find((row) => row.isPrimary) ?? null;
  const own = rows.find((row) => row.controller === controller) ?? null;

  if (primary !== null && primary.controller !== null && primary.controller !== controller) {
    if (controller === null) throw signedEntry(primary.controller);
    if (!keepsApart(submission.door)) {
      throw new Problem(
        "not-controller",
        `The thing id belongs here to ${primary.controller}, who registered it first. This document is signed by ${controller}: use the first controller's key, or another id.`,
        { extensions: { controller: primary.controller } },
      );
    }
  }
  if (submission.door === "lan" && own?.controller === null && !isOfAnnouncer(own, submission)) {
    throw new Problem(
      "conflict",
      "An unsigned entry of this id came in by another way, or from another announcer, and is not replaced by this one.",
    );
  }
  checkPrecondition(submission.precondition, own ?? (controller === null ? null : primary), now);

  if (own === null) {
    const supersedes = controller !== null && primary?.controller === null ? primary : null;
    return { action: "create", isPrimary: primary === null || supersedes !== null, supersedes };
  }
  return controller === null ? decideUnsigned(attested, own, now) : decideSigned(attested, own, now);
}

function decideUnsigned(attested: Attested, own: EntryRow, now: Date): Decision {
  const expired = isExpired(own, now);
  // An identical document still renews a registration that runs out.
  if (own.digest === attested.candidate.digest && !expired && own.expires === null)
    return { action: "keep", entry: own };
  return { action: "update", entry: own, equivocal: false, revived: expired, keepsRegistration: false };
}

function decideSigned(attested: Attested, own: EntryRow, now: Date): Decision {
  const { candidate, verification } = attested;
  const { submission } = candidate;
  if (verification === null || own.versionCreated === null) throw new Error("a signed entry without a proof's instant");
  // Not the digest of the bytes: anybody can write the same signed content with other white space, and make another
  // document of it, but only the controller can make another version.
  const versionDigest = verification.signedDigest;
  const mayRelist = mayBringBack(own, submission.evidence);

  const sameInstant = verification.created === own.versionCreated;
  if (sameInstant && versionDigest === own.versionDigest) {
    // Whoever holds a document may send it; only its controller can say that it still counts.
    if (own.state !== "retracted" && isGone(own, now)) {
      // What had left the local network is there again, and says so itself.
      if (submission.door === "lan" && own.door === "lan") return { action: "relist", entry: own, isAdopted: false };
      throw expiredVersion(own);
    }
    const isAdopted = isFromPeer(own) && isRegistration(submission);
    if (own.state === "unlisted") {
      // Peers bring it back by listing it, which is not decided here.
      if (own.unlistedBy === "origin" && submission.door === "inbox" && !isAdopted)
        return { action: "keep", entry: own };
      if (mayRelist) return { action: "relist", entry: own, isAdopted: isAdopted || own.unlistedBy === "origin" };
      throw unlistedEntry(own);
    }
    return { action: own.state === "active" && isAdopted ? "adopt" : "keep", entry: own };
  }
  if (verification.created < own.versionCreated) {
    throw new Problem(
      "version-not-newer",
      `The proof's created (${verification.created}) is not after that of the version known here (${own.versionCreated}). Sign the document anew.`,
      { extensions: { known: own.versionCreated } },
    );
  }
  if (sameInstant && versionDigest < own.versionDigest) return { action: "evidence", entry: own };
  // What its controller has taken out, a new version by the same controller brings back.
  const staysOut = own.state === "unlisted" && own.unlistedBy === "operator" && !mayRelist;
  if (staysOut && candidate.kind === "description") throw unlistedEntry(own);
  // To readers the entry was not there.
  const revived = own.state !== "active" || isExpired(own, now);
  // A registration that has ended is one no more, but the owner's Tombstone still goes to whoever knew of it.
  const keepsRegistration = (!revived || candidate.kind === "tombstone") && staysRegistered(own, submission);
  return { action: "update", entry: own, equivocal: sameInstant, revived, keepsRegistration };
}

/** Whether an entry is here because a peer lists it. */
function isFromPeer({ door, origin }: Pick<EntryRow, "door" | "origin">): boolean {
  return door === "inbox" && origin !== null;
}

/** Whether what comes in by this way is registered here, and not only found on the local network or listed by a peer. */
function isRegistration({ door, origin }: Pick<EntryRow, "door" | "origin">): boolean {
  return door !== "lan" && origin === null;
}

/**
 * Whether an entry stays where it is registered when a newer version comes in by another way: a registration here outdoes
 * a peer's listing, and that what is found on the local network.
 */
function staysRegistered(entry: EntryRow, submission: Submission): boolean {
  if (isRegistration(submission)) return false;
  return submission.door === "lan" ? entry.door !== "lan" : isRegistration(entry);
}

/** Whether an entry was found on the local network under the name that the submission comes from. */
function isOfAnnouncer(entry: EntryRow, { origin }: Submission): boolean {
  return entry.door === "lan" && entry.origin === origin;
}

/** Whether the entry's registration has run out, purged or not. */
function isGone(entry: EntryRow, now: Date): boolean {
  return entry.state === "expired" || isExpired(entry, now);
}

/**
 * Whether who took the entry out of this registry stands behind the request: nobody else brings it back. What is only not
 * listed by a peer any more, anybody may register.
 */
function mayBringBack(entry: EntryRow, evidence: Evidence): boolean {
  switch (entry.unlistedBy) {
    case "controller":
      return evidence.signer !== null && evidence.signer === entry.controller;
    case "origin":
      return true;
    default:
      return allows(evidence, "admin");
  }
}

/** The refusal of what would bring back an entry that was taken out of this registry. */
export function unlistedEntry({ unlistedBy }: Pick<EntryRow, "unlistedBy">): Problem {
  return new Problem("entry-unlisted", unlistedDetails[unlistedBy ?? "operator"]);
}

const unlistedDetails = {
  controller:
    "The controller of this entry has unlisted it here. To bring it back, sign a new version, or sign the request that sends this one.",
  operator:
    "The operator of this registry has unlisted this entry; descriptions of it are not accepted, a newer Tombstone is.",
  origin:
    "The registry from which this entry came does not list it any more. To bring it back, register its document here.",
};

function expiredVersion({ expires }: EntryRow): Problem {
  return new Problem(
    "version-not-newer",
    `The registration of this very version ran out at ${expires?.toISOString()}. Sign the description anew.`,
  );
}

/**
 * Throws `precondition-failed` unless the conditions hold for the entry as it is; what a reader would not see counts
 * as absent (RFC 9110 §13.1.1, §13.1.2).
 */
export function checkPrecondition(precondition: Precondition | undefined, entry: EntryRow | null, now: Date): void {
  if (precondition === undefined) return;
  const current = entry !== null && entry.state === "active" && !isExpired(entry, now) ? etagOfEntry(entry) : null;
  const matches = (wanted: "*" | Etag[]) => current !== null && (wanted === "*" || wanted.includes(current));
  if (precondition.ifMatch !== undefined && !matches(precondition.ifMatch)) {
    throw new Problem(
      "precondition-failed",
      current === null ? "If-Match: there is no such entry." : `If-Match: the entry's entity tag is ${current}.`,
    );
  }
  if (precondition.ifNoneMatch !== undefined && matches(precondition.ifNoneMatch)) {
    throw new Problem("precondition-failed", `If-None-Match: the entry exists, its entity tag is ${current}.`);
  }
}

/** The refusal of a change to a signed entry that its controller did not sign. */
export function signedEntry(controller: string): Problem {
  return new Problem(
    "signed-entry",
    `The entry is signed by ${controller}. To change it, sign a new version with that DID's key and PUT it; to retract it, PUT a signed Tombstone (\`npx thingstead retract ID --key KEY\`).`,
    { extensions: { controller } },
  );
}
