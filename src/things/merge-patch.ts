import { isDeepStrictEqual } from "node:util";
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

/**
 * The JSON Merge Patch (RFC 7396) that makes `after` of `before`; empty where they are equal. Null where there is none:
 * a merge patch cannot set a member to null, so none leads to a member that is null now and was not before (nulls in
 * arrays do no harm, since arrays are replaced whole). Neither argument is changed.
 */
export function mergePatchBetween(before: JsonObject, after: JsonObject): JsonObject | null {
  const patch = new Map<string, JsonValue>();
  for (const name of Object.keys(before)) {
    if (!Object.hasOwn(after, name)) patch.set(name, null);
  }
  for (const [name, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, name) ? before[name] : undefined;
    if (isJsonObject(old) && isJsonObject(value)) {
      const inner = mergePatchBetween(old, value);
      if (inner === null) return null;
      if (Object.keys(inner).length > 0) patch.set(name, inner);
    } else if (!isDeepStrictEqual(old, value)) {
      if (holdsNull(value)) return null;
      patch.set(name, value);
    }
  }
  return Object.fromEntries(patch);
}

/** Whether a merge patch that held `value` would remove something instead of setting it. */
function holdsNull(value: JsonValue): boolean {
  return value === null || (isJsonObject(value) && Object.values(value).some(holdsNull));
}
