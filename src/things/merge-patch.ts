import type { JsonObject, JsonValue } from "../base/json.ts";
import { isJsonObject } from "../base/json.ts";

/**
 * Applies a JSON Merge Patch (RFC 7396 §2) to a document: members of `patch` replace those of `td`, objects are merged
 * member by member, and null removes. Neither argument is changed.
 *
 * Written out here because the npm package `json-merge-patch` stops in the middle of a patch at a member named
 * `constructor` or `prototype`, fails on a target with a member `hasOwnProperty` (all legal names of affordances), and
 * changes its target. The tests use it as the reference for all other names.
 */
export function mergePatch(td: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map(Object.entries(td));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, mergedValue(merged.get(name), value));
  }
  // Object.fromEntries defines members instead of assigning them, so that no name reaches a prototype.
  return Object.fromEntries(merged);
}

function mergedValue(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  return isJsonObject(patch) ? mergePatch(isJsonObject(target) ? target : {}, patch) : patch;
}
