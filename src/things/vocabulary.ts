import type { JsonObject, JsonValue } from "../base/json.ts";
import { isJsonObject } from "../base/json.ts";

/** The JSON-LD contexts that say what a document is. They are names here: none is ever fetched. */
export const contexts = {
  td10: "https://www.w3.org/2019/wot/td/v1",
  td11: "https://www.w3.org/2022/wot/td/v1.1",
  discovery: "https://www.w3.org/2022/wot/discovery",
  activityStreams: "https://www.w3.org/ns/activitystreams",
} as const;

export const affordanceKinds = ["property", "action", "event"] as const;
export type AffordanceKind = (typeof affordanceKinds)[number];

/** The member of a TD that holds the affordances of a kind. */
export const affordanceMembers = { property: "properties", action: "actions", event: "events" } as const;

/** One affordance and its JSON Pointer. */
export interface Affordance {
  kind: AffordanceKind;
  name: string;
  value: JsonObject;
  pointer: string;
}

/** One form and its JSON Pointer. */
export interface PlacedForm {
  value: JsonObject;
  pointer: string;
}

/** The affordances of a document, valid or not: what is no object is passed over. */
export function affordancesOf(td: JsonObject): Affordance[] {
  return affordanceKinds.flatMap((kind) => {
    const member = affordanceMembers[kind];
    return Object.entries(objectOf(td[member])).flatMap(([name, value]) =>
      isJsonObject(value) ? [{ kind, name, value, pointer: `/${member}/${pointerToken(name)}` }] : [],
    );
  });
}

/** The forms directly under `holder` (a TD or an affordance), which is at `pointer`. */
export function formsOf(holder: JsonObject, pointer: string): PlacedForm[] {
  return arrayOf(holder.forms).flatMap((value, index) =>
    isJsonObject(value) ? [{ value, pointer: `${pointer}/forms/${index}` }] : [],
  );
}

/** The strings of a member that is a string or an array, such as `@type`, `security` and `op`. */
export function stringsOf(value: JsonValue | undefined): string[] {
  return listOf(value).filter((item) => typeof item === "string");
}

/** The items of a value that stands alone or in an array. */
export function listOf(value: JsonValue | undefined): JsonValue[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

export function arrayOf(value: JsonValue | undefined): JsonValue[] {
  return Array.isArray(value) ? value : [];
}

export function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** `name` as a reference token of a JSON Pointer (RFC 6901 §3). */
export function pointerToken(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
