import { boolean, jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

/** One row: what this registry is. */
export const registry = pgTable("registry", {
  only: boolean("only").primaryKey().default(true),
  /** First part of every journal cursor; a new one is drawn when the database was restored elsewhere. */
  epoch: uuid("epoch").notNull().defaultRandom(),
  /** The database cluster and timeline that the epoch belongs to. */
  lineage: text("lineage").notNull(),
  created: timestamp("created", { withTimezone: true, precision: 3 }).notNull().defaultNow(),
});

/** The registry's own keys, made at first start. */
export const registryKeys = pgTable("registry_keys", {
  /** What the key is for, e.g. `assertion`. */
  purpose: text("purpose").primaryKey(),
  /** A Multikey with its secret, as `identity/keys.ts` writes it. */
  key: jsonb("key").notNull(),
  created: timestamp("created", { withTimezone: true, precision: 3 }).notNull().defaultNow(),
});
