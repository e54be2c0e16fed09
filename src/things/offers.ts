import type { Did, Digest, EntryKey, ThingId } from "../base/ids.ts";
import type { JournalPosition } from "../db/journal.ts";
import type { FollowFilter } from "../db/schema/index.ts";

/*
 * The entries of this registry as other registries see them.
 */

/** For whom a list of entries is made. */
export interface View {
  /** Only entries that match; null: all. */
  filter: FollowFilter | null;
  /** The origin of the registry that reads: what came through it is left out. Null: nobody in particular. */
  to: string | null;
}

/** A signed entry that everybody may find, or its Tombstone, as this registry lists it. */
export interface Offer {
  type: "offer";
  key: EntryKey;
  thingId: ThingId;
  controller: Did;
  kind: "description" | "tombstone";
  /** Verbatim. */
  document: string;
  digest: Digest;
  /** Origins of the registries through which it came: first where it was registered, last this one. */
  path: string[];
  /** First registration and last change here. */
  created: Date;
  modified: Date;
  /** Whether the last change was that it came, or came back. */
  isNew: boolean;
}

/** A signed entry that this registry does not list, or does not list any more. */
export interface Withdrawal {
  type: "withdrawal";
  key: EntryKey;
}

export type Change = Offer | Withdrawal;

export interface ChangePage {
  /** Each entry once, as it is now; in the order of their last changes. */
  changes: Change[];
  /** How far the journal was read. */
  position: JournalPosition;
  /** Whether there was nothing more. */
  atEnd: boolean;
}
