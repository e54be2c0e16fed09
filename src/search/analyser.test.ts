import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { analyse, capabilityKey, lexemeUnitsMax, splitName } from "./analyser.ts";

const plain = (text: string, language: string | null = null) => analyse(text, language).map((word) => word.plain);

describe("names", () => {
  test.each([
    ["getWeather", ["get", "weather"]],
    ["get_weather", ["get", "weather"]],
    ["get-weather", ["get", "weather"]],
    ["reset_router", ["reset", "router"]],
    ["vision.analyze", ["vision", "analyze"]],
    ["HTTPServer2", ["http", "server", "2"]],
    ["listURLs", ["list", "urls"]],
    ["lmos:getWeather", ["lmos", "get", "weather"]],
    ["Météo du jour", ["meteo", "du", "jour"]],
    ["ÜberprüfeStraße", ["uberprufe", "strasse"]],
    ["获取天气", ["获取天气"]],
    ["ｇｅｔＷｅａｔｈｅｒ", ["get", "weather"]],
  ])("%s is split into words", (name, words) => {
    expect(splitName(name)).toEqual(words);
  });

  test("spellings of one capability have one key", () => {
    const spellings = ["getWeather", "get_weather", "get weather", "GetWeather", "get.weather", "gétWeather"];
    expect(new Set(spellings.map(capabilityKey))).toEqual(new Set(["get weather"]));
    expect(capabilityKey("vision.analyze")).toBe("vision analyze");
  });

  test("a name without letters is its own key, without control characters", () => {
    expect(capabilityKey("🎉")).toBe("🎉");
    expect(capabilityKey("\u0000🎉 ")).toBe("🎉");
  });

  test("ASCII names are split as all others are", () => {
    // The accent sends the same name down the other path; it is removed again.
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9_.-]{1,12}$/), (name) => {
        expect(splitName(`é ${name}`).slice(1)).toEqual(splitName(name));
      }),
    );
  });
});

describe("texts", () => {
  test("English words have a stem, as have words of unknown language", () => {
    expect(analyse("forecasting", "en")[0]).toMatchObject({ plain: "forecasting", stem: "forecast" });
    expect(analyse("forecasting", "en-gb")[0]).toMatchObject({ stem: "forecast" });
    expect(analyse("forecasting", null)[0]).toMatchObject({ stem: "forecast" });
  });

  test("words of other languages are plain", () => {
    expect(analyse("Vorhersagen", "de")[0]).toMatchObject({ plain: "vorhersagen", stem: null });
    expect(analyse("general", "eng-x")[0]?.stem).toBeNull();
  });

  test("a name in a text is found as a whole and by its parts", () => {
    expect(plain("Works with LeetCode.")).toEqual(["works", "with", "leet", "code", "leetcode"]);
  });

  test("scripts without spaces give pairs of characters", () => {
    expect(plain("获取天气")).toEqual(["获取", "取天", "天气"]);
    expect(plain("天气API")).toEqual(["天气", "api"]);
    expect(plain("カード")).toEqual(["カー", "ード"]);
    expect(plain("八")).toEqual(["八"]);
  });

  test("invisible characters and apostrophes do not break words", () => {
    expect(plain("wea\u200bther user's don't l'eau")).toEqual(["weather", "user", "dont", "l", "eau"]);
  });

  test("whatever the text, words are short, well-formed and free of marks that lexemes use", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 300 }),
        fc.constantFrom(null, "en", "de"),
        (text, language) => {
          for (const { plain: word, stem } of analyse(text, language)) {
            for (const form of [word, stem ?? word]) {
              expect(form.length).toBeGreaterThan(0);
              expect(form.length).toBeLessThanOrEqual(lexemeUnitsMax);
              expect(form.isWellFormed()).toBe(true);
              expect(form).not.toMatch(/[=:\p{C}\s]/u);
            }
          }
        },
      ),
    );
  });
});

test("piles of combining marks cost no more than other characters", () => {
  // Normalising a run of marks takes time quadratic in its length: this one would take seconds, and more than the test has.
  const piled = `a${"\u0301\u0316".repeat(600_000)} weather`;
  expect(plain(piled)).toContain("weather");
  expect(capabilityKey(piled)).toBe("a weather");
});
