import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { validateDescription } from "./description.ts";
import { isUri } from "./thing-id.ts";
import { affordancesOf, formsOf } from "./vocabulary.ts";

const td11 = "https://www.w3.org/2022/wot/td/v1.1";
const td10 = "https://www.w3.org/2019/wot/td/v1";

/** A valid description with the given members in place of its own; undefined takes a member away. */
function description(members: Record<string, JsonValue | undefined> = {}): JsonObject {
  const whole: Record<string, JsonValue | undefined> = {
    "@context": td11,
    id: "urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10",
    title: "Lamp",
    securityDefinitions: { nosec_sc: { scheme: "nosec" } },
    security: "nosec_sc",
    ...members,
  };
  return JSON.parse(JSON.stringify(whole)) as JsonObject;
}

/** A valid description with one property, which has the given members. */
function withProperty(members: JsonObject): JsonObject {
  return description({ properties: { on: { forms: [{ href: "https://example.com/on" }], ...members } } });
}

const fieldsOf = (td: JsonObject) => validateDescription(td).map(({ field }) => field);

describe("a description of TD 1.1", () => {
  test("is valid with what is mandatory, with and without an id", () => {
    expect(validateDescription(description())).toEqual([]);
    expect(validateDescription(description({ id: undefined }))).toEqual([]);
  });

  test.each(["title", "security", "securityDefinitions", "@context"])(
    "needs %s, and says so at its place",
    (member) => {
      expect(validateDescription(description({ [member]: undefined }))).toEqual(
        [{ field: `/${member}`, description: expect.stringContaining("is missing; expected") }].concat(
          member === "securityDefinitions" ? [{ field: "/security", description: expect.any(String) }] : [],
        ),
      );
    },
  );

  test.each<[string, JsonValue]>([
    ["a string", td11],
    ["an array", [td11]],
    ["after that of TD 1.0", [td10, td11, { "@language": "en" }]],
    ["with other vocabularies", [td11, "https://example.com/c", { saref: "https://w3id.org/saref#" }]],
  ])("may have its context as %s", (_, context) => {
    expect(validateDescription(description({ "@context": context }))).toEqual([]);
  });

  test.each<[string, JsonValue]>([
    ["another vocabulary", "https://schema.org/"],
    ["an empty array", []],
    ["an object", { td: td11 }],
    ["null", null],
  ])("is told the context when it has %s", (_, context) => {
    expect(validateDescription(description({ "@context": context }))).toEqual([
      { field: "/@context", description: expect.stringContaining(td11) },
    ]);
  });

  test("must not have contexts that are neither addresses nor objects", () => {
    expect(fieldsOf(description({ "@context": [td11, 7, null] }))).toEqual(["/@context/1", "/@context/2"]);
  });

  test.each<[string, Record<string, JsonValue>, string, RegExp]>([
    ["a title that is no text", { title: 7 }, "/title", /a string/],
    ["an id that is no URI", { id: "chatagent" }, "/id", /urn:uuid/],
    ["an id that is no text", { id: 7 }, "/id", /URI/],
    ["an id that is too long", { id: `urn:${"a".repeat(limits.thingIdBytesMax)}` }, "/id", /bytes/],
    ["no security names", { security: [] }, "/security", /at least 1 item/],
    ["a security that is no name", { security: 7 }, "/security", /name of a definition/],
    [
      "a security that is not defined",
      { security: ["nosec_sc", "basic_sc"] },
      "/security/1",
      /"basic_sc" is not defined/,
    ],
    ["a security named like an inherited member", { security: "constructor" }, "/security", /not defined/],
    ["a type of a Thing Model", { "@type": ["Thing", "tm:ThingModel"] }, "/@type/1", /none of them "tm:ThingModel"/],
    ["a type that is no text", { "@type": 7 }, "/@type", /a string or an array of strings/],
    ["a date that is none", { created: "yesterday" }, "/created", /RFC 3339/],
    ["an impossible date", { modified: "2026-02-30T00:00:00Z" }, "/modified", /RFC 3339/],
    ["a version without instance", { version: {} }, "/version/instance", /is missing/],
    ["properties in an array", { properties: [] }, "/properties", /an object/],
    ["an affordance without forms", { actions: { "a/b": {} } }, "/actions/a~1b/forms", /is missing/],
    ["an affordance with no form", { actions: { go: { forms: [] } } }, "/actions/go/forms", /at least 1 item/],
    ["a form without href", { events: { e: { forms: [{}] } } }, "/events/e/forms/0/href", /is missing/],
    [
      "an operation of another kind",
      { events: { e: { forms: [{ href: "x", op: "readproperty" }] } } },
      "/events/e/forms/0/op",
      /one of subscribeevent/,
    ],
    [
      "an unknown operation in a list",
      { actions: { a: { forms: [{ href: "x", op: ["invokeaction", "run"] }] } } },
      "/actions/a/forms/0/op/1",
      /one of invokeaction/,
    ],
    [
      "an operation that is no text",
      { actions: { a: { forms: [{ href: "x", op: 7 }] } } },
      "/actions/a/forms/0/op",
      /one of invokeaction/,
    ],
    ["a form of the thing without op", { forms: [{ href: "x" }] }, "/forms/0/op", /is missing/],
    ["a link without href", { links: [{ rel: "item" }] }, "/links/0/href", /is missing/],
    ["sizes on a link that is no icon", { links: [{ href: "x", sizes: "1x1" }] }, "/links/0/sizes", /icon/],
    ["an icon of a strange size", { links: [{ href: "x", rel: "icon", sizes: "big" }] }, "/links/0/sizes", /16x16/],
    ["a link that extends a model", { links: [{ href: "x", rel: "tm:extends" }] }, "/links/0/rel", /Thing Models/],
    ["a language that is none", { links: [{ href: "x", hreflang: "en_GB" }] }, "/links/0/hreflang", /BCP 47/],
    [
      "a scheme that is unknown",
      { securityDefinitions: { nosec_sc: { scheme: "secret" } } },
      "/securityDefinitions/nosec_sc/scheme",
      /nosec, basic/,
    ],
    [
      "a scheme without scheme",
      { securityDefinitions: { nosec_sc: {} } },
      "/securityDefinitions/nosec_sc/scheme",
      /is missing/,
    ],
    [
      "a scheme that is no object",
      { securityDefinitions: { nosec_sc: "nosec" } },
      "/securityDefinitions/nosec_sc",
      /an object/,
    ],
    ["no scheme at all", { securityDefinitions: {}, security: "a" }, "/securityDefinitions", /at least 1 member/],
    [
      "a place that a scheme does not have",
      { securityDefinitions: { nosec_sc: { scheme: "basic", in: "sky" } } },
      "/securityDefinitions/nosec_sc/in",
      /header, query/,
    ],
    [
      "a combination of nothing",
      { securityDefinitions: { nosec_sc: { scheme: "combo" } } },
      "/securityDefinitions/nosec_sc/oneOf",
      /either oneOf or allOf/,
    ],
    [
      "a combination of one",
      { securityDefinitions: { nosec_sc: { scheme: "combo", allOf: ["nosec_sc"] } } },
      "/securityDefinitions/nosec_sc/allOf",
      /at least 2 items/,
    ],
    [
      "an undefined schema",
      { properties: { p: { forms: [{ href: "x", additionalResponses: [{ schema: "s" }] }] } } },
      "/properties/p/forms/0/additionalResponses/0/schema",
      /schemaDefinitions/,
    ],
    [
      "an undefined security of a form",
      { properties: { p: { forms: [{ href: "x", security: "s" }] } } },
      "/properties/p/forms/0/security",
      /securityDefinitions/,
    ],
  ])("must not have %s", (_, members, field, expected) => {
    const errors = validateDescription(description(members));
    expect(errors.map((error) => error.field)).toContain(field);
    expect(errors.find((error) => error.field === field)?.description).toMatch(expected);
    expect(new Set(errors.map((error) => error.field)).size).toBe(errors.length);
  });

  test("must define what a combination names, and combine in one way only", () => {
    const definitions = { nosec_sc: { scheme: "nosec" }, both: { scheme: "combo", oneOf: ["nosec_sc", "missing"] } };
    expect(fieldsOf(description({ securityDefinitions: definitions }))).toEqual(["/securityDefinitions/both/oneOf/1"]);
    const names = ["nosec_sc", "nosec_sc"];
    const ambiguous = { nosec_sc: { scheme: "nosec" }, both: { scheme: "combo", oneOf: names, allOf: names } };
    expect(validateDescription(description({ securityDefinitions: ambiguous }))).toEqual([
      { field: "/securityDefinitions/both", description: "Expected only one of oneOf and allOf." },
    ]);
  });

  test("may use schemes with the prefix of another vocabulary, and definitions named like inherited members", () => {
    const definitions = { toString: { scheme: "ace:ACESecurityScheme" } };
    expect(validateDescription(description({ securityDefinitions: definitions, security: "toString" }))).toEqual([]);
  });

  test("may have data schemas with several types, as tools of other protocols do", () => {
    expect(validateDescription(withProperty({ type: ["integer", "null"] }))).toEqual([]);
    expect(fieldsOf(withProperty({ type: [] }))).toEqual(["/properties/on/type"]);
    expect(fieldsOf(withProperty({ type: ["integer", "integer"] }))).toEqual(["/properties/on/type"]);
    expect(validateDescription(withProperty({ items: { type: "text" } }))).toEqual([
      { field: "/properties/on/items/type", description: expect.stringMatching(/one of boolean, integer/) },
    ]);
  });

  test("must not repeat the values of an enum, whatever they are", () => {
    expect(validateDescription(withProperty({ enum: [1, "1", null, [1], { a: 1, b: 2 }] }))).toEqual([]);
    expect(fieldsOf(withProperty({ enum: [{ a: 1, b: 2 }, 3, { b: 2, a: 1 }] }))).toEqual(["/properties/on/enum"]);
  });

  test("gets at most so many faults listed, each once", () => {
    const broken = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`p${index}`, 1]));
    const errors = validateDescription(description({ properties: broken }));
    expect(errors).toHaveLength(limits.validationErrorsMax);
    expect(new Set(errors.map(({ field }) => field)).size).toBe(limits.validationErrorsMax);
  });
});

describe("a description of TD 1.0", () => {
  const old = (members: Record<string, JsonValue | undefined>) => description({ "@context": td10, ...members });

  test.each<[string, Record<string, JsonValue>]>([
    ["its context in an array", { "@context": [td10, { iot: "http://iotschema.org/" }] }],
    ["a security scheme of its drafts", { securityDefinitions: { nosec_sc: { scheme: "cert" } } }],
    ["forms of the thing without op", { forms: [{ href: "x" }] }],
    ["an empty security of a form", { properties: { p: { forms: [{ href: "x", security: [] }] } } }],
    ["sizes on any link", { links: [{ href: "x", sizes: "all" }] }],
    [
      "any value for terms that came later",
      {
        profile: 7,
        schemaDefinitions: 7,
        uriVariables: 7,
        links: [{ href: "x", hreflang: "?" }],
        actions: { a: { synchronous: "no", forms: [{ href: "x" }], input: { default: 1, minLength: -1 } } },
      },
    ],
    ["no id", { id: undefined as unknown as JsonValue }],
  ])("may have %s", (_, members) => expect(validateDescription(old(members))).toEqual([]));

  test.each<[string, Record<string, JsonValue>, string]>([
    ["forms of the thing without op", { forms: [{ href: "x" }] }, "/forms/0/op"],
    [
      "an unknown security scheme",
      { securityDefinitions: { nosec_sc: { scheme: "cert" } } },
      "/securityDefinitions/nosec_sc/scheme",
    ],
    ["a profile that is no URI", { profile: 7 }, "/profile"],
  ])("is not held to what 1.1 says of %s", (_, members, field) => {
    expect(fieldsOf(description(members))).toEqual([field]);
    expect(validateDescription(old(members))).toEqual([]);
  });

  test.each<[string, Record<string, JsonValue | undefined>, string]>([
    ["no title", { title: undefined }, "/title"],
    ["no security", { security: undefined }, "/security"],
    ["a version without instance", { version: {} }, "/version/instance"],
    ["a form without href", { properties: { p: { forms: [{}] } } }, "/properties/p/forms/0/href"],
    ["an undefined security", { security: "basic_sc" }, "/security"],
    ["a scheme without scheme", { securityDefinitions: { nosec_sc: {} } }, "/securityDefinitions/nosec_sc/scheme"],
    [
      "a place that a scheme does not have",
      { securityDefinitions: { nosec_sc: { scheme: "basic", in: "sky" } } },
      "/securityDefinitions/nosec_sc/in",
    ],
  ])("must not have %s either", (_, members, field) => expect(fieldsOf(old(members))).toEqual([field]));
});

describe("hostile descriptions", () => {
  const units = limits.documentBytesMax - 4_096;

  test.each(["a", "0", ":", "a-", "-aa", "x-", "en-aaaaa", "T", " ", "\n", "2026-01-01T00:00:00.0"])(
    "take linear time where every text repeats %j",
    (part) => {
      const text = part.repeat(units / part.length);
      const td = description({
        id: text,
        created: text,
        links: [{ href: text, rel: "icon", sizes: text, hreflang: text }],
        securityDefinitions: { nosec_sc: { scheme: text } },
        properties: { p: { forms: [{ href: text, op: text }] } },
      });
      // Milliseconds; a quadratic pattern needs so long that the test times out.
      expect(validateDescription(td).length).toBeGreaterThan(0);
    },
  );

  test("get short answers, however long their names are", () => {
    const broken = Object.fromEntries(Array.from({ length: 1_600 }, (_, index) => [`s${index}`, { type: "x" }]));
    const long = {
      properties: broken,
      forms: [{ href: "x", security: Array.from({ length: 900 }, (_, i) => `s${i}`) }],
    };
    const errors = validateDescription(description({ properties: { ["/~".repeat(units / 4)]: long } }));
    expect(errors.length).toBeGreaterThan(0);
    expect(JSON.stringify(errors).length).toBeLessThan(64 * 1024);
    for (const { field } of errors) expect(field).toBe("/properties");
  });

  test("never make the validator throw", () => {
    const names =
      "@context @type id title security securityDefinitions forms properties actions events links op href scheme oneOf allOf items type additionalResponses".split(
        " ",
      );
    const member = fc.constantFrom(...names);
    const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        fc.constantFrom<JsonValue>(null, true, 0, "", "combo", "nosec", "icon", td11, td10),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(member, tie("value"), { maxKeys: 6 }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(member, value, { maxKeys: 8 }), (td) => {
        for (const error of validateDescription(td)) expect(error.field).toMatch(/^(?:\/|$)/);
      }),
      { numRuns: 300 },
    );
  });
});

const examples = new URL("../../examples/", import.meta.url);

describe("the examples", () => {
  const files = readdirSync(examples).filter((file) => file.endsWith(".td.json"));
  const read = (file: string) => JSON.parse(readFileSync(new URL(file, examples), "utf8")) as JsonObject;

  test("are at least six, each with an id of its own", () => {
    expect(files.length).toBeGreaterThanOrEqual(6);
    expect(new Set(files.map((file) => read(file).id)).size).toBe(files.length);
  });

  test.each(files)("%s is valid, with a UUID and absolute addresses", (file) => {
    const td = read(file);
    expect(validateDescription(td)).toEqual([]);
    expect(td.id).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const forms = affordancesOf(td).flatMap(({ value, pointer }) => formsOf(value, pointer));
    expect(forms.length).toBeGreaterThan(0);
    for (const form of forms)
      expect(isUri(String(form.value.href).replaceAll(/\{[^}]*\}/g, "")), form.pointer).toBe(true);
  });
});

const collections = new URL("../../../shared/data/", import.meta.url);

describe.skipIf(!existsSync(collections))("the collected descriptions", () => {
  test("are all valid", () => {
    const folder = new URL("tds/", collections);
    const single = readdirSync(folder)
      .filter((file) => file.endsWith(".json"))
      .map((file) => readFileSync(new URL(file, folder), "utf8"));
    const lines = readFileSync(new URL("mcp/tds.ndjson", collections), "utf8").trim().split("\n");
    const tds = [...single, ...lines].map((text) => JSON.parse(text) as JsonObject);
    expect(tds).toHaveLength(130);
    const faults = tds.flatMap((td) => validateDescription(td).map((error) => ({ title: td.title, ...error })));
    expect(faults).toEqual([]);
  });
});
