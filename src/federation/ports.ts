import type { EntryKey } from "../base/ids.ts";
import type { ProblemType } from "../base/problem.ts";
import type { JournalPosition } from "../db/journal.ts";
import type { DigestNode } from "../things/entry-digests.ts";
import type { Change, ChangePage, Offer, View } from "../things/offers.ts";
import type { PeerRow } from "./peer-store.ts";

/*
 * What the federation's core works with. It knows neither ActivityPub nor HTTP: `Shelf` is this registry as its peers see
 * it, `Wire` is what leads to them, and both can be replaced in a simulation.
 */

export type { Change, ChangePage, Offer, View, Withdrawal } from "../things/offers.ts";

/** This registry's list of entries, as peers may read it. */
export interface Shelf {
  /** Names this state of the database: another one after it was restored. */
  readonly epoch: string;
  /** The place of the last change. */
  end(): Promise<JournalPosition>;
  /** The entries whose last change lies after `position`, oldest change first, of at most `limit` changes. */
  changesAfter(position: JournalPosition, view: View, limit: number): Promise<ChangePage>;
  /** Those of `keys` that are listed. */
  offers(keys: readonly EntryKey[], view: View): Promise<Offer[]>;
  /** The digests of what is listed whose keys start with `prefix` (lower-case hex). */
  digests(prefix: string, view: View): Promise<DigestNode>;
}

/** What a peer says of one entry. Nothing in it is proven but that it is the peer who says it. */
export type Report =
  | { type: "listed"; objectId: string; document: string; path: string[] }
  | { type: "withdrawn"; objectId: string };

/** What became of a report. */
export type Verdict =
  /** It is in the database. `changed`: and was not before. */
  | { outcome: "taken"; changed: boolean }
  /** It is kept, and will be decided on later. */
  | { outcome: "held"; reason: string }
  /** It is refused for good: sending it again would not help. */
  | { outcome: "refused"; problem: ProblemType | "loop" | "quota-exceeded"; detail: string };

/** A page of a peer's list of entries. */
export interface EntriesPage {
  reports: Report[];
  /** Where the next page starts, and where to go on later; opaque. */
  cursor: string;
  atEnd: boolean;
}

export interface PeerDigests {
  /** Names the state of the peer's database. */
  epoch: string;
  /** The place of its last change, as its list of entries has cursors. */
  cursor: string;
  node: DigestNode;
}

/** Which part of its list a peer is asked for. */
export type EntriesQuery =
  /** What changed after the cursor; null: all. */
  | { after: string | null }
  /** These entries, at most `limits.entriesByKeyMax`. */
  | { keys: readonly EntryKey[] }
  /** What the peer has from us, also if it relays nothing, after the cursor; null: all. */
  | { fromUs: true; after: string | null };

/**
 * Leads to peers. Each method throws a WireError where the peer could not be asked, or did not answer as it should; what it
 * says is then unknown, and never an empty list.
 */
export interface Wire {
  /**
   * Tells a peer of changes, in one request if there are several: at most `peer.batchMax`. `after` and `cursor` are our
   * places before and after them. One verdict for each, in their order.
   */
  deliver(peer: PeerRow, changes: readonly Change[], span: { after: string; cursor: string }): Promise<Verdict[]>;
  readEntries(peer: PeerRow, query: EntriesQuery): Promise<EntriesPage>;
  readDigests(peer: PeerRow, prefix: string): Promise<PeerDigests>;
}

export type WireErrorKind =
  /** No answer, a broken one, or one that asks to come back later (408, 429, 5xx). */
  | "unavailable"
  /** It does not want to be asked: 401, 403, 404, 410. */
  | "unwelcome"
  /** What was sent is refused for good (another 4xx): sending it again would not help. */
  | "refused";

export class WireError extends Error {
  readonly kind: WireErrorKind;
  /** For `unavailable`: seconds after which to come back, where the peer says so. */
  readonly retryAfterSeconds: number | null;

  constructor(kind: WireErrorKind, message: string, options: { retryAfterSeconds?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "WireError";
    this.kind = kind;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }
}
