import { sql } from "drizzle-orm";
import { index, integer, jsonb, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import type { Digest, EntryKey } from "../../base/ids.ts";
import { codePointText, hex } from "./types.ts";

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** A badge that an entry holds. */
export interface HeldBadge {
  badge: "self" | "domain" | "credential";
  /** Why it is held, in words for people. */
  explanation: string;
  /** Since when it is held, ISO 8601. */
  since: string;
  /** When that was last found to be so, ISO 8601. */
  checked: string;
}

/** Why an entry's name is labelled. */
export interface LookalikeLabel {
  /** The entry that it resembles. */
  of: EntryKey;
  field: "title" | "vendor";
  explanation: string;
}

/**
 * What the registry has found out about the trust in an entry since its document was accepted: whether the proof still
 * holds, badges, resemblance to others. Derived, and found out anew from time to time; an entry about which there is
 * nothing to say beyond its own row has no row here.
 */
export const assessments = pgTable(
  "assessments",
  {
    key: hex("key").$type<EntryKey>().primaryKey(),
    /** The version that was assessed (`entries.version_digest`); for another one this row says nothing. */
    versionDigest: hex("version_digest").$type<Digest>().notNull(),
    state: text("state", { enum: ["verified", "unverifiable", "lapsed"] }).notNull(),
    /** Why the state is what it is, where it is not `verified`. */
    reason: text("reason"),
    /** Since when the state is what it is. */
    since: instant("since").notNull(),
    /** When the key was first missing in the controller's DID document, while that may still be a mistake. */
    absentSince: instant("absent_since"),
    /** The age of the controller's DID document that the state is founded on; null where none is needed. */
    didDocumentRetrieved: instant("did_document_retrieved"),
    badges: jsonb("badges").$type<HeldBadge[]>().notNull(),
    /** What was found about each credential, and about each badge that is not held, in words for people. */
    findings: jsonb("findings").$type<string[]>().notNull(),
    lookalike: jsonb("lookalike").$type<LookalikeLabel>(),
    /** Null while the entry still waits for its first assessment. */
    assessed: instant("assessed"),
    /** When to look again; null: never, unless the entry changes. */
    due: instant("due"),
  },
  (table) => [
    index("assessments_due")
      .on(table.due)
      .where(sql`${table.due} is not null`),
  ],
);

/** The names under which active entries appear, in the form in which lookalikes are compared. */
export const entryNames = pgTable(
  "entry_names",
  {
    key: hex("key").$type<EntryKey>().notNull(),
    field: text("field", { enum: ["title", "vendor"] }).notNull(),
    name: text("name").notNull(),
    /** src/things/confusable.ts */
    skeleton: codePointText("skeleton").notNull(),
    /** The skeleton and all that is left of it when one character goes; only where `strength` is more than 1. */
    stubs: text("stubs").array(),
    /** Of the strongest badge that the entry holds: 0 none, 1 self, 2 domain, 3 credential. */
    strength: integer("strength").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.key, table.field, table.skeleton] }),
    index("entry_names_skeleton").on(table.skeleton),
    // Whether there is any, in no time.
    index("entry_names_known")
      .on(table.strength)
      .where(sql`${table.strength} > 1`),
    index("entry_names_stubs")
      .using("gin", table.stubs)
      .where(sql`${table.strength} > 1`),
  ],
);
