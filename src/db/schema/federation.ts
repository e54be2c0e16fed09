import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import type { Digest, EntryKey } from "../../base/ids.ts";
import { hex, xid8 } from "./types.ts";

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** What a follower wants to hear of: per facet any of the terms; null or an empty list: everything. */
export interface FollowFilter {
  capability: string[];
  type: string[];
  lang: string[];
}

/** Other registries, and other ActivityPub servers, that this registry follows or is followed by. */
export const peers = pgTable(
  "peers",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    /** The id of its ActivityPub actor. */
    actor: text("actor").notNull().unique(),
    /** The origin (RFC 6454) of `actor`: who it is in provenance. */
    origin: text("origin").notNull(),
    /** `user@host`, as WebFinger has it; null where that is not known. */
    handle: text("handle"),
    name: text("name"),
    inbox: text("inbox").notNull(),
    /** Where a registry of our kind lists its entries; null for any other server. */
    entriesUrl: text("entries_url"),
    /** Activities that it takes in one request. */
    batchMax: integer("batch_max").notNull().default(1),
    blocked: boolean("blocked").notNull().default(false),
    created: instant("created").notNull(),
    /** When it last answered or sent something that held. */
    lastHeard: instant("last_heard"),

    /** Whether it follows this registry: it asks by Follow, `pending` until the operator decides. */
    follower: text("follower", { enum: ["none", "pending", "accepted", "rejected"] })
      .notNull()
      .default("none"),
    /** The id of its Follow activity, which Accept and Reject name. */
    followerActivity: text("follower_activity"),
    followerFilter: jsonb("follower_filter").$type<FollowFilter>(),
    /** The answer to its Follow that it has not got yet. */
    owedAnswer: text("owed_answer", { enum: ["accept", "reject"] }),
    /** How far in the journal it was told of changes; null while it follows nothing. */
    sentXid: xid8("sent_xid"),
    sentId: bigint("sent_id", { mode: "number" }),
    /** Deliveries that failed in a row. */
    failures: integer("failures").notNull().default(0),
    /** Not before then is the next delivery; null: at once. */
    nextDelivery: instant("next_delivery"),
    lastError: text("last_error"),
    lastErrorAt: instant("last_error_at"),

    /** Whether this registry follows it: `requested` until it answers. */
    following: text("following", { enum: ["none", "requested", "accepted", "rejected"] })
      .notNull()
      .default("none"),
    /** The id of our Follow activity. */
    followingActivity: text("following_activity"),
    followingFilter: jsonb("following_filter").$type<FollowFilter>(),
    /** The Follow, or its Undo, that it has not got yet. */
    owedRequest: text("owed_request", { enum: ["follow", "undo"] }),
    /** How far its list of entries was read: its own cursor, opaque; null: from the start. */
    pulledCursor: text("pulled_cursor"),
    /** When its list was last read to its end. */
    pulledAt: instant("pulled_at"),
    pullFailures: integer("pull_failures").notNull().default(0),
    /** Not before then is the next look at its list; null: at once. */
    nextPull: instant("next_pull"),
    pullError: text("pull_error"),
    /** Its epoch when its digests were last compared, and since when it has that one. */
    epoch: text("epoch"),
    epochSince: instant("epoch_since"),
    /** Our own epoch for which it was asked what it has of us, in case that our database was restored. */
    recoveredEpoch: text("recovered_epoch"),
    /** When what is known here was last found equal to, or brought in line with, what it lists. */
    verifiedAt: instant("verified_at"),
    /** Not before then is the next comparison; null: at once. */
    nextVerify: instant("next_verify"),
  },
  (table) => [index("peers_origin").on(table.origin)],
);

/** What each followed peer lists, as far as was heard: it holds an entry that came in by the inbox in this registry. */
export const listings = pgTable(
  "listings",
  {
    peer: uuid("peer")
      .notNull()
      .references(() => peers.id, { onDelete: "cascade" }),
    key: hex("key").$type<EntryKey>().notNull(),
    /** Of the document as the peer lists it, also if a newer version is known here. */
    digest: hex("digest").$type<Digest>().notNull(),
    /** The peer's own id of the listed object. */
    objectId: text("object_id").notNull(),
    /** Origins of the registries through which it came: first where it was registered, last the peer. */
    path: text("path").array().notNull(),
    /** The problem for which the document was refused; such a listing holds nothing. */
    refused: text("refused"),
    modified: instant("modified").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.peer, table.key] }),
    index("listings_key").on(table.key),
    index("listings_object").on(table.peer, table.objectId),
  ],
);

/** Documents from peers that could not be decided on yet, for instance since a DID's host did not answer. */
export const heldDocuments = pgTable(
  "held_documents",
  {
    peer: uuid("peer")
      .notNull()
      .references(() => peers.id, { onDelete: "cascade" }),
    objectId: text("object_id").notNull(),
    document: text("document").notNull(),
    path: text("path").array().notNull(),
    received: instant("received").notNull(),
    attempts: integer("attempts").notNull().default(0),
    nextAttempt: instant("next_attempt").notNull(),
    reason: text("reason").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.peer, table.objectId] }),
    index("held_documents_next").on(table.nextAttempt),
  ],
);

/** Work that one node at a time does for all that share a database. */
export const leases = pgTable("leases", {
  name: text("name").primaryKey(),
  holder: uuid("holder").notNull(),
  until: instant("until")
    .notNull()
    .default(sql`now()`),
});
