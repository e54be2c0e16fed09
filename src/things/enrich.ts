import type { JsonObject, JsonValue } from "../base/json.ts";
import { isJsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { parseDateTime } from "./date-time.ts";
import { contexts } from "./vocabulary.ts";

/** The directory's own facts about an entry. */
export interface Registration {
  created: Date;
  modified: Date;
  expires: Date | null;
  ttlSeconds: number | null;
  /** When the answer was made (RegistrationInformation `retrieved`). */
  retrieved?: Date;
}

/**
 * The enriched form of a description: with `registration` (what the document has there is replaced) and the context
 * that defines it. Never changes its input. WoT Discovery §7.3.1.1.
 */
export function enrichDescription(td: JsonObject, registration: Registration): JsonObject {
  const { created, modified, expires, ttlSeconds, retrieved } = registration;
  return {
    ...td,
    "@context": withDiscoveryContext(td["@context"]),
    registration: {
      created: created.toISOString(),
      modified: modified.toISOString(),
      ...(expires === null ? {} : { expires: expires.toISOString() }),
      ...(ttlSeconds === null ? {} : { ttl: ttlSeconds }),
      ...(retrieved === undefined ? {} : { retrieved: retrieved.toISOString() }),
    },
  };
}

/**
 * How long the producer asks to be listed: `registration.ttl` (seconds, an integer from 1 to
 * `limits.registrationTtlSecondsMax`) and `registration.expires` (RFC 3339). What it has not asked for is null; the
 * members that only a directory sets are ignored. WoT Discovery §7.3.1.1.
 *
 * Throws `invalid-thing-description` (400) for values of another form.
 */
export function registrationRequestOf(td: JsonObject): { ttlSeconds: number | null; expires: Date | null } {
  const { registration } = td;
  if (registration === undefined) return { ttlSeconds: null, expires: null };
  if (!isJsonObject(registration)) throw invalid("/registration", "expected an object with ttl or expires");
  return { ttlSeconds: ttlSecondsOf(registration.ttl), expires: expiresOf(registration.expires) };
}

/** The description without `registration`, as it is stored when a client sends back an enriched one. */
export function withoutRegistration(td: JsonObject): JsonObject {
  const { registration: _, ...rest } = td;
  return rest;
}

function ttlSecondsOf(value: JsonValue | undefined): number | null {
  if (value === undefined) return null;
  const secondsMax = limits.registrationTtlSecondsMax;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= secondsMax) return value;
  throw invalid("/registration/ttl", `expected the seconds to be listed, an integer from 1 to ${secondsMax}`);
}

function expiresOf(value: JsonValue | undefined): Date | null {
  if (value === undefined) return null;
  const instant = typeof value === "string" ? parseDateTime(value) : null;
  if (instant !== null) return instant;
  throw invalid("/registration/expires", "expected an RFC 3339 date-time, e.g. 2026-01-31T12:00:00Z");
}

function withDiscoveryContext(context: JsonValue | undefined): JsonValue {
  if (context === undefined) return [contexts.discovery];
  const items = Array.isArray(context) ? context : [context];
  return items.includes(contexts.discovery) ? context : [...items, contexts.discovery];
}

function invalid(field: string, expectation: string): Problem {
  const description = `${field.slice(1).replace("/", ".")}: ${expectation}.`;
  return new Problem("invalid-thing-description", description, { validationErrors: [{ field, description }] });
}
