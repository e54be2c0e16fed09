import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { Registration } from "./enrich.ts";
import { enrichDescription, registrationRequestOf, withoutRegistration } from "./enrich.ts";

const td11 = "https://www.w3.org/2022/wot/td/v1.1";
const discovery = "https://www.w3.org/2022/wot/discovery";
const registration: Registration = {
  created: new Date("2026-01-01T00:00:00Z"),
  modified: new Date("2026-01-02T00:00:00Z"),
  expires: new Date("2026-01-02T01:00:00Z"),
  ttlSeconds: 3600,
  retrieved: new Date("2026-01-02T00:30:00Z"),
};

describe("enrichDescription", () => {
  test.each<[string, JsonValue, JsonValue]>([
    ["a string", td11, [td11, discovery]],
    ["an array", [td11, { "@language": "en" }], [td11, { "@language": "en" }, discovery]],
    ["an array that has it", [discovery, td11], [discovery, td11]],
    ["an object", { "@vocab": "x:" }, [{ "@vocab": "x:" }, discovery]],
  ])("adds the registration and its context to %s", (_, context, enriched) => {
    expect(enrichDescription({ "@context": context, title: "Lamp" }, registration)).toEqual({
      "@context": enriched,
      title: "Lamp",
      registration: {
        created: "2026-01-01T00:00:00.000Z",
        modified: "2026-01-02T00:00:00.000Z",
        expires: "2026-01-02T01:00:00.000Z",
        ttl: 3600,
        retrieved: "2026-01-02T00:30:00.000Z",
      },
    });
  });

  test("leaves out what there is not, and replaces what the producer wrote", () => {
    const td = { "@context": td11, registration: { ttl: 5, created: "long ago" } };
    const { created, modified } = registration;
    expect(enrichDescription(td, { created, modified, expires: null, ttlSeconds: null }).registration).toEqual({
      created: "2026-01-01T00:00:00.000Z",
      modified: "2026-01-02T00:00:00.000Z",
    });
  });

  test("does the same twice as once, leaves its input alone, and can be undone", () => {
    const context = fc.oneof(
      fc.constantFrom<JsonValue>(td11, discovery),
      fc.array(fc.constantFrom<JsonValue>(td11, discovery, { "@language": "en" })),
    );
    const td = fc.record(
      { "@context": context, title: fc.string(), registration: fc.jsonValue() as fc.Arbitrary<JsonValue> },
      { requiredKeys: [] },
    ) as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(td, (original) => {
        const before = structuredClone(original);
        const once = enrichDescription(original, registration);
        expect(enrichDescription(once, registration)).toEqual(once);
        expect(enrichDescription(withoutRegistration(once), registration)).toEqual(once);
        expect(Object.hasOwn(withoutRegistration(once), "registration")).toBe(false);
        expect(original).toEqual(before);
      }),
    );
  });
});

describe("registrationRequestOf", () => {
  const ttlMax = limits.registrationTtlSecondsMax;

  test.each<[JsonObject, { ttlSeconds: number | null; expires: Date | null }]>([
    [{}, { ttlSeconds: null, expires: null }],
    [{ registration: {} }, { ttlSeconds: null, expires: null }],
    [{ registration: { ttl: 1 } }, { ttlSeconds: 1, expires: null }],
    [{ registration: { ttl: ttlMax } }, { ttlSeconds: ttlMax, expires: null }],
    [
      { registration: { expires: "2026-01-31T13:00:00+01:00", created: "ignored" } },
      { ttlSeconds: null, expires: new Date("2026-01-31T12:00:00Z") },
    ],
  ])("reads %j", (td, wanted) => expect(registrationRequestOf(td)).toEqual(wanted));

  test.each<[JsonValue, string]>([
    ["soon", "/registration"],
    [null, "/registration"],
    [[], "/registration"],
    [{ ttl: 0 }, "/registration/ttl"],
    [{ ttl: -1 }, "/registration/ttl"],
    [{ ttl: 1.5 }, "/registration/ttl"],
    [{ ttl: "60" }, "/registration/ttl"],
    [{ ttl: ttlMax + 1 }, "/registration/ttl"],
    [{ expires: "tomorrow" }, "/registration/expires"],
    [{ expires: "2026-01-31" }, "/registration/expires"],
    [{ expires: "2026-02-30T00:00:00Z" }, "/registration/expires"],
    [{ expires: "2026-01-31T12:00:00" }, "/registration/expires"],
    [{ expires: `2026-01-31T12:00:00.${"0".repeat(100_000)}Z` }, "/registration/expires"],
    [{ expires: 1769860800 }, "/registration/expires"],
  ])("refuses %j", (value, field) => {
    let problem: unknown;
    try {
      registrationRequestOf({ registration: value });
    } catch (error) {
      problem = error;
    }
    expect(problem).toBeInstanceOf(Problem);
    expect(problem).toMatchObject({ type: "invalid-thing-description", validationErrors: [{ field }] });
  });
});
