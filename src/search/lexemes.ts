import { createHash } from "node:crypto";
import { withoutPiledMarks } from "../base/shown-text.ts";
import { capabilityKey } from "./analyser.ts";
import type { FacetName } from "./port.ts";

/**
 * Everything by which entries are found is a lexeme of one tsvector, so that words and filters are answered by one
 * index. A word is a lexeme as it is; what is no word has a mark in it that no word can have.
 */

/**
 * The lexeme of a word whose impact on the entry is of a tier (impact.ts; less than 36), by which few of many entries are
 * found.
 */
export function tierLexeme(word: string, tier: number): string {
  return `=${tier.toString(36)}${word}`;
}

/** What filters can ask for. */
export type FilterName = FacetName | "controller" | "origin" | "verified";

/** The lexeme of a filter's value; two values with the same lexeme are the same to the filter. */
export function filterLexeme(filter: FilterName, value: string): string {
  return `${filter}:${bounded(filterKey(filter, value))}`;
}

/** `value` in the form in which values of a filter are compared. */
export function filterKey(filter: FilterName, value: string): string {
  if (filter === "capability") return capabilityKey(value);
  // DIDs and URLs tell case apart.
  if (filter === "controller" || filter === "origin") return value;
  return withoutPiledMarks(value).normalize("NFKC").toLowerCase().replace(/\s+/gu, " ").trim();
}

/** `image/png` → image/png, image/*, and the range of everything (RFC 9110 §12.5.1). */
export function mediaRangesOf(mediaType: string): string[] {
  const slash = mediaType.indexOf("/");
  return slash <= 0 ? [mediaType] : [mediaType, `${mediaType.slice(0, slash)}/*`, "*/*"];
}

/** `lexemes` as a tsquery that matches any of them. */
export function anyOf(lexemes: string[]): string {
  return lexemes.map(quoted).join("|");
}

/** Subqueries (from `anyOf`) as a tsquery that all of them must match. */
export function allOf(subqueries: string[]): string {
  return subqueries.map((subquery) => `(${subquery})`).join("&");
}

/** `lexeme` in quotes, as in the text form of tsvector and tsquery. */
export function quoted(lexeme: string): string {
  return `'${lexeme.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

const tokenUnitsMax = 200;

/** A lexeme may have 2,046 bytes; of longer values their digest stands for the end. NUL cannot be stored at all. */
function bounded(value: string): string {
  const storable = value.toWellFormed().replaceAll("\0", "\uFFFD");
  if (storable.length <= tokenUnitsMax) return storable;
  const digest = createHash("sha256").update(storable).digest("base64url");
  return `${storable.slice(0, tokenUnitsMax).toWellFormed()}#${digest}`;
}
