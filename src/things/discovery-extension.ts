import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { ValidationError } from "../base/problem.ts";
import { parseDateTime } from "./date-time.ts";
import { arrayOf, contexts, stringsOf } from "./vocabulary.ts";

/** How a TD says that it only leads to another one (WoT Discovery §7.1.1.2). */
const thingLinkTypes: readonly string[] = ["ThingLink", `${contexts.discovery}#ThingLink`];

/** Members of RegistrationInformation that are points in time (WoT Discovery §7.3.1.1). */
const instantMembers = ["created", "modified", "expires", "retrieved"] as const;

/**
 * What WoT Discovery adds to Thing Descriptions: the form of `registration` (§7.3.1.1 and the extension's JSON Schema
 * that §7.3.2.1.6 names), and the link that a Thing Link is about (§7.1.1.2, exploration-link-description-link).
 */
export function discoveryFaults(td: JsonObject): ValidationError[] {
  return [...registrationFaults(td), ...thingLinkFaults(td)];
}

function registrationFaults({ registration }: JsonObject): ValidationError[] {
  if (registration === undefined) return [];
  if (!isJsonObject(registration)) {
    return [{ field: "/registration", description: "Expected an object, e.g. with ttl or expires." }];
  }
  const errors: ValidationError[] = [];
  for (const member of instantMembers) {
    const value = registration[member];
    if (value === undefined || (typeof value === "string" && parseDateTime(value) !== null)) continue;
    const description = "Expected a date and time with its offset, e.g. 2026-01-31T12:00:00Z (RFC 3339).";
    errors.push({ field: `/registration/${member}`, description });
  }
  const { ttl } = registration;
  if (ttl !== undefined && typeof ttl !== "number") {
    errors.push({ field: "/registration/ttl", description: "Expected a number of seconds." });
  }
  return errors;
}

function thingLinkFaults(td: JsonObject): ValidationError[] {
  if (!stringsOf(td["@type"]).some((type) => thingLinkTypes.includes(type))) return [];
  const leads = arrayOf(td.links).some(
    (link) =>
      isJsonObject(link) &&
      link.rel === "describedby" &&
      link.type === "application/td+json" &&
      typeof link.href === "string",
  );
  if (leads) return [];
  const description =
    'A ThingLink needs a link to the Thing Description that it stands for: expected {"rel": "describedby", "type": "application/td+json", "href": "…"}.';
  return [{ field: "/links", description }];
}
