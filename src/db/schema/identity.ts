import { index, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import type { Did } from "../../base/ids.ts";
import { hex } from "./types.ts";

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** Tokens that the operator has given out. The token itself is known to its bearer only. */
export const apiTokens = pgTable("api_tokens", {
  id: uuid("id").primaryKey().defaultRandom(),
  /** For whom or what it is, in the operator's words. */
  name: text("name").notNull(),
  /** SHA-256 of the token. */
  hash: hex("hash").notNull().unique(),
  scope: text("scope", { enum: ["read", "write", "admin"] }).notNull(),
  created: instant("created").notNull(),
  /** Null: until it is revoked. */
  expires: instant("expires"),
  revoked: instant("revoked"),
});

/** Nonces of signed requests that were accepted, each until its request would be refused for its age. */
export const requestNonces = pgTable(
  "request_nonces",
  {
    /** SHA-256 of the controller, a line feed and the nonce. */
    key: hex("key").primaryKey(),
    controller: text("controller").$type<Did>().notNull(),
    expires: instant("expires").notNull(),
  },
  (table) => [
    index("request_nonces_controller").on(table.controller),
    index("request_nonces_expires").on(table.expires),
  ],
);
