import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ThingId } from "../base/ids.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { validateDescription } from "./description.ts";
import { repairDescription } from "./repair.ts";

const minted = "urn:uuid:6a1f0f0e-6f51-4a2f-8f0e-0d6f1c1b7e10" as ThingId;
const repair = (td: JsonObject) => repairDescription(td, { mintId: () => minted });

/** What the LMOS Kotlin SDK writes for an agent. */
const sdkAgent: JsonObject = {
  id: "chatagent",
  title: "Chat Agent",
  "@context": ["https://www.w3.org/2022/wot/td/v1.1", { lmos: "https://eclipse.dev/lmos/protocol/v1" }],
  "@type": "lmos:Agent",
  version: { instance: "1.0.0" },
  description: "A chat agent.",
  actions: {
    chat: {
      description: "Ask the agent a question.",
      forms: [
        {
          href: "https://agents.example.com/chatagent/actions/chat",
          contentType: "application/json",
          op: ["invokeaction"],
        },
      ],
      input: { type: "object", properties: { messages: { type: "array" } }, required: ["messages"] },
      synchronous: true,
    },
  },
};

describe("repairDescription", () => {
  test("makes the description of an LMOS agent valid, and says what it did", () => {
    const { td, repairs, alias } = repair(sdkAgent);
    expect(validateDescription(td)).toEqual([]);
    expect(td).toEqual({
      ...sdkAgent,
      id: minted,
      "@type": ["Thing", "lmos:Agent"],
      securityDefinitions: { nosec_sc: { scheme: "nosec" } },
      security: "nosec_sc",
    });
    expect(alias).toBe("chatagent");
    expect(repairs.map(({ field }) => field)).toEqual(["/id", "/@type", "/securityDefinitions", "/security"]);
    for (const { description } of repairs) expect(description).not.toBe("");
  });

  test("leaves a valid description of an LMOS tool as it is", () => {
    const td = {
      ...sdkAgent,
      id: minted,
      "@type": ["Thing", "lmos:Tool"],
      security: "a",
      securityDefinitions: { a: { scheme: "basic" } },
    };
    const repaired = repair(td);
    expect(repaired).toEqual({ td, repairs: [], alias: null });
    expect(repaired.td).toBe(td);
  });

  test.each<[string, JsonObject]>([
    ["no type", { ...sdkAgent, "@type": [] }],
    ["another type", { ...sdkAgent, "@type": ["saref:Lamp"] }],
    ["an LMOS type that is neither agent nor tool", { ...sdkAgent, "@type": "lmos:Group" }],
  ])("leaves a description with %s as it is", (_, td) => {
    expect(repair(td)).toEqual({ td, repairs: [], alias: null });
  });

  test.each<[string, JsonValue | undefined]>([
    ["missing", undefined],
    ["a number", 7],
    ["empty", ""],
    ["white space", " "],
    ["text with a control character", "chat\u0000agent"],
    ["too long", "a".repeat(limits.thingIdBytesMax + 1)],
  ])("mints nothing where the id is %s", (_, id) => {
    const td = JSON.parse(JSON.stringify({ ...sdkAgent, id })) as JsonObject;
    const repaired = repair(td);
    expect(repaired.alias).toBeNull();
    expect(repaired.td.id).toEqual(td.id);
  });

  test("keeps the longest id that can be an alias", () => {
    const id = "a".repeat(limits.thingIdBytesMax);
    expect(repair({ ...sdkAgent, id }).alias).toBe(id);
  });

  test.each<[string, JsonObject, JsonObject]>([
    ["empty", { security: [], securityDefinitions: {} }, { security: "nosec_sc" }],
    ["only defined as none", { securityDefinitions: { open: { scheme: "nosec" } } }, { security: "open" }],
    ["only named as none", { security: ["no_sec"] }, { securityDefinitions: { no_sec: { scheme: "nosec" } } }],
  ])("adds the missing half where security is %s", (_, members, added) => {
    const { td } = repair({ ...sdkAgent, ...members });
    expect(td).toMatchObject(added);
    expect(validateDescription(td)).toEqual([]);
  });

  test.each<[string, JsonObject]>([
    ["a scheme that is not used", { securityDefinitions: { basic_sc: { scheme: "basic" } } }],
    ["several schemes", { securityDefinitions: { a: { scheme: "nosec" }, b: { scheme: "basic" } } }],
    ["a name that is not defined", { security: ["basic_sc"] }],
    ["a name that may be a secret beside one that is none", { security: ["nosec_sc", "basic_sc"] }],
    ["names of a wrong form", { security: ["nosec_sc", 7] }],
  ])("never says that no security is needed where there is %s", (_, members) => {
    const { td } = repair({ ...sdkAgent, ...members });
    expect(td.security).toEqual(members.security);
    expect(td.securityDefinitions).toEqual(members.securityDefinitions);
    expect(validateDescription(td)).not.toEqual([]);
  });

  test("keeps the faults that it is not there for", () => {
    const { title: _, ...untitled } = sdkAgent;
    expect(validateDescription(repair(untitled).td).map(({ field }) => field)).toEqual(["/title"]);
    expect(repair({ ...sdkAgent, "@type": ["lmos:Agent", 7] }).td["@type"]).toEqual(["Thing", "lmos:Agent", 7]);
  });

  test("needs to be done only once, and leaves its input alone", () => {
    const anything = fc.jsonValue() as fc.Arbitrary<JsonValue>;
    const td = fc.record(
      {
        id: fc.oneof(fc.string(), fc.constant("urn:x"), anything),
        title: anything,
        "@type": fc.oneof(
          fc.constant("lmos:Agent"),
          fc.subarray(["Thing", "lmos:Agent", "lmos:Tool", "x:Y"]),
          anything,
        ) as fc.Arbitrary<JsonValue>,
        security: fc.oneof(fc.constantFrom<JsonValue>("nosec_sc", [], ["nosec"], "basic_sc"), anything),
        securityDefinitions: fc.oneof(fc.constantFrom<JsonValue>({}, { a: { scheme: "nosec" } }), anything),
      },
      { requiredKeys: [] },
    ) as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(td, (original) => {
        const before = structuredClone(original);
        const once = repair(original);
        const twice = repair(once.td);
        expect(original).toEqual(before);
        expect(twice).toEqual({ td: once.td, repairs: [], alias: null });
      }),
    );
  });
});
