import type { ThingId } from "../base/ids.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import type { ValidationError } from "../base/problem.ts";
import { parseDateTime } from "./date-time.ts";
import { thingIdFault } from "./thing-id.ts";
import { contexts, listOf, stringsOf } from "./vocabulary.ts";

/** Whether a document says of itself that it is an ActivityStreams Tombstone (Activity Vocabulary §3.3). */
export function isTombstone(doc: JsonObject): boolean {
  return stringsOf(doc.type).includes("Tombstone");
}

/**
 * Checks a tombstone: `@context` with ActivityStreams, `type`, `id`, `formerType` and `deleted` (design §3.6). The proof
 * is not looked at. Returns the faults; none means that the tombstone is valid.
 */
export function validateTombstone(doc: JsonObject): ValidationError[] {
  const errors: ValidationError[] = [];
  const check = (field: string, holds: boolean, expected: string) => {
    if (!holds) errors.push({ field: `/${field}`, description: `${stateOf(doc, field)}; expected ${expected}.` });
  };
  check(
    "@context",
    listOf(doc["@context"]).includes(contexts.activityStreams),
    `"${contexts.activityStreams}", alone or in an array`,
  );
  check("type", isTombstone(doc), '"Tombstone"');
  const idFault = typeof doc.id === "string" ? thingIdFault(doc.id) : null;
  if (idFault === null) check("id", typeof doc.id === "string", "the URI of the thing that is gone");
  else errors.push({ field: "/id", description: `The id ${idFault}.` });
  check("formerType", isFormerType(doc.formerType), "the former type of the thing: a string or an array of strings");
  check(
    "deleted",
    typeof doc.deleted === "string" && parseDateTime(doc.deleted) !== null,
    "the instant of the retraction as an RFC 3339 date-time, e.g. 2026-01-31T12:00:00Z",
  );
  return errors;
}

/**
 * The tombstone of a thing, without a proof: its controller signs it.
 * @param formerType the thing's `@type`.
 */
export function tombstoneOf(thingId: ThingId, formerType: string | string[], deleted: Date): JsonObject {
  return {
    "@context": contexts.activityStreams,
    type: "Tombstone",
    id: thingId,
    formerType,
    deleted: deleted.toISOString(),
  };
}

function isFormerType(value: JsonValue | undefined): boolean {
  const items = listOf(value);
  return items.length > 0 && items.every((item) => typeof item === "string" && item !== "");
}

function stateOf(doc: JsonObject, field: string): string {
  return doc[field] === undefined ? `"${field}" is missing` : `"${field}" does not fit`;
}
