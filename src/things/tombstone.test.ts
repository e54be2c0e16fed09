import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ThingId } from "../base/ids.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { isTombstone, tombstoneOf, validateTombstone } from "./tombstone.ts";

const id = "urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10" as ThingId;
const tombstone = tombstoneOf(id, ["Thing", "lmos:Agent"], new Date("2026-01-31T12:00:00Z"));

test("a tombstone that we make is what ActivityStreams describes", () => {
  expect(tombstone).toEqual({
    "@context": "https://www.w3.org/ns/activitystreams",
    type: "Tombstone",
    id,
    formerType: ["Thing", "lmos:Agent"],
    deleted: "2026-01-31T12:00:00.000Z",
  });
});

test("a tombstone that we make is valid, whatever the thing was", () => {
  const types = fc.oneof(fc.string({ minLength: 1 }), fc.array(fc.string({ minLength: 1 }), { minLength: 1 }));
  const instant = fc.date({ min: new Date(0), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true });
  fc.assert(
    fc.property(types, instant, (formerType, deleted) => {
      expect(validateTombstone(tombstoneOf(id, formerType, deleted))).toEqual([]);
    }),
  );
});

describe("validateTombstone", () => {
  test("accepts contexts and types in arrays, and unknown members", () => {
    const doc: JsonObject = {
      ...tombstone,
      "@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/data-integrity/v2"],
      type: ["Tombstone", "x:Y"],
      formerType: "Thing",
      proof: { type: "DataIntegrityProof" },
    };
    expect(isTombstone(doc)).toBe(true);
    expect(validateTombstone(doc)).toEqual([]);
  });

  test.each(["@context", "type", "id", "formerType", "deleted"])("names %s when it is missing", (member) => {
    const { [member]: _, ...rest } = tombstone;
    expect(validateTombstone(rest)).toEqual([
      { field: `/${member}`, description: expect.stringContaining(`"${member}" is missing; expected`) },
    ]);
  });

  test.each<[string, JsonValue]>([
    ["@context", "https://www.w3.org/2022/wot/td/v1.1"],
    ["@context", {}],
    ["type", "Note"],
    ["id", "chatagent"],
    ["id", 7],
    ["formerType", []],
    ["formerType", ["Thing", 7]],
    ["formerType", ""],
    ["deleted", "yesterday"],
    ["deleted", "2026-01-31"],
    ["deleted", "2026-02-30T00:00:00Z"],
    ["deleted", "2026-01-31T12:00:00"],
    ["deleted", 1769860800],
  ])("refuses %s as %j", (member, value) => {
    expect(validateTombstone({ ...tombstone, [member]: value })).toEqual([
      { field: `/${member}`, description: expect.any(String) },
    ]);
  });
});

test("isTombstone goes by the type alone", () => {
  expect(isTombstone({ type: "Tombstone" })).toBe(true);
  expect(isTombstone({ "@type": "Thing", type: "object" })).toBe(false);
  expect(isTombstone({ type: { Tombstone: true } })).toBe(false);
});
