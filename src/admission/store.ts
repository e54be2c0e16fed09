import { entryKeyOf } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { Queryable } from "../db/client.ts";
import { appendToJournal, type JournalPosition } from "../db/journal.ts";
import type { CurrentEntry, EntryRow } from "../things/entry-store.ts";
import { createListingStore } from "../things/listing-store.ts";
import { createEntryWriter, type EntryWriter, type NewEntry, type NewVersion } from "../things/entry-writer.ts";
import { changeEntry, journalRow, type Place, transactionUnlessLost, untilUncontested } from "./contested-write.ts";
import { type Decision, decide } from "./decide.ts";
import type { Outcome, PeerListing, Permitted, Receipt } from "./stages.ts";

/**
 * Writes a permitted document: reads all rows of its thing id, decides, and writes under the condition that they are
 * still the same; whoever comes second decides anew on what the first one left. Throws what `decide` throws, and
 * `conflict` where the entry never stands still.
 * @param read rows of the thing id that were read before: the first attempt builds on them.
 */
export function store(permitted: Permitted, place: Place, now: Date, read?: readonly EntryRow[]): Promise<Receipt> {
  const { thingId, minted } = permitted.attested.candidate;
  // A minted id is known to nobody else, so there is nothing to read.
  let known = minted ? [] : read;
  return untilUncontested(thingId, async () => {
    const rows = known ?? (await place.entries.findAllOfThing(thingId));
    known = undefined;
    return carryOut(decide(permitted.attested, rows, now), permitted, place.db, now);
  });
}

/** One attempt; null if another writer was faster. */
async function carryOut(decision: Decision, permitted: Permitted, db: Queryable, now: Date): Promise<Receipt | null> {
  const { submission } = permitted.attested.candidate;
  switch (decision.action) {
    case "keep":
      return receipt("unchanged", decision.entry, null, permitted);
    case "evidence":
      return keepEvidence(permitted, decision.entry, db);
    case "relist":
    case "adopt": {
      const changes = changesOf(permitted, decision, now);
      const changed = { ...decision.entry, ...changes };
      // Readers know an adopted entry already.
      const row = journalRow(decision.action === "relist" ? "relisted" : "updated", changed, submission, now);
      const position = await changeEntry(decision.entry, changes, row, db);
      return position === null ? null : receipt("updated", changed, position, permitted);
    }
    case "create":
    case "update": {
      const written = writtenFor(permitted, decision, now);
      const position = await write(permitted, decision, written, db);
      return position === null ? null : receipt(written.outcome, written.entry, position, permitted);
    }
  }
}

/** What a new entry, or a new version of one, consists of. */
export interface Written extends NewEntry {
  outcome: Exclude<Outcome, "unchanged">;
}

/** What `decision` makes of a permitted document. */
export function writtenFor(
  permitted: Permitted,
  decision: Extract<Decision, { action: "create" | "update" }>,
  now: Date,
): Written {
  const entry = decision.action === "create" ? newEntry(permitted, decision, now) : nextEntry(permitted, decision, now);
  const outcome = outcomeOf(permitted, decision.action === "create" || decision.revived);
  const { submission } = permitted.attested.candidate;
  const change = { ...journalRow(outcome, entry, submission, now), digest: entry.digest };
  return { entry, version: versionOf(permitted, now), change, outcome };
}

/** Writes the version with all that goes with it. What is more than one statement is one transaction. */
async function write(
  permitted: Permitted,
  decision: Extract<Decision, { action: "create" | "update" }>,
  { entry, version, change }: Written,
  db: Queryable,
): Promise<JournalPosition | null> {
  const { candidate } = permitted.attested;
  const { listing } = candidate.submission;
  const known = decision.action === "update" ? decision.entry : null;
  const superseded = decision.action === "create" ? decision.supersedes : null;
  const isFull = entry.versionCount > limits.versionsPerEntryMax;
  const put = (on: Queryable) =>
    createEntryWriter(on).putCurrent(
      { ...entry, versionCount: Math.min(entry.versionCount, limits.versionsPerEntryMax) },
      version,
      change,
      known,
    );
  if (superseded === null && candidate.alias === null && !isFull && listing === undefined) return put(db);

  return transactionUnlessLost(db, async (tx, lost) => {
    const writer = createEntryWriter(tx);
    if (superseded !== null) {
      if (!(await writer.deleteUnsigned(superseded))) throw lost;
      await appendToJournal(tx, journalRow("removed", superseded, candidate.submission, change.at));
    }
    const position = await put(tx);
    if (position === null) throw lost;
    if (candidate.alias !== null) await claimAlias(writer, candidate.alias, entry);
    if (isFull) await writer.pruneVersions(entry.key, limits.versionsPerEntryMax);
    if (listing !== undefined) await noteListings([{ entry, listing }], tx, entry.modified);
    return position;
  });
}

/** Notes how peers list the current versions of entries. */
export async function noteListings(
  listed: readonly { entry: CurrentEntry; listing: PeerListing }[],
  tx: Queryable,
  now: Date,
): Promise<void> {
  const listings = createListingStore(tx);
  for (const [peer, ofPeer] of Map.groupBy(listed, ({ listing }) => listing.peer)) {
    const rows = ofPeer.map(({ entry: { key, digest }, listing: { objectId, path } }) => ({
      key,
      digest,
      objectId,
      path,
      refused: null,
    }));
    await listings.put(peer, rows, now);
  }
}

function newEntry(
  permitted: Permitted,
  { isPrimary }: Extract<Decision, { action: "create" }>,
  now: Date,
): CurrentEntry {
  const { candidate, controller } = permitted.attested;
  return {
    ...versionFacts(permitted, now),
    key: entryKeyOf(controller, candidate.thingId),
    thingId: candidate.thingId,
    controller,
    isPrimary,
    visibility: "public",
    versionCount: 1,
    equivocal: false,
    created: now,
  };
}

function nextEntry(permitted: Permitted, decision: Extract<Decision, { action: "update" }>, now: Date): CurrentEntry {
  const { sequence: _, versionId: __, ...entry } = decision.entry;
  return {
    ...entry,
    ...versionFacts(permitted, now),
    ...(decision.keepsRegistration ? registrationKept(permitted, entry) : {}),
    versionCount: entry.versionCount + 1,
    equivocal: entry.equivocal || decision.equivocal,
    created: decision.revived ? now : entry.created,
  };
}

/** What stays of an entry's registration here when a newer version comes in by another way. */
function registrationKept({ attested, ttlSeconds }: Permitted, entry: CurrentEntry): Partial<CurrentEntry> {
  const { door, origin, expires } = entry;
  // A lease is between this registry and who registered the entry here. (A Tombstone has none.)
  const hasLease = attested.candidate.kind === "description" && (entry.ttlSeconds !== null || ttlSeconds !== null);
  return { door, origin, ...(hasLease ? { expires, ttlSeconds: entry.ttlSeconds } : {}) };
}

/** What brings an entry back, or makes it a registration of this registry, without a new version. */
function changesOf(
  permitted: Permitted,
  decision: Extract<Decision, { action: "relist" | "adopt" }>,
  now: Date,
): Partial<CurrentEntry> {
  const { door, origin } = permitted.attested.candidate.submission;
  const isAdopted = decision.action === "adopt" || decision.isAdopted;
  const { expires, ttlSeconds } = permitted;
  return {
    state: "active",
    unlistedBy: null,
    modified: now,
    ...(isAdopted || decision.entry.state !== "unlisted" ? { expires, ttlSeconds } : {}),
    ...(isAdopted ? { door, origin } : {}),
  };
}

/** What each new version sets in its entry. */
function versionFacts(permitted: Permitted, now: Date) {
  const { candidate, verification } = permitted.attested;
  return {
    state: candidate.kind === "tombstone" ? "retracted" : "active",
    unlistedBy: null,
    digest: candidate.digest,
    versionDigest: verification?.signedDigest ?? candidate.digest,
    versionCreated: verification?.created ?? null,
    modified: now,
    expires: permitted.expires,
    ttlSeconds: permitted.ttlSeconds,
    door: candidate.submission.door,
    origin: candidate.submission.origin,
    verificationMethod: verification?.verificationMethod ?? null,
    cryptosuite: verification?.cryptosuite ?? null,
    verifiedAt: verification?.verifiedAt ?? null,
    proofExpires: verification?.expires ?? null,
    repairs: candidate.repairs.length > 0 ? candidate.repairs : null,
  } satisfies Partial<CurrentEntry>;
}

function versionOf(permitted: Permitted, now: Date): NewVersion {
  const { candidate, controller, verification } = permitted.attested;
  return {
    entryKey: entryKeyOf(controller, candidate.thingId),
    digest: candidate.digest,
    versionDigest: verification?.signedDigest ?? candidate.digest,
    kind: candidate.kind,
    document: candidate.document,
    versionCreated: verification?.created ?? null,
    verificationMethod: verification?.verificationMethod ?? null,
    accepted: now,
    door: candidate.submission.door,
    origin: candidate.submission.origin,
  };
}

/**
 * Keeps the losing side of an equivocation beside the winner, flags the entry, and refuses: the evidence has to be
 * committed although the request fails.
 */
async function keepEvidence(permitted: Permitted, entry: EntryRow, db: Queryable): Promise<null> {
  const { verification } = permitted.attested;
  if (verification === null) throw new Error("an unsigned document cannot be equivocal");
  const kept = await transactionUnlessLost(db, async (tx, lost) => {
    const writer = createEntryWriter(tx);
    // The update locks the entry's row, so that the same evidence is not kept twice.
    if (!(await writer.changeEntry(entry, { equivocal: true }))) throw lost;
    if (!(await writer.hasVersion(entry.key, verification.signedDigest))) {
      await writer.keepVersion(versionOf(permitted, verification.verifiedAt));
    }
    return true;
  });
  if (kept === null) return null;
  throw new Problem(
    "version-not-newer",
    `Another document with the same proof instant (${entry.versionCreated}) is known, and its digest is higher. Both are kept as evidence and the entry is flagged as equivocal; sign a new version.`,
    { extensions: { known: entry.versionCreated, equivocal: true } },
  );
}

async function claimAlias(writer: EntryWriter, alias: string, entry: CurrentEntry): Promise<void> {
  if (await writer.claimAlias(alias, entry.key)) return;
  throw new Problem(
    "conflict",
    `The id "${alias}" is taken by another unsigned entry. To replace that one, PUT /things/${encodeURIComponent(alias)}.`,
    { validationErrors: [{ field: "/id", description: "is taken by another entry" }] },
  );
}

function outcomeOf(permitted: Permitted, isNew: boolean): Exclude<Outcome, "unchanged"> {
  if (permitted.attested.candidate.kind === "tombstone") return "retracted";
  return isNew ? "created" : "updated";
}

/** What is told of a document that was stored. */
export function receipt(
  outcome: Outcome,
  entry: CurrentEntry,
  position: JournalPosition | null,
  permitted: Permitted,
): Receipt {
  const { repairs, alias } = permitted.attested.candidate;
  return { stage: "receipt", outcome, entry, repairs, alias, position };
}
