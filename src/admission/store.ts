import { entryKeyOf, type ThingId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { Queryable } from "../db/client.ts";
import { appendToJournal, type JournalPosition, type NewJournalRow } from "../db/journal.ts";
import { createEntryWriter, type EntryRow, type EntryWriter, isExpired, type NewEntry } from "../things/entry-store.ts";
import { checkPrecondition, decide, signedEntry } from "./decide.ts";
import type { Door, Evidence, Outcome, Permitted, Precondition, Receipt } from "./stages.ts";

/**
 * Writes a permitted document: one transaction that locks the thing id, decides on the rows as they are now, and
 * writes the version, the entry and one row of the journal. Throws what `decide` throws.
 */
export async function store(permitted: Permitted, db: Queryable, now: Date): Promise<Receipt> {
  const { attested } = permitted;
  const { candidate } = attested;
  const written = await db.transaction(async (tx): Promise<Receipt | Problem> => {
    const writer = createEntryWriter(tx);
    // A minted id is known to nobody else, so nobody else can be writing it.
    if (!candidate.minted) await writer.lockThing(candidate.thingId);
    const rows = candidate.minted ? [] : await writer.rowsOfThing(candidate.thingId);
    const decision = decide(attested, rows, now);

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
      case "update": {
        if (decision.action === "create" && decision.supersedes !== null) {
          await remove(tx, writer, decision.supersedes, candidate.submission, now);
        }
        const entry =
          decision.action === "create"
            ? await insert(permitted, decision.isPrimary, writer, now)
            : await replace(permitted, decision, writer, now);
        if (candidate.alias !== null) await claimAlias(writer, candidate.alias, entry);
        const outcome = outcomeOf(permitted, decision.action === "create" || decision.revived);
        const position = await appendToJournal(tx, {
          ...journalRow(outcome, entry, candidate.submission, now),
          versionId: entry.versionId,
          digest: entry.digest,
        });
        return receipt(outcome, entry, position, permitted);
      }
    }
  });
  // Evidence of equivocation has to be committed although the request fails.
  if (written instanceof Problem) throw written;
  return written;
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

async function insert(permitted: Permitted, isPrimary: boolean, writer: EntryWriter, now: Date): Promise<EntryRow> {
  const { candidate, controller } = permitted.attested;
  const key = entryKeyOf(controller, candidate.thingId);
  const versionId = await insertVersion(permitted, writer, now);
  return writer.insertEntry({
    ...rowOf(permitted, now),
    key,
    thingId: candidate.thingId,
    controller,
    isPrimary,
    versionId,
    created: now,
  });
}

async function replace(
  permitted: Permitted,
  decision: { entry: EntryRow; equivocal: boolean; revived: boolean },
  writer: EntryWriter,
  now: Date,
): Promise<EntryRow> {
  const { entry } = decision;
  const versionId = await insertVersion(permitted, writer, now);
  const updated = await writer.updateEntry(entry.key, {
    ...rowOf(permitted, now),
    versionId,
    versionCount: Math.min(entry.versionCount + 1, limits.versionsPerEntryMax),
    ...(decision.equivocal ? { equivocal: true } : {}),
    ...(decision.revived ? { created: now } : {}),
  });
  if (entry.versionCount >= limits.versionsPerEntryMax) await writer.pruneVersions(updated, limits.versionsPerEntryMax);
  return updated;
}

async function insertVersion(permitted: Permitted, writer: EntryWriter, now: Date): Promise<number> {
  const { candidate, controller, verification } = permitted.attested;
  return writer.insertVersion({
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
  });
}

/** The columns that each new version sets. */
function rowOf(permitted: Permitted, now: Date) {
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
  } satisfies Partial<NewEntry>;
}

async function keepEvidence(permitted: Permitted, entry: EntryRow, writer: EntryWriter, now: Date): Promise<Problem> {
  const versionDigest = permitted.attested.verification?.signedDigest;
  if (versionDigest === undefined) throw new Error("an unsigned document cannot be equivocal");
  if (!(await writer.hasVersion(entry.key, versionDigest))) await insertVersion(permitted, writer, now);
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
  entry: EntryRow,
  origin: { door: Door; origin: string | null },
  now: Date,
): Promise<JournalPosition> {
  await writer.deleteUnsigned(entry.key);
  return appendToJournal(tx, journalRow("removed", entry, origin, now));
}

async function claimAlias(writer: EntryWriter, alias: string, entry: EntryRow): Promise<void> {
  if (await writer.claimAlias(alias, entry.key)) return;
  throw new Problem(
    "conflict",
    `The id "${alias}" is taken by another unsigned entry. To replace that one, PUT /things/${encodeURIComponent(alias)}.`,
    { validationErrors: [{ field: "/id", description: "is taken by another entry" }] },
  );
}

function journalRow(
  kind: NewJournalRow["kind"],
  entry: EntryRow,
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

function receipt(outcome: Outcome, entry: EntryRow, position: JournalPosition | null, permitted: Permitted): Receipt {
  const { repairs, alias } = permitted.attested.candidate;
  return { stage: "receipt", outcome, entry, repairs, alias, position };
}
