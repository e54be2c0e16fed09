import type { ThingId } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { snippetOf } from "../base/shown-text.ts";
import { factsOf } from "../things/facts.ts";

/*
 * An entry as a post that people read on servers which know nothing of Thing Descriptions. Owners are strangers: what they
 * wrote is text here, never markup, and the only link is to the entry.
 */

/** Capabilities that a post names. */
const capabilitiesMax = 10;
const nameCharactersMax = 80;
const tagsMax = 8;
const tagCharactersMax = 50;

/** The post as HTML, which begins with the title of the description `td`. `url`: of the entry's page. */
export function entryText(td: JsonObject, thingId: ThingId, url: string): string {
  const { titles, descriptions, affordances } = factsOf(td);
  const name =
    firstText(titles, limits.snippetTitleCharactersMax) ?? snippetOf(thingId, limits.snippetTitleCharactersMax);
  const description = firstText(descriptions, limits.snippetCharactersMax);
  const capabilities = affordances
    .filter(({ kind }) => kind === "action")
    .slice(0, capabilitiesMax)
    .map((action) => firstText(action.titles, nameCharactersMax) ?? snippetOf(action.name, nameCharactersMax))
    .filter((text) => text !== "");
  const paragraphs = [
    `<strong>${bdi(name)}</strong>`,
    ...(description === null ? [] : [bdi(description)]),
    ...(capabilities.length === 0 ? [] : [`Capabilities: ${capabilities.map(bdi).join(", ")}`]),
    `<a href="${escaped(url)}">${escaped(snippetOf(url, limits.snippetTitleCharactersMax))}</a>`,
  ];
  return paragraphs.map((paragraph) => `<p>${paragraph}</p>`).join("");
}

/** Hashtags of the types, tags and capabilities of a description; few. */
export function entryTags(td: JsonObject): JsonObject[] {
  const { types, tags, affordances } = factsOf(td);
  const names = [
    ...types.map((type) => type.replace(/^.*[#/:]/s, "")),
    ...tags,
    ...affordances.filter(({ kind }) => kind === "action").map(({ name }) => name),
  ].map(hashtagOf);
  return [...new Set(names)]
    .filter((name) => name !== null)
    .slice(0, tagsMax)
    .map((name) => ({ type: "Hashtag", name: `#${name}` }));
}

/** A name as one word; null where nothing is left of it. */
function hashtagOf(name: string): string | null {
  const words = snippetOf(name, 4 * tagCharactersMax).split(/[^\p{L}\p{M}\p{N}]+/u);
  const [first = "", ...others] = words.filter((word) => word !== "");
  const joined = first + others.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  return joined.length <= tagCharactersMax && /\p{L}/u.test(joined) ? joined : null;
}

function firstText(texts: readonly { text: string }[], charactersMax: number): string | null {
  for (const { text } of texts) {
    const shown = snippetOf(text, charactersMax);
    if (shown !== "") return shown;
  }
  return null;
}

/** A stranger's text, kept apart from the direction of the text around it. */
function bdi(text: string): string {
  return `<bdi>${escaped(text)}</bdi>`;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
