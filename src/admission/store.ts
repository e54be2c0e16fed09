import { entryKeyOf, type ThingId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { Queryable } from "../db/client.ts";
import { appendToJournal, type JournalPosition, type NewJournalRow } from "../db/journal.ts";
import {
  createEntryWriter,
  type CurrentEntry,
  type EntryRow,
  type EntryWriter,
  isExpired,
  type NewVersion,
} from "../things/entry-store.ts";
import { checkPrecondition, type Decision, decide, signedEntry } from "./decide.ts";
import type { Door, Evidence, Outcome, Permitted, Precondition, Receipt } from "./stages.ts";

/**
 * Writes a permitted document: one transaction that locks the thing id, decides on the rows as they are now, and
 * writes the version, the entry and one row of the journal. Throws what `decide` throws.
 */
export async function store(permitted: Permitted, db: Queryable, now: Date): Promise<Receipt> {
  const { candidate } = permitted.attested;
  const written = await db.transaction(async (tx): Promise<Receipt | Problem> => {
    const writer = createEntryWriter(tx);
    const rows = await lockedRows(permitted, writer);
    const decision = decide(permitted.attested, rows, now);

    switch (decision.action) {
      case "keep":
        return receipt("unchanged", decision.entry, null, permitted);
      case "evidence":
        return keepEvidence(permitted, decision.entry, writer, now);
      case "relist": {
        const entry = await writer.updateEntry(decision.entry.key, { state: "active", modified: now });
        const position = await appendToJournal(tx, journalRow("relisted", entry, candidate.submission, now));
        return receipt("updated", entry, position, permitted);
      }
      case "create":
        if (decision.supersedes !== null) await remove(tx, writer, decision.supersedes, candidate.submission, now);
        return write(permitted, newEntry(permitted, decision.isPrimary, now), true, tx, writer, now);
      case "update":
        return write(permitted, nextEntry(permitted, decision, now), decision.revived, tx, writer, now);
    }
  });
  // Evidence of equivocation has to be committed although the request fails.
  if (written instanceof Problem) throw written;
  return written;
}

/** All rows of the thing id, which nobody else writes until this transaction ends. */
async function lockedRows({ attested }: Permitted, writer: EntryWriter): Promise<EntryRow[]> {
  const { thingId, minted } = attested.candidate;
  // A minted id is known to nobody else, so nobody else can be writing it.
  if (minted) return [];
  // Sent together, run in order: the second one sees what was committed while the first one waited.
  const [, rows] = await Promise.all([writer.lockThing(thingId), writer.rowsOfThing(thingId)]);
  return rows;
}

async function write(
  permitted: Permitted,
  entry: CurrentEntry,
  isNew: boolean,
  tx: Queryable,
  writer: EntryWriter,
  now: Date,
): Promise<Receipt> {
  const { candidate } = permitted.attested;
  const outcome = outcomeOf(permitted, isNew);
  const [, position] = await Promise.all([
    writer.putCurrent(versionOf(permitted, now), entry),
    appendToJournal(tx, { ...journalRow(outcome, entry, candidate.submission, now), digest: entry.digest }),
  ]);
  if (entry.versionCount > limits.versionsPerEntryMax) {
    await writer.pruneVersions(entry.key, limits.versionsPerEntryMax);
    await writer.updateEntry(entry.key, { versionCount: limits.versionsPerEntryMax });
  }
  if (candidate.alias !== null) await claimAlias(writer, candidate.alias, entry);
  return receipt(outcome, entry, position, permitted);
}

export interface Removal {
  door: Door;
  evidence: Evidence;
  thingId: ThingId;
  precondition?: Precondition;
  /** Whether the remover may delete what nobody signed. */
  mayRemoveUnsigned: boolean;
}

/**
 * Takes an entry out of this registry: an unsigned one is deleted; a signed one is unlisted, which only an operator
 * may do, since only its controller can retract it everywhere (design §3.6). Throws `not-found`, `gone`,
 * `token-required`, `signed-entry` or `precondition-failed`.
 */
export async function removeEntry(removal: Removal, db: Queryable, now: Date): Promise<Receipt> {
  return db.transaction(async (tx) => {
    const writer = createEntryWriter(tx);
    await writer.lockThing(removal.thingId);
    const entry = (await writer.rowsOfThing(removal.thingId)).find((row) => row.isPrimary);
    if (entry === undefined || entry.state === "unlisted" || isExpired(entry, now)) {
      throw new Problem("not-found", `There is no entry ${removal.thingId}.`);
    }
    if (entry.state === "retracted") throw new Problem("gone", `${removal.thingId} was retracted by its controller.`);
    if (entry.controller === null && !removal.mayRemoveUnsigned) {
      throw new Problem("token-required", "Only the operator of this registry may delete an unsigned entry.");
    }
    if (entry.controller !== null && removal.evidence.kind !== "token") throw signedEntry(entry.controller);
    checkPrecondition(removal.precondition, entry, now);

    const origin = { door: removal.door, origin: null };
    if (entry.controller === null) {
      const position = await remove(tx, writer, entry, origin, now);
      return { stage: "receipt", outcome: "retracted", entry, repairs: [], alias: null, position };
    }
    const unlisted = await writer.updateEntry(entry.key, { state: "unlisted", modified: now });
    const position = await appendToJournal(tx, journalRow("unlisted", unlisted, origin, now));
    return { stage: "receipt", outcome: "retracted", entry: unlisted, repairs: [], alias: null, position };
  });
}

function newEntry(permitted: Permitted, isPrimary: boolean, now: Date): CurrentEntry {
  const { candidate, controller } = permitted.attested;
  return {
    ...versionFacts(permitted, now),
    key: entryKeyOf(controller, candidate.thingId),
    thingId: candidate.thingId,
    controller,
    isPrimary,
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
    versionCount: entry.versionCount + 1,
    equivocal: entry.equivocal || decision.equivocal,
    created: decision.revived ? now : entry.created,
  };
}

/** What each new version sets in its entry. */
function versionFacts(permitted: Permitted, now: Date) {
  const { candidate, verification } = permitted.attested;
  return {
    state: candidate.kind === "tombstone" ? "retracted" : "active",
    digest: candidate.digest,
    versionDigest: verification?.signedDigest ?? candidate.digest,
    versionCreated: verification?.created ?? null,
    modified: now,
    expires: permitted.expires,
    ttlSeconds: candidate.requested.ttlSeconds,
    door: candidate.submission.door,
    origin: candidate.submission.origin,
    verificationMethod: verification?.verificationMethod ?? null,
    cryptosuite: verification?.cryptosuite ?? null,
    verifiedAt: verification?.verifiedAt ?? null,
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

async function keepEvidence(permitted: Permitted, entry: EntryRow, writer: EntryWriter, now: Date): Promise<Problem> {
  const versionDigest = permitted.attested.verification?.signedDigest;
  if (versionDigest === undefined) throw new Error("an unsigned document cannot be equivocal");
  if (!(await writer.hasVersion(entry.key, versionDigest))) await writer.insertVersion(versionOf(permitted, now));
  if (!entry.equivocal) await writer.updateEntry(entry.key, { equivocal: true });
  return new Problem(
    "version-not-newer",
    `Another document with the same proof instant (${entry.versionCreated}) is known, and its digest is higher. Both are kept as evidence and the entry is flagged as equivocal; sign a new version.`,
    { extensions: { known: entry.versionCreated, equivocal: true } },
  );
}

async function remove(
  tx: Queryable,
  writer: EntryWriter,
  entry: CurrentEntry,
  origin: { door: Door; origin: string | null },
  now: Date,
): Promise<JournalPosition> {
  await writer.deleteUnsigned(entry.key);
  return appendToJournal(tx, journalRow("removed", entry, origin, now));
}

async function claimAlias(writer: EntryWriter, alias: string, entry: CurrentEntry): Promise<void> {
  if (await writer.claimAlias(alias, entry.key)) return;
  throw new Problem(
    "conflict",
    `The id "${alias}" is taken by another unsigned entry. To replace that one, PUT /things/${encodeURIComponent(alias)}.`,
    { validationErrors: [{ field: "/id", description: "is taken by another entry" }] },
  );
}

function journalRow(
  kind: NewJournalRow["kind"],
  entry: CurrentEntry,
  origin: { door: Door; origin: string | null },
  now: Date,
): NewJournalRow {
  return {
    kind,
    at: now,
    entryKey: entry.key,
    thingId: entry.thingId,
    controller: entry.controller,
    door: origin.door,
    origin: origin.origin,
  };
}

function outcomeOf(permitted: Permitted, isNew: boolean): Exclude<Outcome, "unchanged"> {
  if (permitted.attested.candidate.kind === "tombstone") return "retracted";
  return isNew ? "created" : "updated";
}

function receipt(
  outcome: Outcome,
  entry: CurrentEntry,
  position: JournalPosition | null,
  permitted: Permitted,
): Receipt {
  const { repairs, alias } = permitted.attested.candidate;
  return { stage: "receipt", outcome, entry, repairs, alias, position };
}
