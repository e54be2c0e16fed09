import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { factsOf } from "./facts.ts";

const examples = new URL("../../examples/", import.meta.url);
const example = (name: string) => JSON.parse(readFileSync(new URL(`${name}.td.json`, examples), "utf8")) as JsonObject;
const textsOf = (texts: { text: string }[]) => texts.map(({ text }) => text);

describe("factsOf", () => {
  test("knows the weather agent", () => {
    const facts = factsOf(example("weather-agent"));
    expect(facts).toMatchObject({
      title: "Weather Agent",
      titles: [{ language: "en", text: "Weather Agent" }],
      types: ["Thing", "lmos:Agent"],
      protocols: ["https"],
      mediaTypes: ["application/json", "application/problem+json"],
      inputMediaTypes: ["application/json"],
      outputMediaTypes: ["application/json"],
      latencyMs: 500,
      vendors: ["Example Weather Service"],
      languages: ["en"],
    });
    expect(facts.tags).toEqual(expect.arrayContaining(["Weather", "forecast"]));
    expect(textsOf(facts.examples)).toContain("Will it rain in Bonn tomorrow?");
    const getWeather = facts.affordances.find(({ name }) => name === "getWeather");
    expect(getWeather).toMatchObject({ kind: "action", titles: [{ language: "en", text: "Get the weather" }] });
    expect(textsOf(getWeather?.details ?? [])).toEqual(
      expect.arrayContaining(["location", "Location", "celsius", "temperature", "The weather in one sentence"]),
    );
  });

  test("knows every language of the translator", () => {
    const facts = factsOf(example("translator-agent"));
    expect(facts.languages.toSorted()).toEqual(["ar", "de", "en", "fr", "ja"]);
    expect(facts.titles).toContainEqual({ language: "ja", text: "翻訳エージェント" });
    expect(facts.titles.filter(({ text }) => text === "Translator")).toHaveLength(1);
    const translate = facts.affordances.find(({ name }) => name === "translate");
    expect(translate?.details).toContainEqual({ language: "ja", text: "原文" });
  });

  test("knows protocols and subprotocols, and the manufacturer of a device", () => {
    expect(factsOf(example("support-agent")).protocols).toEqual(["wss", "lmosprotocol", "https", "sse"]);
    expect(factsOf(example("mqtt-sensor"))).toMatchObject({
      protocols: ["mqtt", "mqtts"],
      vendors: ["Example Sensors"],
    });
    expect(factsOf(example("smart-lamp"))).toMatchObject({
      protocols: ["https", "coaps", "longpoll"],
      types: ["Thing", "iot:Light"],
    });
    expect(factsOf(example("image-tool")).affordances.map(({ name }) => name)).toContain("vision.analyze");
  });

  test("resolves the scheme of relative addresses against the base", () => {
    const forms = [
      { href: "/on" },
      { href: "//other.example/on" },
      { href: "COAP://example.com/on" },
      { href: "{id}" },
    ];
    expect(factsOf({ base: "HTTPS://example.com/", forms }).protocols).toEqual(["https", "coap"]);
    expect(factsOf({ forms: [{ href: "/on" }] }).protocols).toEqual([]);
  });

  test("strips parameters of content types and knows the default", () => {
    const forms = [
      { href: "x" },
      { href: "x", contentType: "Text/HTML; charset=utf-8", response: { contentType: "image/PNG" } },
      { href: "x", contentType: ";", additionalResponses: [{ contentType: "application/cbor" }, {}] },
    ];
    expect(factsOf({ forms }).mediaTypes).toEqual(["application/json", "text/html", "image/png", "application/cbor"]);
  });

  test("takes the default language from the last context that sets one", () => {
    const languageOf = (context: JsonValue) => factsOf({ "@context": context, title: "Lampe" }).titles[0]?.language;
    expect(languageOf(["x", { "@language": "EN" }, { "@language": "de-AT" }])).toBe("de-at");
    expect(languageOf(["x", { "@language": "en" }, { "@language": null }])).toBeNull();
    expect(languageOf({ "@language": "not a language" })).toBeNull();
    expect(languageOf("x")).toBeNull();
  });

  test("reads tags and vendors however they are written", () => {
    const facts = factsOf({
      "lmos:metadata": {
        "lmos:category": "Finance",
        "lmos:vendor": { "lmos:name": "A", "lmos:url": "https://a.example" },
      },
      "lmos:tags": ["stocks", " stocks ", "", 7],
      tags: "money",
      keywords: "prices, shares",
      "lmos:vendor": "B",
      manufacturer: [{ name: "C" }, { name: 7 }],
    });
    expect(facts.tags.toSorted()).toEqual(["Finance", "money", "prices", "shares", "stocks"]);
    expect(facts.vendors.toSorted()).toEqual(["A", "B", "C"]);
  });

  test("keeps names of affordances that objects inherit", () => {
    const actions = JSON.parse('{"constructor": {"title": "Build"}, "toString": {}}') as JsonObject;
    expect(factsOf({ actions }).affordances.map(({ name }) => name)).toEqual(["constructor", "toString"]);
  });

  test("bounds the words of one affordance, innermost first", () => {
    const names = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`inner${index}`, {}]));
    const input = { properties: { outer: { properties: names } } };
    const details = factsOf({ actions: { run: { input } } }).affordances[0]?.details ?? [];
    expect(details).toHaveLength(limits.affordanceDetailsMax);
    expect(details[0]?.text).toBe("outer");
  });

  test("takes anything, and says nothing twice", () => {
    const names =
      "@context @type @language @value title titles description descriptions base forms href subprotocol contentType response additionalResponses uriVariables properties actions events input output data items oneOf enum const lmos:metadata lmos:vendor lmos:name tags keywords examples en x-y".split(
        " ",
      );
    const member = fc.constantFrom(...names);
    const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 7 },
        fc.constantFrom<JsonValue>(null, true, 0, "", "a", "en", "mqtt://example.com", "a/b; c=d"),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(member, tie("value"), { maxKeys: 8 }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(member, value, { maxKeys: 10 }), (td) => {
        const before = structuredClone(td);
        const facts = factsOf(td);
        expect(td).toEqual(before);
        for (const list of [
          facts.types,
          facts.protocols,
          facts.mediaTypes,
          facts.tags,
          facts.vendors,
          facts.languages,
        ]) {
          expect(new Set(list).size).toBe(list.length);
          for (const item of list) expect(typeof item).toBe("string");
        }
        for (const { text, language } of [...facts.titles, ...facts.descriptions, ...facts.examples]) {
          expect(text.trim()).not.toBe("");
          expect(language === null || facts.languages.includes(language) || language === language.toLowerCase()).toBe(
            true,
          );
        }
      }),
      { numRuns: 300 },
    );
  });
});

const collected = new URL("../../../shared/data/tds/", import.meta.url);

test.skipIf(!existsSync(collected))(
  "the collected descriptions keep their titles and the names of all affordances",
  () => {
    for (const file of readdirSync(collected).filter((name) => name.endsWith(".json"))) {
      const td = JSON.parse(readFileSync(new URL(file, collected), "utf8")) as JsonObject;
      const names = ["properties", "actions", "events"].flatMap((member) => Object.keys(td[member] ?? {}));
      const facts = factsOf(td);
      expect(facts.title, file).toBe(td.title);
      expect(
        facts.affordances.map(({ name }) => name),
        file,
      ).toEqual(names);
    }
  },
);
