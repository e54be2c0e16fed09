import { createHash } from "node:crypto";
import { limits } from "../../base/limits.ts";
import { snippetOf } from "../../base/shown-text.ts";
import { splitName } from "../analyser.ts";
import type { SearchAffordance, SearchDocument, SearchText } from "../port.ts";

/** What of an entry is embedded. */
export type EmbeddedFacts = Pick<
  SearchDocument,
  "titles" | "descriptions" | "affordances" | "tags" | "vendors" | "examples"
>;

/** A text that gets a vector of its own. */
export interface EntryText {
  /** SHA-256 of the text, the first 16 bytes in hex: what has not changed is not embedded again. */
  digest: string;
  text: string;
  /** The affordance that it is about; null where it is about the thing, or about several. */
  affordance: string | null;
}

/** Characters of the title before an affordance's text. */
const contextCharactersMax = 100;

/**
 * The texts of an entry, each once: one of the thing, and one of each affordance, since a single vector of a server with
 * many tools says nothing about any of them. At most `limits.embeddingTextsPerEntryMax`: what is left of more
 * affordances shares the last ones. Empty for an entry without words.
 */
export function entryTextsOf(facts: EmbeddedFacts): EntryText[] {
  const title = snippetOf(facts.titles[0]?.text ?? "", contextCharactersMax);
  const ofThing = thingTextOf(facts);
  const ofAffordances = facts.affordances.map((affordance) => ({
    text: [title, affordanceTextOf(affordance)].filter((part) => part !== "").join(": "),
    affordance: affordance.name,
  }));
  const single = ofAffordances.slice(0, singlesMax);
  const texts = [{ text: ofThing, affordance: null }, ...single, ...packed(ofAffordances.slice(singlesMax))];
  const byDigest = new Map<string, EntryText>();
  for (const { text, affordance } of texts) {
    if (text === "") continue;
    const digest = createHash("sha256").update(text).digest("hex").slice(0, 32);
    if (!byDigest.has(digest)) byDigest.set(digest, { digest, text, affordance });
  }
  return [...byDigest.values()];
}

/** Vectors of one entry that several affordances share. */
const sharedMax = 8;
const singlesMax = limits.embeddingTextsPerEntryMax - 1 - sharedMax;

/** `texts` in as few as fit into a text's bound; what does not fit into `sharedMax` of them is left out. */
function packed(texts: { text: string }[]): { text: string; affordance: null }[] {
  const packs: string[] = [];
  for (const { text } of texts) {
    const last = packs.at(-1);
    if (last !== undefined && last.length + text.length < limits.embeddingTextCharactersMax) {
      packs[packs.length - 1] = `${last}\n${text}`;
    } else if (packs.length < sharedMax) {
      packs.push(text);
    }
  }
  return packs.map((text) => ({ text, affordance: null }));
}

/** What the thing is comes first: models look at the beginning most, and some at nothing else. */
function thingTextOf(facts: EmbeddedFacts): string {
  return bounded([
    linesOf(facts.titles),
    linesOf(facts.descriptions),
    [...facts.tags, ...facts.vendors].join(", "),
    facts.affordances.map(({ name }) => wordsOf(name)).join(", "),
    linesOf(facts.examples),
  ]);
}

function affordanceTextOf({ name, titles, descriptions }: SearchAffordance): string {
  return bounded([wordsOf(name), linesOf(titles), linesOf(descriptions)]);
}

function wordsOf(name: string): string {
  return splitName(name).join(" ");
}

function linesOf(texts: SearchText[]): string {
  return texts.map(({ text }) => text).join("\n");
}

function bounded(parts: string[]): string {
  const text = parts.filter((part) => part.trim() !== "").join("\n");
  // Cut before as well: making a text harmless takes time, and a document may be one long text.
  return snippetOf(text.slice(0, 2 * limits.embeddingTextCharactersMax), limits.embeddingTextCharactersMax);
}
