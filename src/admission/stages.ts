import type { Did, Digest, Etag, ThingId } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import type { JournalPosition } from "../db/journal.ts";
import type { Verification } from "../identity/proof.ts";
import type { CurrentEntry } from "../things/entry-store.ts";
import type { Listing } from "../things/listing-store.ts";
import type { Repair } from "../things/repair.ts";

/** The way by which something came in. */
export type Door = "http" | "inbox" | "lan" | "cli";

/** What an API token allows; each scope includes those before it. */
export const tokenScopes = ["read", "write", "admin"] as const;
export type TokenScope = (typeof tokenScopes)[number];

/** What the carrier of a submission has shown about itself; the document's own proof is another matter. */
export interface Evidence {
  /** What the API token that came along allows; null without one. */
  token: TokenScope | null;
  /** The DID whose key signed the request (RFC 9421); null if nobody's did. */
  signer: Did | null;
}

/** Of a carrier that has shown nothing. */
export const noEvidence: Evidence = { token: null, signer: null };

/** A request's conditions on the entry as it is (RFC 9110 §13.1). Empty lists never match. */
export interface Precondition {
  /** `If-Match`: one of these tags, or `*` for any existing entry. */
  ifMatch?: "*" | Etag[];
  /** `If-None-Match`: none of these tags, or `*` for no existing entry. */
  ifNoneMatch?: "*" | Etag[];
}

/** Stage 0: bytes as a door received them. */
export interface Submission {
  door: Door;
  evidence: Evidence;
  bytes: Uint8Array;
  /**
   * What the path named: the document's id must be one of these readings. Null for `POST`, where the registry
   * mints the id.
   */
  target: readonly string[] | null;
  /** The thing id that is registered here under the alias which the path named, if it named one. */
  knownAs?: ThingId;
  precondition?: Precondition;
  /** The registry that sent the document; null when its publisher did. */
  origin: string | null;
  /** How the peer that sent the document lists it: noted in one with what is stored, so that its way is never unknown. */
  listing?: PeerListing;
}

/** A listing by the peer whose row of `peers` has the id `peer`. */
export interface PeerListing extends Pick<Listing, "objectId" | "path"> {
  peer: string;
}

/** Stage 1: strict JSON within the limits. */
export interface Draft {
  readonly stage: "draft";
  submission: Submission;
  text: string;
  json: JsonObject;
}

/** Stage 2: a valid Thing Description or Tombstone. */
export interface Candidate {
  readonly stage: "candidate";
  submission: Submission;
  kind: "description" | "tombstone";
  signed: boolean;
  thingId: ThingId;
  /** What will be stored: the submitted text, or for an unsigned document its repaired form. */
  document: string;
  digest: Digest;
  json: JsonObject;
  repairs: Repair[];
  /** The original id, where it was no URI. */
  alias: string | null;
  /** How long the publisher asks to be listed. */
  requested: { ttlSeconds: number | null; expires: Date | null };
  /** The registration was new to us: no id was given, so none can exist. */
  minted: boolean;
}

/** Stage 3: whose document it is. */
export interface Attested {
  readonly stage: "attested";
  candidate: Candidate;
  /** Null for an unsigned document. */
  verification: Verification | null;
  controller: Did | null;
}

/** Stage 4: may come in here, subject to what the entry's row says under its lock. */
export interface Permitted {
  readonly stage: "permitted";
  attested: Attested;
  /** When it was let in: the instant from which a lease counts. */
  at: Date;
  /** When the registration will run out. */
  expires: Date | null;
  /** For how long the publisher asks to be listed, as far as that counts here. */
  ttlSeconds: number | null;
}

/** What became of a submission. */
export type Outcome = "created" | "updated" | "unchanged" | "retracted";

/** Stage 5: committed. */
export interface Receipt {
  readonly stage: "receipt";
  outcome: Outcome;
  entry: CurrentEntry;
  repairs: Repair[];
  alias: string | null;
  /** Null when nothing changed. */
  position: JournalPosition | null;
}
