import type { JsonObject, JsonValue } from "../base/json.ts";
import { isJsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { latencyMsOf } from "./latency.ts";
import { mediaTypesIn } from "./media-types.ts";
import type { Affordance, AffordanceKind } from "./vocabulary.ts";
import { affordancesOf, arrayOf, formsOf, listOf, objectOf, stringsOf } from "./vocabulary.ts";

/** A text and the BCP 47 tag of its language in lower case; null where the document does not say. */
export interface LanguageText {
  language: string | null;
  text: string;
}

export interface AffordanceFacts {
  kind: AffordanceKind;
  name: string;
  titles: LanguageText[];
  descriptions: LanguageText[];
  /** `@type` as written. */
  types: string[];
  /** Names, titles, descriptions and strings of the data schemas; at most `limits.affordanceDetailsMax`. */
  details: LanguageText[];
}

/** What search and readers know of a description. Lists have no duplicates and keep the document's order. */
export interface ThingFacts {
  title: string | null;
  /** `title` and `titles`. */
  titles: LanguageText[];
  /** `description` and `descriptions`. */
  descriptions: LanguageText[];
  /** `@type` as written. */
  types: string[];
  affordances: AffordanceFacts[];
  /** Schemes of the forms' addresses and their subprotocols, in lower case. */
  protocols: string[];
  /** All content types, in lower case and without parameters. */
  mediaTypes: string[];
  /** Those of them that the thing takes, and those that it gives. */
  inputMediaTypes: string[];
  outputMediaTypes: string[];
  /** Milliseconds in which it promises to answer; null if it promises nothing. */
  latencyMs: number | null;
  tags: string[];
  vendors: string[];
  /** BCP 47 tags in lower case: of the texts, and the default of the document. */
  languages: string[];
  /** Example requests that the thing or its affordances give in plain words. */
  examples: LanguageText[];
}

const languagePattern = /^[a-z]{1,8}(?:-[a-z0-9]{1,8})*$/;
const schemePattern = /^[a-z][a-z0-9+.-]*(?=:)/i;

const exampleMembers = ["examples", "example", "lmos:examples"];
const tagMembers = ["lmos:category", "lmos:tags", "tags", "keywords"];
const vendorMembers = ["lmos:vendor", "vendor", "schema:manufacturer", "manufacturer"];
const nameMembers = ["lmos:name", "schema:name", "name", "@value"];

/** Members of affordances whose values are data schemas. */
const schemaMembers = ["input", "output", "subscription", "data", "dataResponse", "cancellation"];

/**
 * What a description says, laid out for search. Knows terms by their compact names only, because contexts are never
 * fetched (design §3.3). Takes any object: members of another form than the TD gives them are passed over.
 */
export function factsOf(td: JsonObject): ThingFacts {
  const defaultLanguage = defaultLanguageOf(td["@context"]);
  const affordances = affordancesOf(td);
  const forms = [td, ...affordances.map(({ value }) => value)].flatMap((holder) =>
    formsOf(holder, "").map(({ value }) => value),
  );
  const mediaTypes = mediaTypesIn(td);
  const titles = textsOf(td, "title", "titles", defaultLanguage);
  const descriptions = textsOf(td, "description", "descriptions", defaultLanguage);
  const affordanceFacts = affordances.map((affordance) => factsOfAffordance(affordance, defaultLanguage));
  const texts = [
    ...titles,
    ...descriptions,
    ...affordanceFacts.flatMap((facts) => [...facts.titles, ...facts.descriptions]),
  ];
  return {
    title: typeof td.title === "string" ? td.title : null,
    titles,
    descriptions,
    types: unique(stringsOf(td["@type"])),
    affordances: affordanceFacts,
    protocols: unique(forms.flatMap((form) => protocolsOf(form, td.base))),
    mediaTypes: mediaTypes.all,
    inputMediaTypes: mediaTypes.input,
    outputMediaTypes: mediaTypes.output,
    latencyMs: latencyMsOf(td),
    tags: tagsOf(td),
    vendors: vendorsOf(td),
    languages: unique([defaultLanguage, ...texts.map(({ language }) => language)].filter((tag) => tag !== null)),
    examples: uniqueTexts(
      [td, ...affordances.map(({ value }) => value)].flatMap((holder) =>
        exampleMembers.flatMap((member) => textsIn(holder[member], defaultLanguage)),
      ),
    ),
  };
}

/** The names under which a description appears to people: its titles in all languages, and its vendors. */
export function shownNamesOf(td: JsonObject): { field: "title" | "vendor"; name: string }[] {
  return [
    ...textsOf(td, "title", "titles", null).map(({ text }) => ({ field: "title" as const, name: text })),
    ...vendorsOf(td).map((name) => ({ field: "vendor" as const, name })),
  ];
}

/**
 * The host names of the forms' addresses, resolved against `base` (TD 1.1 §5.3.4.2), in lower case and without ports.
 * Addresses without a host, such as `urn:…`, have none; one that cannot be read counts as a host named "".
 */
export function formHostsOf(td: JsonObject): string[] {
  const base = typeof td.base === "string" ? td.base : undefined;
  const forms = [td, ...affordancesOf(td).map(({ value }) => value)].flatMap((holder) => formsOf(holder, ""));
  const hosts = forms.flatMap(({ value: { href } }) => {
    if (typeof href !== "string") return [];
    // Templates of URI variables are no URLs; what is in braces is never the host of a description in good faith.
    const url = URL.parse(href.replace(/\{[^{}]*\}/g, ""), base);
    if (url === null) return [""];
    return url.host === "" ? [] : [url.hostname.toLowerCase()];
  });
  return unique(hosts);
}

function factsOfAffordance(affordance: Affordance, defaultLanguage: string | null): AffordanceFacts {
  const { kind, name, value } = affordance;
  return {
    kind,
    name,
    titles: textsOf(value, "title", "titles", defaultLanguage),
    descriptions: textsOf(value, "description", "descriptions", defaultLanguage),
    types: unique(stringsOf(value["@type"])),
    details: detailsOf(affordance, defaultLanguage),
  };
}

/** A text and its translations; the text has the document's default language. */
function textsOf(
  holder: JsonObject,
  member: string,
  translationsMember: string,
  defaultLanguage: string | null,
): LanguageText[] {
  const text = holder[member];
  const translations = Object.entries(objectOf(holder[translationsMember])).flatMap(([tag, translation]) =>
    typeof translation === "string" ? [{ language: languageOf(tag), text: translation }] : [],
  );
  return uniqueTexts([...(typeof text === "string" ? [{ language: defaultLanguage, text }] : []), ...translations]);
}

/** The words of an affordance's data schemas, breadth first, so that the bound cuts off the innermost. */
function detailsOf(affordance: Affordance, defaultLanguage: string | null): LanguageText[] {
  const { kind, value } = affordance;
  const details: LanguageText[] = [];
  const addName = (name: string) => details.push({ language: null, text: name });
  const variables = Object.entries(objectOf(value.uriVariables));
  for (const [name] of variables) addName(name);
  // A property is a data schema itself; its own title and description are not details.
  if (kind === "property") addSchemaWords(value);
  const queue: JsonValue[] = [
    ...variables.map(([, schema]) => schema),
    ...(kind === "property" ? innerSchemas(value) : []),
    ...schemaMembers.flatMap((member) => listOf(value[member])),
  ];
  for (let next = 0; next < queue.length && details.length < limits.affordanceDetailsMax; next += 1) {
    const schema = queue[next];
    if (!isJsonObject(schema)) continue;
    details.push(...textsOf(schema, "title", "titles", defaultLanguage));
    details.push(...textsOf(schema, "description", "descriptions", defaultLanguage));
    addSchemaWords(schema);
    queue.push(...innerSchemas(schema));
  }
  return uniqueTexts(details).slice(0, limits.affordanceDetailsMax);

  function addSchemaWords(schema: JsonObject): void {
    for (const name of Object.keys(objectOf(schema.properties))) addName(name);
    for (const option of [...arrayOf(schema.enum), schema.const]) if (typeof option === "string") addName(option);
  }
}

function innerSchemas(schema: JsonObject): JsonValue[] {
  return [...Object.values(objectOf(schema.properties)), ...listOf(schema.items), ...arrayOf(schema.oneOf)];
}

function protocolsOf(form: JsonObject, base: JsonValue | undefined): string[] {
  const subprotocol = typeof form.subprotocol === "string" ? form.subprotocol.toLowerCase() : null;
  return [schemeOf(form.href) ?? schemeOf(base), subprotocol].filter(
    (protocol) => protocol !== null && protocol !== "",
  ) as string[];
}

function schemeOf(reference: JsonValue | undefined): string | null {
  return typeof reference === "string" ? (schemePattern.exec(reference)?.[0].toLowerCase() ?? null) : null;
}

function tagsOf(td: JsonObject): string[] {
  const values = [td, objectOf(td["lmos:metadata"])].flatMap((holder) =>
    tagMembers.flatMap((member) =>
      // Keywords are often written as one text with commas (schema.org).
      stringsOf(holder[member]).flatMap((text) => (member === "keywords" ? text.split(",") : [text])),
    ),
  );
  return uniqueTrimmed(values);
}

function vendorsOf(td: JsonObject): string[] {
  const vendors = [td, objectOf(td["lmos:metadata"])].flatMap((holder) =>
    vendorMembers.flatMap((member) => listOf(holder[member])),
  );
  return uniqueTrimmed(
    vendors.flatMap((vendor) =>
      isJsonObject(vendor) ? nameMembers.flatMap((member) => stringsOf(vendor[member])).slice(0, 1) : stringsOf(vendor),
    ),
  );
}

/** The strings of a value that is a string, an object with a language (JSON-LD value object), or an array of these. */
function textsIn(value: JsonValue | undefined, defaultLanguage: string | null): LanguageText[] {
  return listOf(value).flatMap((item) => {
    if (typeof item === "string") return [{ language: defaultLanguage, text: item }];
    if (!isJsonObject(item) || typeof item["@value"] !== "string") return [];
    const tag = item["@language"];
    return [{ language: typeof tag === "string" ? languageOf(tag) : defaultLanguage, text: item["@value"] }];
  });
}

/** `@language` of the last context that sets it (JSON-LD 1.1 §4.2.4); null resets it. */
function defaultLanguageOf(context: JsonValue | undefined): string | null {
  const setting = listOf(context).findLast((item) => isJsonObject(item) && item["@language"] !== undefined);
  const tag = objectOf(setting)["@language"];
  return typeof tag === "string" ? languageOf(tag) : null;
}

function languageOf(tag: string): string | null {
  const lower = tag.toLowerCase();
  return languagePattern.test(lower) ? lower : null;
}

function unique(values: string[]): string[] {
  return [...new Set(values)];
}

function uniqueTrimmed(values: string[]): string[] {
  return unique(values.map((value) => value.trim()).filter((value) => value !== ""));
}

/** Without empty texts and repetitions. */
function uniqueTexts(texts: LanguageText[]): LanguageText[] {
  const seen = new Set<string>();
  return texts.filter(({ language, text }) => {
    const key = `${language ?? ""}\n${text}`;
    return text.trim() !== "" && !seen.has(key) && seen.add(key);
  });
}
