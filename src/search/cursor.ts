import { createHash } from "node:crypto";
import { z } from "zod";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { BrowseOrder, SearchQuery } from "./port.ts";

/** The end of the year 9999, after which instants are written otherwise. */
const instantMsMax = 253_402_300_799_999;

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
  /** Candidates: groups of atoms, an atom being a hundred times the term's index, plus the tier. */
  groups: z.array(z.array(z.int().min(0)).min(1).max(limits.searchWordsMax)).max(2 * limits.searchWordsMax),
  newest: z.array(z.int().min(0)).max(limits.searchWordsMax),
  since: z.int().nullable(),
  score: z.number(),
  sequence: z.int(),
});
export type RankedCursor = z.infer<typeof rankedSchema>;

/** Where a page of entries without words ended: in what they are ordered by, and by sequence number. */
const browsedSchema = z.strictObject({
  query: z.string(),
  /** Milliseconds since 1970, the key of a title, or null where entries are ordered by sequence number only. */
  place: z.union([z.int().min(0).max(instantMsMax), z.string().regex(/^[^\0]{0,128}$/u), z.null()]),
  sequence: z.int(),
});
export type BrowsedCursor = z.infer<typeof browsedSchema>;
export type BrowsedPlace = Omit<BrowsedCursor, "query">;

const placeTypes: Record<BrowseOrder, string> = { newest: "object", modified: "number", title: "string" };

/**
 * What must not change from page to page. Origins that are left out may: they are left out because they are silent, and
 * one can fall silent between two pages.
 */
export function fingerprintOf(query: SearchQuery): string {
  const { words, order, filters, controller, origin, verified, latencyMsMax, modifiedSince } = query;
  const filtered = Object.entries(filters).sort();
  const said = JSON.stringify([words, order, filtered, controller, origin, verified, latencyMsMax, modifiedSince]);
  return createHash("sha256").update(said.toWellFormed()).digest("base64url").slice(0, 12);
}

export function encodeRankedCursor(cursor: RankedCursor): string {
  const { query, terms, groups, newest, since, score, sequence } = cursor;
  return encoded([query, terms, groups, newest, since, score, sequence]);
}

export function encodeBrowsedCursor({ query, place, sequence }: BrowsedCursor): string {
  return encoded([query, place, sequence]);
}

function encoded(values: unknown[]): string {
  return Buffer.from(JSON.stringify(values)).toString("base64url");
}

/** Throws `invalid-parameter` (400) unless `text` was made by `encodeRankedCursor` for the same query. */
export function decodeRankedCursor(text: string, fingerprint: string): RankedCursor {
  const [query, terms, groups, newest, since, score, sequence] = valuesOf(text);
  return checked(rankedSchema.safeParse({ query, terms, groups, newest, since, score, sequence }), fingerprint);
}

/** Throws `invalid-parameter` (400) unless `text` was made by `encodeBrowsedCursor` for the same query. */
export function decodeBrowsedCursor(text: string, fingerprint: string, order: BrowseOrder): BrowsedPlace {
  const [query, place, sequence] = valuesOf(text);
  const cursor = checked(browsedSchema.safeParse({ query, place, sequence }), fingerprint);
  if (typeof cursor.place !== placeTypes[order]) throw invalidCursor("must be `next` of the page before");
  return cursor;
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
