import { sql } from "drizzle-orm";
import { bigint, boolean, index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from "drizzle-orm/pg-core";
import type { Did, Digest, EntryKey, ThingId } from "../../base/ids.ts";
import { codePointText, hex } from "./types.ts";

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/**
 * What the registry keeps for one `(controller, thing id)`. The row outlives retraction and removal: its
 * `version_created` and `version_digest` are the high-water mark that refuses a replayed old version (design §3.5).
 */
export const entries = pgTable(
  "entries",
  {
    key: hex("key").$type<EntryKey>().primaryKey(),
    /** Order of first registration; the listing by age and the cursors of search build on it. */
    sequence: bigint("sequence", { mode: "number" }).generatedAlwaysAsIdentity().notNull(),
    thingId: codePointText("thing_id").$type<ThingId>().notNull(),
    controller: text("controller").$type<Did>(),
    /** True for the first controller that registered the thing id here: `GET /things/{id}` is this entry. */
    isPrimary: boolean("is_primary").notNull(),
    state: text("state", { enum: ["active", "unlisted", "retracted", "expired"] }).notNull(),
    /**
     * Who took it out of this registry, and so may bring it back; null unless `state` is `unlisted`. `origin`: no peer
     * lists it any more through which it came in.
     */
    unlistedBy: text("unlisted_by", { enum: ["operator", "controller", "origin"] }),
    /** `by-id`: served under its id, but not in listings, searches and events. The controller chooses. */
    visibility: text("visibility", { enum: ["public", "by-id"] })
      .notNull()
      .default("public"),
    versionId: bigint("version_id", { mode: "number" }).notNull(),
    versionCount: integer("version_count").notNull().default(1),
    /** SHA-256 of the document's bytes: what an entity tag names. */
    digest: hex("digest").$type<Digest>().notNull(),
    /** SHA-256 of what the proof covers, for an unsigned entry of the bytes: what tells versions apart. */
    versionDigest: hex("version_digest").$type<Digest>().notNull(),
    /** The proof's `created`, normalised so that it sorts as text; null for an unsigned entry. */
    versionCreated: codePointText("version_created"),
    /** Two different documents with one `created` were seen (design §3.5). */
    equivocal: boolean("equivocal").notNull().default(false),
    created: instant("created").notNull(),
    modified: instant("modified").notNull(),
    expires: instant("expires"),
    ttlSeconds: integer("ttl_seconds"),
    door: text("door", { enum: ["http", "inbox", "lan", "cli"] }).notNull(),
    origin: text("origin"),
    verificationMethod: text("verification_method"),
    cryptosuite: text("cryptosuite"),
    verifiedAt: instant("verified_at"),
    /** The proof's `expires`: from then on it counts no more. */
    proofExpires: instant("proof_expires"),
    repairs: jsonb("repairs").$type<{ field: string; description: string }[]>(),
  },
  (table) => [
    // Also the listing's order.
    uniqueIndex("entries_primary")
      .on(table.thingId)
      .where(sql`${table.isPrimary}`),
    index("entries_thing_id").on(table.thingId),
    // What has to be purged.
    index("entries_expiring")
      .on(table.expires)
      .where(sql`${table.state} = 'active' and ${table.expires} is not null`),
  ],
);

/** Every accepted document, verbatim: the bytes are the truth (design §3.1). */
export const versions = pgTable(
  "versions",
  {
    id: bigint("id", { mode: "number" }).generatedAlwaysAsIdentity().primaryKey(),
    entryKey: hex("entry_key").$type<EntryKey>().notNull(),
    digest: hex("digest").$type<Digest>().notNull(),
    versionDigest: hex("version_digest").$type<Digest>().notNull(),
    kind: text("kind", { enum: ["description", "tombstone"] }).notNull(),
    document: text("document").notNull(),
    versionCreated: codePointText("version_created"),
    verificationMethod: text("verification_method"),
    accepted: instant("accepted").notNull(),
    door: text("door", { enum: ["http", "inbox", "lan", "cli"] }).notNull(),
    origin: text("origin"),
  },
  (table) => [index("versions_entry").on(table.entryKey, table.id)],
);

/** Ids that are no URIs, as some LMOS software writes them, and the entry that was registered under each. */
export const aliases = pgTable("aliases", {
  alias: codePointText("alias").primaryKey(),
  entryKey: hex("entry_key")
    .$type<EntryKey>()
    .notNull()
    .references(() => entries.key, { onDelete: "cascade" }),
});
