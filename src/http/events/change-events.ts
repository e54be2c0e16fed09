import { trustOf } from "../../admission/trust.ts";
import type { Clock } from "../../base/clock.ts";
import type { EntryKey } from "../../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { limits } from "../../base/limits.ts";
import { formatCursor, type JournalPosition, type JournalRow } from "../../db/journal.ts";
import type { AssessmentStore } from "../../things/assessment-store.ts";
import type { ChangeReader, Standing } from "../../things/change-reader.ts";
import { enrichDescription } from "../../things/enrich.ts";
import { descriptionOf, type EntryReader, type StoredEntry } from "../../things/entry-store.ts";
import { mergePatchBetween } from "../../things/merge-patch.ts";
import { formatEvent } from "./sse.ts";

/**
 * The notifications of a directory (WoT Discovery §7.3.2.2, tdd-notification-event-types), and one of our own: that what
 * can be relied on about an entry has changed, though its description has not.
 */
export const eventTypes = ["thing_created", "thing_updated", "thing_deleted", "verification_changed"] as const;
export type EventType = (typeof eventTypes)[number];

const typeOfKind = {
  created: "thing_created",
  relisted: "thing_created",
  updated: "thing_updated",
  retracted: "thing_deleted",
  unlisted: "thing_deleted",
  removed: "thing_deleted",
  expired: "thing_deleted",
  verification: "verification_changed",
} as const satisfies Record<JournalRow["kind"], EventType>;

/** A row of the journal that readers hear of. */
export interface Change {
  type: EventType;
  position: JournalPosition;
  row: JournalRow;
}

export interface ChangeEventDeps {
  epoch: string;
  changes: ChangeReader;
  entries: EntryReader;
  assessments: Pick<AssessmentStore, "find">;
  clock: Clock;
}

/**
 * Makes events of journal rows. A row says that something happened, and what a reader is told is what it may see now:
 *
 * - An entry that is not the first one of its thing id is not spoken of: no route of the Things API leads to it.
 * - Of an entry that was unlisted, only its end is told, since whoever has a copy must learn of it.
 * - Of one that only who knows its id may find, nothing is told but that it is no longer for everybody.
 * - Contents are those of the entry as it is. Of one that is retracted, removed or expired by now, only the id is left.
 * - A Tombstone that came before its thing ends nothing.
 */
export function createChangeEvents({ epoch, changes, entries, assessments, clock }: ChangeEventDeps) {
  /** The changes among `rows` that readers hear of, in their order. */
  async function visibleChanges(rows: readonly JournalRow[]): Promise<Change[]> {
    const standings = await changes.standingOf([...new Set(rows.map(({ entryKey }) => entryKey))]);
    const visible: Change[] = [];
    for (const row of rows) {
      const type = typeOfKind[row.kind];
      const standing = standings.get(row.entryKey);
      if (standing !== undefined && !standing.isPrimary) continue;
      if (standing?.state === "unlisted" && type !== "thing_deleted") continue;
      if (standing?.visibility === "by-id" && row.kind !== "unlisted") continue;
      if (row.kind === "retracted" && !(await endsSomething(row, standing))) continue;
      visible.push({ type, position: { xid: row.xid, id: row.id }, row });
    }
    return visible;
  }

  async function endsSomething({ entryKey, digest, at }: JournalRow, standing?: Standing): Promise<boolean> {
    if (digest === null) return true;
    const before = await changes.predecessorOf({ entryKey, digest, at });
    if (before === "unknown") return true;
    // The oldest versions of a long history are not kept.
    if (before === "first") return (standing?.versionCount ?? 0) >= limits.versionsPerEntryMax;
    return before.kind === "description";
  }

  /** The event with the id alone. */
  function plainEvent({ type, position, row }: Change): Buffer {
    return formatEvent({ type, id: formatCursor(epoch, position), data: { id: row.thingId } });
  }

  /** The events with what `diff=true` adds, for each of `list`. */
  async function diffEvents(list: readonly Change[]): Promise<Buffer[]> {
    const keys = list.filter(({ type }) => type !== "thing_deleted").map(({ row }) => row.entryKey);
    const active = await entries.findActive([...new Set(keys)], clock.now());
    const byKey = new Map(active.map((stored) => [stored.entry.key, stored]));
    const events: Buffer[] = [];
    for (const change of list) {
      const data = await diffOf(change, byKey);
      events.push(formatEvent({ type: change.type, id: formatCursor(epoch, change.position), data }));
    }
    return events;
  }

  async function diffOf({ type, row }: Change, active: ReadonlyMap<EntryKey, StoredEntry>): Promise<JsonObject> {
    const id = row.thingId;
    const stored = active.get(row.entryKey);
    if (type === "thing_deleted" || stored === undefined) return { id };
    if (type === "verification_changed") return { id, ...(await trustIn(stored)) };
    if (type === "thing_created") return { id, ...shown(stored, descriptionOf(stored)) };
    return { ...(await patchOf(row, stored)), id };
  }

  /** How an entry's proof stands now, as `/registration` says it in full. */
  async function trustIn({ entry }: StoredEntry): Promise<JsonObject> {
    const now = clock.now();
    const { state, reason, badges } = trustOf(entry, (await assessments.find([entry.key])).get(entry.key), now);
    return { verification: { state, reason }, badges: badges.map(({ badge }) => badge) };
  }

  /**
   * The merge patch that makes the entry as it is of what it was before `row`. For a row that others have followed
   * already it leads past them, and what they bring changes nothing more: so nobody is sent contents that are not
   * public any more. Empty where there is no such patch.
   */
  async function patchOf({ entryKey, digest, at }: JournalRow, stored: StoredEntry): Promise<JsonObject> {
    const before = digest === null ? "unknown" : await changes.predecessorOf({ entryKey, digest, at });
    if (typeof before === "string" || before.kind !== "description") return {};
    const old = JSON.parse(before.document) as JsonValue;
    if (!isJsonObject(old)) return {};
    const patch = mergePatchBetween(shown(stored, old), shown(stored, descriptionOf(stored)));
    if (patch === null) return {};
    if (stored.entry.controller !== null) return patch;
    // What the registration was before is not known: all of it is said, with null for what it does not have.
    const { created, modified, expires, ttlSeconds } = stored.entry;
    const registration = {
      created: created.toISOString(),
      modified: modified.toISOString(),
      expires: expires?.toISOString() ?? null,
      ttl: ttlSeconds,
    };
    return { ...patch, registration };
  }

  return { visibleChanges, plainEvent, diffEvents };
}

export type ChangeEvents = ReturnType<typeof createChangeEvents>;

/**
 * A description of the entry as `GET /things/{id}` shows it: signed ones as they are, unsigned ones enriched. Without
 * `retrieved`, which belongs to an answer.
 */
function shown({ entry }: StoredEntry, td: JsonObject): JsonObject {
  return entry.controller === null ? enrichDescription(td, entry) : td;
}
