import * as fc from "fast-check";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { isJsonObject } from "../base/json.ts";
import { mergePatch, mergePatchBetween } from "./merge-patch.ts";

const reference = createRequire(import.meta.url)("json-merge-patch") as {
  apply(target: unknown, patch: unknown): JsonObject;
};

const { value } = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<JsonValue>(null, true, 1, "a"),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  // Few names, so that targets and patches meet.
  object: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value"), { maxKeys: 4 }),
}));
const object = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), value, { maxKeys: 4 });

function withoutNulls(patch: JsonObject): JsonObject {
  const entries = Object.entries(patch).filter(([, member]) => member !== null);
  return Object.fromEntries(
    entries.map(([name, member]) => [name, isJsonObject(member) ? withoutNulls(member) : member]),
  );
}

describe("mergePatch", () => {
  // RFC 7396, appendix A: the cases whose target and patch are both objects.
  test.each<[JsonObject, JsonObject, JsonObject]>([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("of %j with %j is %j", (target, patch, merged) => expect(mergePatch(target, patch)).toEqual(merged));

  test("does what the reference does", () => {
    fc.assert(
      fc.property(object, object, (target, patch) => {
        const expected = reference.apply(structuredClone(target), structuredClone(patch));
        expect(mergePatch(target, patch)).toEqual(expected);
      }),
    );
  });

  test("with an empty patch changes nothing; to an empty target gives the patch without its nulls", () => {
    fc.assert(
      fc.property(object, (doc) => {
        expect(mergePatch(doc, {})).toEqual(doc);
        expect(mergePatch({}, doc)).toEqual(withoutNulls(doc));
      }),
    );
  });

  test("does the same twice as once, and leaves both arguments alone", () => {
    fc.assert(
      fc.property(object, object, (target, patch) => {
        const before = structuredClone([target, patch]);
        const once = mergePatch(target, patch);
        expect(mergePatch(once, patch)).toEqual(once);
        expect([target, patch]).toEqual(before);
      }),
    );
  });

  test.each(["constructor", "prototype", "hasOwnProperty", "toString", "valueOf", "__proto__", "toJSON"])(
    "treats a member named %s like any other",
    (name) => {
      const named = (member: JsonValue) =>
        JSON.parse(`{"a": 1, ${JSON.stringify(name)}: ${JSON.stringify(member)}}`) as JsonObject;
      const merged = mergePatch(named({ x: 1 }), { ...named({ y: 2 }), z: 3 });
      const expected = { ...named({ x: 1, y: 2 }), z: 3 };
      expect(JSON.parse(JSON.stringify(merged))).toEqual(JSON.parse(JSON.stringify(expected)));
      expect(Object.keys(merged).toSorted()).toEqual(["a", name, "z"].toSorted());
      expect(Object.hasOwn(mergePatch(merged, named(null)), name)).toBe(false);
      expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
      expect(Object.hasOwn(Object.prototype, "y")).toBe(false);
    },
  );
});

describe("mergePatchBetween", () => {
  test.each<[JsonObject, JsonObject, JsonObject]>([
    [{ a: 1 }, { a: 1 }, {}],
    [
      { a: 1, b: 2 },
      { a: 1, c: 3 },
      { b: null, c: 3 },
    ],
    [{ a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }, { a: { c: 3 } }],
    [{ a: { b: 1 } }, { a: {} }, { a: { b: null } }],
    [{ a: 1 }, { a: {} }, { a: {} }],
    [{ a: [1, { b: null }] }, { a: [{ b: null }] }, { a: [{ b: null }] }],
    [{ a: null, b: 1 }, { a: null, b: 2 }, { b: 2 }],
    [{ a: null }, { a: 1 }, { a: 1 }],
    [
      { constructor: { x: 1 }, z: 1 },
      { hasOwnProperty: 1, z: 2 },
      { constructor: null, hasOwnProperty: 1, z: 2 },
    ],
  ])("of %j and %j is %j", (before, after, patch) => expect(mergePatchBetween(before, after)).toEqual(patch));

  test.each<[JsonObject, JsonObject]>([
    [{}, { a: null }],
    [{ a: 1 }, { a: null }],
    [{ a: 1 }, { a: { b: { c: null } } }],
    [{ a: { b: 1 } }, { a: { b: null } }],
  ])("there is none between %j and %j", (before, after) => expect(mergePatchBetween(before, after)).toBeNull());

  test("leads from one to the other, where the latter has no nulls", () => {
    fc.assert(
      fc.property(object, object.map(withoutNulls), (before, after) => {
        const patch = mergePatchBetween(before, after);
        expect(patch).not.toBeNull();
        expect(mergePatch(before, patch ?? {})).toEqual(after);
      }),
    );
  });

  test("whatever there is, leads from one to the other, and changes nothing once it has been applied", () => {
    const names = fc.constantFrom("a", "b", "constructor", "hasOwnProperty", "toString");
    const any = fc.dictionary(names, fc.oneof(value, fc.dictionary(names, value, { maxKeys: 3 })), { maxKeys: 4 });
    let found = 0;
    fc.assert(
      fc.property(any, any, (before, after) => {
        const unchanged = structuredClone([before, after]);
        const patch = mergePatchBetween(before, after);
        expect([before, after]).toEqual(unchanged);
        if (patch === null) return;
        found += 1;
        expect(mergePatch(before, patch)).toEqual(after);
        expect(mergePatch(after, patch)).toEqual(after);
      }),
    );
    expect(found).toBeGreaterThan(10);
  });
});
