import { bigint, date, integer, pgTable, text } from "drizzle-orm/pg-core";

/**
 * The models whose vectors are kept: one, and while another takes its place, two. The vectors of model `id` are in the
 * table `entry_vectors_ID`, which is made with the first of them (src/search/embeddings/vector-store.ts): its type
 * comes with pgvector, which a server need not have.
 */
export const embeddingModels = pgTable("embedding_models", {
  id: integer("id").primaryKey().generatedAlwaysAsIdentity(),
  name: text("name").notNull().unique(),
  /** Numbers in each of its vectors; null until there is one. */
  dimension: integer("dimension"),
});

/** Tokens that were spent on embeddings each day (UTC), by all nodes together. */
export const embeddingUsage = pgTable("embedding_usage", {
  day: date("day").primaryKey(),
  tokens: bigint("tokens", { mode: "number" }).notNull(),
});
