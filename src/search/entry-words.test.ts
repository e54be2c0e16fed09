import { describe, expect, test } from "vitest";
import { searchAction, searchDocument } from "../../test/support/search.ts";
import { entryWordsOf, type WordPlace } from "./entry-words.ts";

const english = (text: string) => [{ language: "en", text }];
const weather = searchAction("getWeather", { descriptions: english("Tells the weather at a place.") });
const others = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    searchAction(`tool${index}`, { descriptions: english(`Does number ${index} of what the server does.`) }),
  );
const impact = (document: Parameters<typeof entryWordsOf>[0], word: string) =>
  entryWordsOf(document).impacts.get(word) ?? 0;

describe("the words of an entry", () => {
  test("of its best affordance count the same among fifty as alone", () => {
    const few = searchDocument(1, { affordances: [weather] });
    const many = searchDocument(2, { affordances: [...others(49), weather] });
    expect(impact(many, "weather")).toBe(impact(few, "weather"));
  });

  test("do not count fifty times for being in fifty affordances", () => {
    const one = searchDocument(1, { affordances: [weather] });
    const fifty = searchDocument(2, {
      affordances: Array.from({ length: 50 }, (_, index) =>
        searchAction(`x${index}`, { descriptions: english("About weather.") }),
      ),
    });
    expect(impact(fifty, "weather")).toBeGreaterThan(impact(one, "weather"));
    expect(impact(fifty, "weather")).toBeLessThan(0.9);
  });

  test("have their stems, and what they mean where the text is English", () => {
    const { impacts, inflected } = entryWordsOf(searchDocument(1, { title: "Saving files" }));
    expect([...impacts.keys()]).toEqual(expect.arrayContaining(["saving", "save", "~write", "files", "file", "~file"]));
    expect([...inflected]).toEqual(["saving", "files"]);
    const german = searchDocument(1, {
      titles: [{ language: "de", text: "Not" }],
      descriptions: [{ language: "de", text: "Brief an die Bank" }],
    });
    expect([...entryWordsOf(german).impacts.keys()].filter((lexeme) => lexeme.startsWith("~"))).toEqual([]);
  });

  test("say where they are", () => {
    const places: [string, WordPlace][] = [];
    entryWordsOf(searchDocument(1, { title: "Weather", affordances: [weather] }), (lexeme, place) =>
      places.push([lexeme, place]),
    );
    const found = places
      .filter(([lexeme]) => lexeme === "weather")
      .map(([, { field, affordance }]) => [field, affordance]);
    expect(found).toEqual([
      ["title", null],
      ["name", "getWeather"],
      ["affordance", "getWeather"],
    ]);
  });
});
