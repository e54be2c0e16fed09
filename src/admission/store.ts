import { entryKeyOf, type ThingId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { Queryable } from "../db/client.ts";
import { appendToJournal, type JournalPosition, type NewJournalRow } from "../db/journal.ts";
import { type CurrentEntry, type EntryReader, type EntryRow, isExpired } from "../things/entry-store.ts";
import { createEntryWriter, type EntryWriter, type NewVersion } from "../things/entry-writer.ts";
import { checkPrecondition, type Decision, decide, signedEntry } from "./decide.ts";
import type { Door, Evidence, Outcome, Permitted, Precondition, Receipt } from "./stages.ts";

/** Where entries are. */
export interface Place {
  db: Queryable;
  /** Reads from `db`; made once, since its hottest queries are prepared. */
  entries: EntryReader;
}

/** How often a decision is made anew because another writer was faster. */
const attemptsMax = 100;

/**
 * Writes a permitted document: reads all rows of its thing id, decides, and writes under the condition that they are
 * still the same; whoever comes second decides anew on what the first one left. Throws what `decide` throws, and
 * `conflict` where the entry never stands still.
 */
export function store(permitted: Permitted, place: Place, now: Date): Promise<Receipt> {
  return untilUncontested(permitted.attested.candidate.thingId, () => storeOnce(permitted, place, now));
}

/** One attempt; null if another writer was faster. */
async function storeOnce(permitted: Permitted, { db, entries }: Place, now: Date): Promise<Receipt | null> {
  const { attested } = permitted;
  const { candidate } = attested;
  // A minted id is known to nobody else, so there is nothing to read.
  const rows = candidate.minted ? [] : await entries.findAllOfThing(candidate.thingId);
  const decision = decide(attested, rows, now);

  switch (decision.action) {
    case "keep":
      return receipt("unchanged", decision.entry, null, permitted);
    case "evidence":
      return keepEvidence(permitted, decision.entry, db);
    case "relist": {
      const relisted = { ...decision.entry, state: "active" as const, modified: now };
      const change = journalRow("relisted", relisted, candidate.submission, now);
      const position = await changeState(decision.entry, relisted, change, db);
      return position === null ? null : receipt("updated", relisted, position, permitted);
    }
    case "create":
    case "update": {
      const entry =
        decision.action === "create" ? newEntry(permitted, decision, now) : nextEntry(permitted, decision, now);
      const outcome = outcomeOf(permitted, decision.action === "create" || decision.revived);
      const change = { ...journalRow(outcome, entry, candidate.submission, now), digest: entry.digest };
      const position = await write(permitted, decision, entry, change, db);
      return position === null ? null : receipt(outcome, entry, position, permitted);
    }
  }
}

/** Writes the version with all that goes with it. What is more than one statement is one transaction. */
async function write(
  permitted: Permitted,
  decision: Extract<Decision, { action: "create" | "update" }>,
  entry: CurrentEntry,
  change: NewJournalRow,
  db: Queryable,
): Promise<JournalPosition | null> {
  const { candidate } = permitted.attested;
  const known = decision.action === "update" ? decision.entry : null;
  const superseded = decision.action === "create" ? decision.supersedes : null;
  const isFull = entry.versionCount > limits.versionsPerEntryMax;
  const put = (on: Queryable) =>
    createEntryWriter(on).putCurrent(
      { ...entry, versionCount: Math.min(entry.versionCount, limits.versionsPerEntryMax) },
      versionOf(permitted, change.at),
      change,
      known,
    );
  if (superseded === null && candidate.alias === null && !isFull) return put(db);

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
    return position;
  });
}

/** Changes what the entry's state says and journals it; null if the entry is not as known any more. */
function changeState(
  known: EntryRow,
  changed: Pick<CurrentEntry, "state" | "modified">,
  change: NewJournalRow,
  db: Queryable,
): Promise<JournalPosition | null> {
  const { state, modified } = changed;
  return transactionUnlessLost(db, async (tx, lost) => {
    if (!(await createEntryWriter(tx).changeEntry(known, { state, modified }))) throw lost;
    return appendToJournal(tx, change);
  });
}

/** Runs a transaction; null if it threw `lost`, and so did nothing. */
async function transactionUnlessLost<Result>(
  db: Queryable,
  run: (tx: Queryable, lost: Error) => Promise<Result>,
): Promise<Result | null> {
  const lost = new Error("another writer was faster");
  try {
    return await db.transaction((tx) => run(tx, lost));
  } catch (error) {
    if (error === lost) return null;
    throw error;
  }
}

/** Repeats what lost against another writer. One of any competing writers gets through each time. */
async function untilUncontested<Result>(thingId: ThingId, attempt: () => Promise<Result | null>): Promise<Result> {
  for (let attempts = 0; attempts < attemptsMax; attempts += 1) {
    const result = await attempt();
    if (result !== null) return result;
  }
  throw new Problem("conflict", `${thingId} is being changed by too many at once; try again.`, { retry: "later" });
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
export function removeEntry(removal: Removal, place: Place, now: Date): Promise<Receipt> {
  return untilUncontested(removal.thingId, () => removeOnce(removal, place, now));
}

async function removeOnce(removal: Removal, { db, entries }: Place, now: Date): Promise<Receipt | null> {
  const entry = (await entries.findAllOfThing(removal.thingId)).find((row) => row.isPrimary);
  if (entry === undefined || !isVisible(entry, now)) {
    throw new Problem("not-found", `There is no entry ${removal.thingId}.`);
  }
  if (entry.state === "retracted") throw new Problem("gone", `${removal.thingId} was retracted by its controller.`);
  if (entry.controller === null && !removal.mayRemoveUnsigned) {
    throw new Problem("token-required", "Only the operator of this registry may delete an unsigned entry.");
  }
  if (entry.controller !== null && removal.evidence.kind !== "token") throw signedEntry(entry.controller);
  checkPrecondition(removal.precondition, entry, now);

  const isUnsigned = entry.controller === null;
  const change = journalRow(isUnsigned ? "removed" : "unlisted", entry, { door: removal.door, origin: null }, now);
  const position = isUnsigned
    ? await transactionUnlessLost(db, async (tx, lost) => {
        if (!(await createEntryWriter(tx).deleteUnsigned(entry))) throw lost;
        return appendToJournal(tx, change);
      })
    : await changeState(entry, { state: "unlisted", modified: now }, change, db);
  return position === null
    ? null
    : { stage: "receipt", outcome: "retracted", entry, repairs: [], alias: null, position };
}

function isVisible(entry: EntryRow, now: Date): boolean {
  return entry.state === "retracted" || (entry.state === "active" && !isExpired(entry, now));
}

/**
 * Takes an entry whose registration has run out off the books: an unsigned one is deleted, of a signed one the
 * high-water mark stays. False if somebody renewed it meanwhile, or another node was faster.
 */
export async function purgeEntry(entry: EntryRow, db: Queryable): Promise<JournalPosition | null> {
  const { expires } = entry;
  if (expires === null) throw new Error("an entry without an expiry cannot expire");
  return transactionUnlessLost(db, async (tx, lost) => {
    const writer = createEntryWriter(tx);
    const gone =
      entry.controller === null
        ? await writer.deleteUnsigned(entry)
        : await writer.changeEntry(entry, { state: "expired" });
    if (!gone) throw lost;
    return appendToJournal(tx, journalRow("expired", entry, { door: entry.door, origin: entry.origin }, expires));
  });
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
