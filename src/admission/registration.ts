import type { Did, ThingId } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import { type JournalPosition, appendToJournal } from "../db/journal.ts";
import type { Queryable } from "../db/client.ts";
import { type CurrentEntry, type EntryRow, isExpired } from "../things/entry-store.ts";
import { createEntryWriter } from "../things/entry-writer.ts";
import { type AdmissionMode, allows, mayChangeUnsigned, requireScope } from "./authorize.ts";
import { changeEntry, journalRow, type Place, transactionUnlessLost, untilUncontested } from "./contested-write.ts";
import { checkPrecondition, signedEntry, unlistedEntry } from "./decide.ts";
import type { Door, Evidence, Outcome, Precondition, Receipt } from "./stages.ts";

/*
 * What changes the registration of an entry without a new document: taking it out of this registry, renewing it, and
 * choosing who finds it. A controller shows itself by a signature of the request (RFC 9421).
 */

/** An act on an entry that is there. */
export interface Act {
  door: Door;
  evidence: Evidence;
  thingId: ThingId;
  precondition?: Precondition;
}

/**
 * Takes an entry out of this registry: an unsigned one is deleted; a signed one is unlisted, by its controller or an
 * operator, and only its controller can retract it everywhere (design §3.6). Throws `not-found`, `gone`,
 * `token-required`, `insufficient-scope`, `signed-entry`, `not-controller` or `precondition-failed`.
 */
export function removeEntry(act: Act, place: Place, mode: AdmissionMode, now: Date): Promise<Receipt> {
  return untilUncontested(act.thingId, async () => {
    const entry = await findForAct(act, place);
    if (entry === null || (entry.state !== "retracted" && !isListed(entry, now))) throw missing(act.thingId);
    if (entry.state === "retracted") throw gone(act.thingId);
    const unlistedBy = removerOf(entry, act.evidence, mode);
    checkPrecondition(act.precondition, entry, now);

    if (entry.controller === null) {
      const row = journalRow("removed", entry, { door: act.door, origin: null }, now);
      const position = await deleteUnsigned(entry, place.db, (tx) => appendToJournal(tx, row));
      return position === null ? null : receiptOf("retracted", entry, position);
    }
    const row = journalRow("unlisted", entry, { door: act.door, origin: null }, now);
    const position = await changeEntry(entry, { state: "unlisted", unlistedBy, modified: now }, row, place.db);
    return position === null ? null : receiptOf("retracted", entry, position);
  });
}

export interface Renewal extends Act {
  /** Seconds from now until which the entry is listed; null: what the entry has asked for. */
  ttlSeconds: number | null;
}

/**
 * Renews the registration of an entry, a controller's heartbeat: it is listed for its ttl from now on, also if that had
 * run out. The journal hears only of an entry that comes back, since readers look at the instant itself. Throws
 * `not-found`, `gone`, `entry-unlisted`, `invalid-parameter` for an entry without a ttl, and what `removeEntry` throws
 * for who may not.
 */
export function renewEntry(renewal: Renewal, place: Place, mode: AdmissionMode, now: Date): Promise<Receipt> {
  return untilUncontested(renewal.thingId, async () => {
    const entry = await findForAct(renewal, place);
    if (entry === null) throw missing(renewal.thingId);
    requireOwner(entry, renewal.evidence, mode);
    if (entry.state === "retracted") throw gone(renewal.thingId);
    if (entry.state === "unlisted") throw unlistedEntry(entry);
    const ttlSeconds = renewal.ttlSeconds ?? entry.ttlSeconds;
    if (ttlSeconds === null) {
      throw new Problem("invalid-parameter", "The entry is listed without an end: name a ttl to give it one.", {
        validationErrors: [{ field: "/ttl", description: "must be present: the entry has no ttl of its own" }],
      });
    }
    const expires = new Date(now.getTime() + ttlSeconds * 1000);
    const isBack = !isListed(entry, now);
    const changes = { ttlSeconds, expires, ...(isBack ? { state: "active" as const, modified: now } : {}) };
    const renewed = { ...entry, ...changes };
    if (isBack) {
      const row = journalRow("relisted", renewed, { door: renewal.door, origin: null }, now);
      const position = await changeEntry(entry, changes, row, place.db);
      return position === null ? null : receiptOf("updated", renewed, position);
    }
    const changed = await createEntryWriter(place.db).changeEntry(entry, changes);
    return changed ? receiptOf("updated", renewed, null) : null;
  });
}

export interface VisibilityChoice extends Act {
  visibility: EntryRow["visibility"];
}

/**
 * Lets the controller choose who finds an entry: everybody, or only who knows its id. Throws `not-found`, `gone`,
 * `entry-unlisted`, and what `removeEntry` throws for who may not.
 */
export function chooseVisibility(
  choice: VisibilityChoice,
  place: Place,
  mode: AdmissionMode,
  now: Date,
): Promise<Receipt> {
  return untilUncontested(choice.thingId, async () => {
    const entry = await findForAct(choice, place);
    if (entry === null) throw missing(choice.thingId);
    requireOwner(entry, choice.evidence, mode);
    if (entry.state === "retracted") throw gone(choice.thingId);
    if (entry.state === "unlisted") throw unlistedEntry(entry);
    if (!isListed(entry, now)) throw missing(choice.thingId);
    const { visibility } = choice;
    if (visibility === entry.visibility) return receiptOf("unchanged", entry, null);
    const kind = visibility === "public" ? "relisted" : "unlisted";
    const row = journalRow(kind, entry, { door: choice.door, origin: null }, now);
    const position = await changeEntry(entry, { visibility, modified: now }, row, place.db);
    return position === null ? null : receiptOf("updated", { ...entry, visibility, modified: now }, position);
  });
}

export interface Departure {
  thingId: ThingId;
  controller: Did | null;
  /** Who had announced it; an entry that has come from elsewhere since stays. */
  origin: string;
}

/**
 * Ends an entry that was found on the local network and is not there any more: an unsigned one is deleted, a signed one
 * runs out now. Null if there is none such.
 */
export async function endLocalEntry(departure: Departure, place: Place, now: Date): Promise<Receipt | null> {
  const { thingId, controller, origin } = departure;
  for (let attempts = 0; ; attempts += 1) {
    const rows = await place.entries.findAllOfThing(thingId);
    const entry = rows.find((row) => row.controller === controller);
    if (entry === undefined || entry.door !== "lan" || entry.origin !== origin || !isListed(entry, now)) return null;
    const row = journalRow(controller === null ? "removed" : "expired", entry, { door: "lan", origin }, now);
    const position =
      controller === null
        ? await deleteUnsigned(entry, place.db, (tx) => appendToJournal(tx, row))
        : await changeEntry(entry, { state: "expired", expires: now }, row, place.db);
    if (position !== null) return receiptOf("retracted", entry, position);
    if (attempts === 10) throw new Problem("conflict", `${thingId} is being changed by too many at once.`);
  }
}

/**
 * Takes an entry whose registration has run out off the books: an unsigned one is deleted, of a signed one the
 * high-water mark stays. Null if somebody renewed it meanwhile, or another node was faster.
 */
export async function purgeEntry(entry: EntryRow, db: Queryable): Promise<JournalPosition | null> {
  const { expires } = entry;
  if (expires === null) throw new Error("an entry without an expiry cannot expire");
  const row = journalRow("expired", entry, { door: entry.door, origin: entry.origin }, expires);
  return entry.controller === null
    ? deleteUnsigned(entry, db, (tx) => appendToJournal(tx, row))
    : changeEntry(entry, { state: "expired" }, row, db);
}

/** The signer's own entry of the thing id, or else the one that the id names here. */
async function findForAct({ thingId, evidence }: Act, { entries }: Place): Promise<EntryRow | null> {
  const rows = await entries.findAllOfThing(thingId);
  const own = evidence.signer === null ? undefined : rows.find(({ controller }) => controller === evidence.signer);
  return own ?? rows.find(({ isPrimary }) => isPrimary) ?? null;
}

/** Who takes a signed entry out, or a Problem; for an unsigned one null. */
function removerOf(entry: EntryRow, evidence: Evidence, mode: AdmissionMode): EntryRow["unlistedBy"] {
  if (entry.controller !== null && evidence.signer === null) {
    if (allows(evidence, "admin")) return "operator";
    if (evidence.token !== null) requireScope(evidence, "admin", "Unlisting a signed entry");
  }
  requireOwner(entry, evidence, mode);
  return entry.controller === null ? null : "controller";
}

/** Throws unless the evidence is that of the entry's controller; of an unsigned entry, of whoever may change it. */
function requireOwner(entry: EntryRow, evidence: Evidence, mode: AdmissionMode): void {
  if (entry.controller === null) {
    if (!mayChangeUnsigned(mode, evidence)) requireScope(evidence, "write", "Changing an unsigned entry");
    return;
  }
  if (evidence.signer === null) throw signedEntry(entry.controller);
  if (evidence.signer !== entry.controller) {
    throw new Problem(
      "not-controller",
      `The entry belongs to ${entry.controller}; the request is signed by ${evidence.signer}.`,
      { extensions: { controller: entry.controller } },
    );
  }
}

function isListed(entry: EntryRow, now: Date): boolean {
  return entry.state === "active" && !isExpired(entry, now);
}

function deleteUnsigned(
  entry: EntryRow,
  db: Queryable,
  journal: (tx: Queryable) => Promise<JournalPosition>,
): Promise<JournalPosition | null> {
  return transactionUnlessLost(db, async (tx, lost) => {
    if (!(await createEntryWriter(tx).deleteUnsigned(entry))) throw lost;
    return journal(tx);
  });
}

function missing(thingId: ThingId): Problem {
  return new Problem("not-found", `There is no entry ${thingId}.`);
}

function gone(thingId: ThingId): Problem {
  return new Problem("gone", `${thingId} was retracted by its controller.`);
}

function receiptOf(outcome: Outcome, entry: CurrentEntry, position: JournalPosition | null): Receipt {
  return { stage: "receipt", outcome, entry, repairs: [], alias: null, position };
}
