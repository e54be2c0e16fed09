import { createHash } from "node:crypto";
import { z } from "zod";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { SearchQuery } from "./port.ts";

const form = z.string().regex(/^[^\0]{1,64}$/u);

/**
 * Where a page of ranked results ended, and how the first page ranked: statistics may change between two pages, and
 * then entries would be shown twice or never.
 */
const rankedSchema = z.strictObject({
  /** Of the query that the cursor belongs to. */
  query: z.string(),
  /** Each word that counts: its index in the query, factor, and forms. */
  terms: z
    .array(z.tuple([z.int().min(0), z.number().min(0).max(1_000), z.array(form).min(1).max(16)]))
    .max(limits.searchWordsMax),
  /** Candidates: groups of atoms, an atom being twice the term's index, plus one where it is strong. */
  groups: z.array(z.array(z.int().min(0)).min(1).max(limits.searchWordsMax)).max(2 * limits.searchWordsMax),
  since: z.int().nullable(),
  score: z.number(),
  sequence: z.int(),
});
export type RankedCursor = z.infer<typeof rankedSchema>;

/** Where a page of the newest entries ended. */
const browsedSchema = z.strictObject({ query: z.string(), sequence: z.int() });
export type BrowsedCursor = z.infer<typeof browsedSchema>;

/** What must not change from page to page. */
export function fingerprintOf(query: SearchQuery): string {
  const { words, filters, controller, origin, verified } = query;
  const said = JSON.stringify([words, Object.entries(filters).sort(), controller, origin, verified]);
  return createHash("sha256").update(said.toWellFormed()).digest("base64url").slice(0, 12);
}

export function encodeRankedCursor(cursor: RankedCursor): string {
  const { query, terms, groups, since, score, sequence } = cursor;
  return encoded([query, terms, groups, since, score, sequence]);
}

export function encodeBrowsedCursor({ query, sequence }: BrowsedCursor): string {
  return encoded([query, sequence]);
}

function encoded(values: unknown[]): string {
  return Buffer.from(JSON.stringify(values)).toString("base64url");
}

/** Throws `invalid-parameter` (400) unless `text` was made by `encodeRankedCursor` for the same query. */
export function decodeRankedCursor(text: string, fingerprint: string): RankedCursor {
  const [query, terms, groups, since, score, sequence] = valuesOf(text);
  return checked(rankedSchema.safeParse({ query, terms, groups, since, score, sequence }), fingerprint);
}

/** Throws `invalid-parameter` (400) unless `text` was made by `encodeBrowsedCursor` for the same query. */
export function decodeBrowsedCursor(text: string, fingerprint: string): BrowsedCursor {
  const [query, sequence] = valuesOf(text);
  return checked(browsedSchema.safeParse({ query, sequence }), fingerprint);
}

function valuesOf(text: string): unknown[] {
  try {
    const values: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    return Array.isArray(values) ? values : [];
  } catch {
    return [];
  }
}

function checked<Cursor extends { query: string }>(
  parsed: { success: true; data: Cursor } | { success: false },
  fingerprint: string,
): Cursor {
  if (!parsed.success) throw invalidCursor("must be `next` of the page before");
  if (parsed.data.query !== fingerprint) {
    throw invalidCursor("belongs to another query; all other parameters must be as on the page before");
  }
  return parsed.data;
}

export function invalidCursor(description: string): Problem {
  return new Problem("invalid-parameter", `cursor: ${description}. Leave it out to start from the first page.`, {
    validationErrors: [{ field: "cursor", description }],
  });
}
