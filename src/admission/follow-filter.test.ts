import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../base/json.ts";
import type { FollowFilter } from "../db/schema/index.ts";
import { tdOf } from "../../test/support/descriptions.ts";
import { matchesFilter } from "./follow-filter.ts";

const td = tdOf({
  "@context": ["https://www.w3.org/2022/wot/td/v1.1", { "@language": "en" }],
  "@type": ["lmos:Agent", "saref:Sensor"],
  titles: { "de-AT": "Wetterdienst" },
  actions: {
    getWeather: {
      title: "Tell the forecast",
      "@type": "schema:SearchAction",
      forms: [{ href: "https://agent.example/weather" }],
    },
  },
});
const all: FollowFilter = { capability: [], type: [], lang: [] };

describe("a follower's filter", () => {
  test.each<[string, Partial<FollowFilter>, boolean]>([
    ["that names nothing", {}, true],
    ["by an affordance's name", { capability: ["getWeather"] }, true],
    ["by its name in another spelling", { capability: ["get weather"] }, true],
    ["by its title", { capability: ["tell the Forecast"] }, true],
    ["by its type", { capability: ["schema:SearchAction"] }, true],
    ["by another capability", { capability: ["bookFlight"] }, false],
    ["by any of several capabilities", { capability: ["bookFlight", "getWeather"] }, true],
    ["by a type of the thing", { type: ["LMOS:agent"] }, true],
    ["by a type of an affordance", { type: ["schema:SearchAction"] }, false],
    ["by the default language", { lang: ["EN"] }, true],
    ["by the language of a title", { lang: ["de-at"] }, true],
    ["by another language", { lang: ["fr"] }, false],
    ["by two facets that hold", { capability: ["getWeather"], lang: ["en"] }, true],
    ["by two facets of which one does not", { capability: ["getWeather"], lang: ["fr"] }, false],
  ])("%s", (_, filter, isMatch) => {
    expect(matchesFilter(td, { ...all, ...filter })).toBe(isMatch);
  });

  test("lets through no more with more facets, and no less with more terms, and takes any object", () => {
    const terms = fc.array(fc.oneof(fc.string(), fc.constantFrom("getWeather", "en", "lmos:Agent")), { maxLength: 3 });
    const filters = fc.record({ capability: terms, type: terms, lang: terms });
    const objects = fc.oneof(fc.constant(td), fc.dictionary(fc.string(), fc.jsonValue()));
    fc.assert(
      fc.property(objects, filters, fc.string(), (object, filter, term) => {
        const isMatch = matchesFilter(object as JsonObject, filter);
        if (isMatch) expect(matchesFilter(object as JsonObject, { ...filter, lang: [] })).toBe(true);
        if (isMatch && filter.lang.length > 0) {
          expect(matchesFilter(object as JsonObject, { ...filter, lang: [...filter.lang, term] })).toBe(true);
        }
      }),
    );
  });
});
