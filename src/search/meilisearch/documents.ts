import { createHash } from "node:crypto";
import { splitName } from "../analyser.ts";
import { withoutPrefix } from "../entry-words.ts";
import { type IndexedAffordance, indexRowOf } from "../index-row.ts";
import type { FacetName, SearchDocument, SearchText } from "../port.ts";

/** Changes whenever documents are mapped in another way: an index of another version is filled anew. */
export const mappingVersion = 1;

/** What is searched, most telling first. The names are those of `Field` in impact.ts. */
export const searchedFields = [
  "title",
  "name",
  "label",
  "description",
  "example",
  "affordance",
  "detail",
  "type",
] as const;

/** An entry as Meilisearch keeps it. */
export interface IndexedDocument extends Record<(typeof searchedFields)[number], string[]> {
  /** The entry's key, 64 hex digits: a valid document id. */
  key: string;
  sequence: number;
  /** Instants are milliseconds since 1970, which filters compare as numbers. */
  expires: number | null;
  modified: number;
  latencyMs: number | null;
  /** What browsing by title orders by, and the form in which Meilisearch does. */
  titleKey: string;
  titleToken: string;
  /** Everything that filters can ask for, in the form of `filterToken`. */
  filters: string[];
  /** What facets count, in the form of `facetToken`. */
  facets: Partial<Record<FacetName, string[]>>;
  /** What `matched` is computed from. */
  affordances: IndexedAffordance[];
}

/**
 * Pure: the document that Meilisearch keeps for an entry. What filters, facets, `matched` and the order by title go by is
 * what the Postgres engine stores, so that both engines mean the same by them.
 */
export function indexedDocumentOf(document: SearchDocument): IndexedDocument {
  const { affordances, expires, modified } = document;
  const row = indexRowOf(document);
  return {
    key: document.key,
    sequence: document.sequence,
    expires: expires?.getTime() ?? null,
    modified: modified.getTime(),
    latencyMs: document.latencyMs,
    titleKey: row.titleKey,
    titleToken: titleToken(row.titleKey),
    title: textsOf(document.titles),
    name: affordances.flatMap(({ name, titles }) => [storable(splitName(name).join(" ")), ...textsOf(titles)]),
    label: [...document.tags, ...document.vendors].map(storable),
    description: textsOf(document.descriptions),
    example: textsOf(document.examples),
    affordance: affordances.flatMap(({ descriptions }) => textsOf(descriptions)),
    detail: affordances.flatMap(({ details }) => textsOf(details)),
    type: document.types.map((type) => storable(splitName(withoutPrefix(type)).join(" "))),
    filters: row.terms.filter(isFilterLexeme).map(filterToken),
    facets: facetsOf(row),
    affordances: row.affordances,
  };
}

/** Words have no colon in them. */
function isFilterLexeme(term: string): boolean {
  return term.includes(":");
}

/**
 * The form in which Meilisearch keeps and compares the lexeme of a filter's value: `tag:` and half of its SHA-256.
 * Meilisearch itself compares values without their case and cuts long ones, and what strangers type would stand in the
 * expressions of its filters; letters and digits are the same for every reader.
 */
export function filterToken(lexeme: string): string {
  return `${lexeme.slice(0, lexeme.indexOf(":"))}:${digestOf(lexeme, 32)}`;
}

/** A value of a facet: what tells values apart, what tells spellings of one value apart, and the spelling to show. */
function facetToken(key: string, label: string): string {
  return `${digestOf(key, 16)}-${digestOf(label, 8)} ${label}`;
}

/** Reads what `facetToken` wrote. */
export function readFacetToken(token: string): { key: string; label: string } {
  return { key: token.slice(0, 16), label: token.slice(26) };
}

/**
 * The title's words so that Meilisearch orders them by their code points, as the database does: in hex, beginning with a
 * letter, since digits alone would be a number to it. Of longer titles, 200 bytes count.
 */
export function titleToken(titleKey: string): string {
  return `t${Buffer.from(titleKey, "utf8").subarray(0, 200).toString("hex")}`;
}

function facetsOf(row: { facetKeys: string[]; facetLabels: string[] }): IndexedDocument["facets"] {
  const facets: IndexedDocument["facets"] = {};
  for (const [index, key] of row.facetKeys.entries()) {
    const facet = key.slice(0, key.indexOf(":")) as FacetName;
    (facets[facet] ??= []).push(facetToken(key, row.facetLabels[index] ?? ""));
  }
  return facets;
}

function textsOf(texts: SearchText[]): string[] {
  return texts.map(({ text }) => storable(text));
}

/** One lone surrogate would make the server refuse all documents of a request. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\uFFFD");
}

function digestOf(text: string, hexDigits: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, hexDigits);
}
