import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { mediaTypesIn } from "./media-types.ts";

const json = "application/json";
const cbor = "application/cbor";
const form = (members: JsonObject = {}): JsonObject => ({ href: "https://things.example/x", ...members });

describe("mediaTypesIn", () => {
  test("knows what the tool for images takes and gives", () => {
    const text = readFileSync(new URL("../../examples/image-tool.td.json", import.meta.url), "utf8");
    expect(mediaTypesIn(JSON.parse(text) as JsonObject)).toEqual({
      all: ["image/png", json, "image/jpeg"],
      input: ["image/png", "image/jpeg"],
      output: [json, "image/png"],
    });
  });

  const cases: [string, JsonObject, { input: string[]; output: string[] }][] = [
    [
      "an action with input and output, by the defaults",
      { actions: { run: { input: {}, output: {}, forms: [form()] } } },
      { input: [json], output: [json] },
    ],
    ["an action with neither", { actions: { run: { forms: [form()] } } }, { input: [], output: [] }],
    [
      "an action whose answer is of another type",
      {
        actions: { run: { input: {}, forms: [form({ contentType: cbor, response: { contentType: "text/plain" } })] } },
      },
      { input: [cbor], output: ["text/plain"] },
    ],
    [
      "an action without a schema whose form tells request and answer apart",
      { actions: { run: { forms: [form({ contentType: "image/png", response: { contentType: json } })] } } },
      { input: ["image/png"], output: [json] },
    ],
    [
      "a form that cannot carry input",
      {
        actions: {
          run: {
            input: {},
            output: {},
            forms: [form({ op: "queryaction" }), form({ op: ["invokeaction"], contentType: cbor })],
          },
        },
      },
      { input: [cbor], output: [cbor] },
    ],
    [
      "a property",
      { properties: { state: { forms: [form({ contentType: cbor })] } } },
      { input: [cbor], output: [cbor] },
    ],
    [
      "a property to read",
      { properties: { state: { readOnly: true, forms: [form()] } } },
      { input: [], output: [json] },
    ],
    [
      "a property to write",
      { properties: { state: { writeOnly: true, forms: [form()] } } },
      { input: [json], output: [] },
    ],
    [
      "a property with a form for each operation",
      {
        properties: {
          state: { forms: [form({ op: "readproperty", contentType: cbor }), form({ op: "writeproperty" })] },
        },
      },
      { input: [json], output: [cbor] },
    ],
    ["an event", { events: { alarm: { forms: [form({ contentType: cbor })] } } }, { input: [], output: [cbor] }],
    [
      "forms of the thing itself",
      {
        forms: [
          form({ op: "readallproperties", contentType: cbor }),
          form({ op: ["writeallproperties"] }),
          form({ contentType: "text/html" }),
        ],
      },
      { input: [json], output: [cbor] },
    ],
    [
      "data schemas, however deep",
      {
        actions: {
          run: {
            input: { properties: { picture: { contentMediaType: "Image/PNG; q=1" } } },
            output: { items: { oneOf: [{ contentMediaType: "audio/ogg" }, { contentMediaType: "8bit" }] } },
          },
        },
        properties: { state: { readOnly: true, contentMediaType: "text/csv", forms: [form()] } },
        events: { alarm: { data: { contentMediaType: "video/mp4" } } },
      },
      { input: ["image/png"], output: [json, "text/csv", "audio/ogg", "video/mp4"] },
    ],
    [
      "a capability manifest",
      {
        inputs: [{ name: "picture", mime: "image/png", required: true }],
        "lmos:metadata": { "lmos:outputs": [{ mime: "text/plain" }] },
        actions: { run: { outputs: { mimeType: "audio/ogg" } } },
      },
      { input: ["image/png"], output: ["text/plain", "audio/ogg"] },
    ],
    [
      "answers that are no errors",
      {
        actions: {
          run: {
            output: {},
            forms: [
              form({
                additionalResponses: [
                  { success: true, contentType: cbor },
                  { contentType: "application/problem+json" },
                ],
              }),
            ],
          },
        },
      },
      { input: [], output: [json, cbor] },
    ],
  ];

  test.each(cases)("reads %s", (_, td, { input, output }) => {
    const types = mediaTypesIn(td);
    expect(types.input.toSorted()).toEqual(input.toSorted());
    expect(types.output.toSorted()).toEqual(output.toSorted());
  });

  test("names each type once, and all that is taken or given, whatever the description", () => {
    const names =
      "forms op contentType response additionalResponses success properties actions events input output data subscription contentMediaType readOnly writeOnly inputs outputs mime lmos:metadata items oneOf run".split(
        " ",
      );
    const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        fc.constantFrom<JsonValue>(null, true, "", "a/b", "A/B ; c", "invokeaction", "writeproperty", 5),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names), tie("value"), { maxKeys: 6 }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 8 }), (td) => {
        const { all, input, output } = mediaTypesIn(td);
        for (const list of [all, input, output]) expect(new Set(list).size).toBe(list.length);
        expect(all).toEqual(expect.arrayContaining([...input, ...output]));
        for (const type of all) expect(type).toBe(type.toLowerCase().trim());
      }),
      { numRuns: 500 },
    );
  });
});
