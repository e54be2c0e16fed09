import * as fc from "fast-check";
import { jsonpath } from "json-p3";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../base/json.ts";
import { members, queries } from "../../../test/support/jsonpath-queries.ts";
import { compileQuery } from "./compile.ts";
import { type Condition, toTsquery } from "./narrowing.ts";
import { pathTermsOf } from "./paths.ts";
import { findIn, type Found, type Part, planQuery } from "./plan.ts";

/** Whether a document with these terms is looked at. */
function holds(condition: Condition, terms: ReadonlySet<string>): boolean {
  if (condition === true) return true;
  if ("term" in condition) return terms.has(condition.term);
  return "all" in condition
    ? condition.all.every((part) => holds(part, terms))
    : condition.any.some((part) => holds(part, terms));
}

function partsOf(query: string): Part[] {
  const plan = planQuery(query);
  return "parts" in plan ? plan.parts : [];
}

/** As an unsigned description is shown: with members that the index does not have. */
function enriched(document: JsonObject): JsonObject {
  return {
    ...document,
    "@context": ["x", "lamp"],
    registration: { created: "a", modified: "b", ttl: 1, retrieved: "c" },
  };
}

function doesLookAt(query: string, document: JsonObject): boolean {
  return partsOf(query).some((part) => holds(part.condition, new Set(pathTermsOf(document))));
}

describe("the condition of a query", () => {
  test("holds for every document in which the query finds anything", () => {
    let found = 0;
    let ruledOut = 0;
    fc.assert(
      fc.property(queries, members, fc.boolean(), (query, stored, isEnriched) => {
        // What is listed is never empty of what every description has.
        const document = { id: "urn:x", title: "lamp", security: "s", securityDefinitions: {}, ...stored };
        const terms = new Set(pathTermsOf(document));
        for (const part of partsOf(query)) {
          const isFound = !findIn(part, isEnriched ? enriched(document) : document).next().done;
          const isLookedAt = holds(part.condition, terms);
          if (isFound) found += 1;
          if (!isLookedAt) ruledOut += 1;
          if (isFound) expect(isLookedAt, `${query} on ${JSON.stringify(document)}`).toBe(true);
        }
      }),
      { numRuns: 20_000 },
    );
    // The queries are such that both happens.
    expect(found).toBeGreaterThan(1_000);
    expect(ruledOut).toBeGreaterThan(1_000);
  }, 120_000);

  test.each([
    ["$[?@.title=='lamp']", { title: "lamp" }, { title: "Lamp" }],
    ["$[?(@.title=='lamp')]", { title: "lamp" }, { title: ["lamp"] }],
    ["$[?'lamp'==@.title]", { title: "lamp" }, {}],
    ["$[?@.a.b==1]", { a: { b: 1.0 } }, { a: { b: "1" } }],
    ["$[?@.a[0]==null]", { a: [null] }, { a: [] }],
    ["$[?@.properties.status]", { properties: { status: {} } }, { properties: { state: {} } }],
    [
      "$[?@.properties.status && @.actions.toggle]",
      { properties: { status: 0 }, actions: { toggle: 0 } },
      { properties: { status: 0 } },
    ],
    ["$[?@.a || @.b]", { b: 1 }, { c: 1 }],
    ["$[?!(@.a!='x' || !@.b)]", { a: "x", b: 1 }, { a: "x" }],
    ["$[?@['@type'][?@=='Lamp']]", { "@type": ["Thing", "Lamp"] }, { "@type": ["Thing"] }],
    ["$[?@.a > 3]", { a: 4 }, { b: 4 }],
    ["$[?match(@.a, 'x.*')]", { a: "xy" }, { b: "xy" }],
    ["$[?length(@.a) == 2]", { a: "xy" }, { b: "xy" }],
    ["$[?@..unit]", { a: [{ unit: 1 }] }, { a: 1 }],
    ["$[*].actions.toggle", { actions: { toggle: 1 } }, { actions: {} }],
    ["$..unit", { a: { unit: 1 } }, { unity: 1 }],
  ] as [string, JsonObject, JsonObject][])("of %s tells documents apart", (query, with_, without) => {
    expect(doesLookAt(query, with_)).toBe(true);
    expect(doesLookAt(query, without)).toBe(false);
  });

  test.each([
    "$[*]",
    "$[*].title",
    "$[?!@.a]",
    "$[?@.a!=1]",
    "$[?!(@.a==1)]",
    "$[?@.registration.ttl]",
    "$[?@.a==@.b]",
    "$[0].a",
  ])("of %s rules nothing out", (query) => {
    expect(partsOf(query).map(({ condition }) => toTsquery(condition))).toEqual([null]);
  });
});

describe("a plan", () => {
  test("finds, part by part and document by document, what the query finds in the list", () => {
    fc.assert(
      fc.property(queries, fc.array(members, { maxLength: 5 }), (query, documents) => {
        const plan = planQuery(query);
        if ("whole" in plan) return;
        const expected = compileQuery(query)
          .query(documents as never)
          .values();
        const found = plan.parts.flatMap((part) =>
          documents
            .slice(part.from, part.to ?? documents.length)
            .flatMap((document) =>
              [...findIn(part, document)].map((one: Found) => ("document" in one ? document : one.value)),
            ),
        );
        expect(found).toEqual(expected);
      }),
      { numRuns: 5_000 },
    );
  }, 60_000);

  test.each(["$", "$[-1]", "$[::2]", "$[?@.a==$[0].a]", "$[?@.b[?@==$[0]]]"])("of %s needs the whole list", (query) => {
    expect("whole" in planQuery(query)).toBe(true);
  });

  test.each([
    ["$[?@.title=='x']", true],
    ["$[?@.a && !@.b[0]].c[*]", true],
    ["$[?@.a[?@.b]]", false],
    ["$[?match(@.a, 'x')]", false],
    ["$[?@..a]", false],
    ["$[?@.a==@.b]", false],
    ["$[*][*,*]", false],
    ["$[*]..a", false],
  ])("of %s knows whether its cost is bounded", (query, isCheap) => {
    expect(partsOf(query).map((part) => part.isCheap)).toEqual([isCheap]);
  });
});

test("strings are ordered and counted by characters, and only strings match", () => {
  const find = (query: string, value: unknown) =>
    compileQuery(query)
      .query(value as never)
      .values();
  expect(find("$[?@ > '\uFB33']", ["\u{1F600}", "a"])).toEqual(["\u{1F600}"]);
  expect(find("$[?@ <= '\u{1F600}']", ["\uFB33"])).toEqual(["\uFB33"]);
  expect(find("$[?length(@) == 1]", ["\u{1F600}", "ab", [1]])).toEqual(["\u{1F600}", [1]]);
  expect(find("$[?match(@, '5|null')]", ["5", 5, null])).toEqual(["5"]);
  expect(find("$[?search(@, '5')]", ["15", 15])).toEqual(["15"]);
  expect(jsonpath.query("$[?length(@) == 1]", ["\u{1F600}"]).values(), "the library by itself").toEqual([]);
});
