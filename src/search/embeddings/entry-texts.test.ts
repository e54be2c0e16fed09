import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { searchAction, searchDocument } from "../../../test/support/search.ts";
import { limits } from "../../base/limits.ts";
import { entryTextsOf } from "./entry-texts.ts";

const inEnglish = (text: string) => [{ language: "en", text }];

describe("the texts of an entry", () => {
  test("are one of the thing, and one of each affordance that names the thing", () => {
    const texts = entryTextsOf(
      searchDocument(1, {
        title: "Weather station",
        descriptions: inEnglish("On the roof."),
        tags: ["climate"],
        vendors: ["Acme"],
        examples: inEnglish("Will it rain?"),
        affordances: [
          searchAction("getForecast", { descriptions: inEnglish("The next days.") }),
          searchAction("reset", { titles: inEnglish("Start again") }),
        ],
      }),
    );
    expect(texts.map(({ text, affordance }) => [affordance, text])).toEqual([
      [null, "Weather station On the roof. climate, Acme get forecast, reset Will it rain?"],
      ["getForecast", "Weather station: get forecast The next days."],
      ["reset", "Weather station: reset Start again"],
    ]);
  });

  test("do not change with what is no text", () => {
    const digests = (facts: Parameters<typeof searchDocument>[1]) =>
      entryTextsOf(searchDocument(1, { title: "A", ...facts })).map(({ digest }) => digest);
    expect(digests({ verified: true, protocols: ["http"] })).toEqual(digests({}));
    expect(digests({ tags: ["x"] })).not.toEqual(digests({}));
  });

  test("are bounded in number, and the last ones are shared by what is left", () => {
    const affordances = Array.from({ length: 500 }, (_, index) => searchAction(`tool${index}`));
    const texts = entryTextsOf(searchDocument(1, { title: "T", affordances }));
    expect(texts.length).toBeLessThanOrEqual(limits.embeddingTextsPerEntryMax);
    expect(texts.filter(({ affordance }) => affordance !== null)).toHaveLength(limits.embeddingTextsPerEntryMax - 9);
    expect(texts.at(-1)?.text).toContain("tool 499");
  });

  test("hold no character that is not to be seen, nor half a one", () => {
    const [text] = entryTextsOf(searchDocument(1, { title: "Wea\u202ether\u0000 \ud83d" }));
    expect(text?.text).toBe("Weather");
  });

  test("of an entry without words are none", () => {
    expect(entryTextsOf(searchDocument(1, { title: " " }))).toEqual([]);
  });

  test("are within their bounds, well-formed and different from each other, whatever the entry", () => {
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.constant("x".repeat(20_000)));
    const entry = fc.record({
      title: text,
      descriptions: fc.array(
        text.map((one) => ({ language: null, text: one })),
        { maxLength: 3 },
      ),
      tags: fc.array(text, { maxLength: 3 }),
      affordances: fc.array(
        fc
          .tuple(text, text)
          .map(([name, said]) => searchAction(name, { descriptions: [{ language: null, text: said }] })),
        { maxLength: 80 },
      ),
    });
    fc.assert(
      fc.property(entry, (facts) => {
        const texts = entryTextsOf(searchDocument(1, facts));
        expect(texts.length).toBeLessThanOrEqual(limits.embeddingTextsPerEntryMax);
        expect(new Set(texts.map(({ digest }) => digest)).size).toBe(texts.length);
        for (const { text: one } of texts) {
          expect(one).not.toBe("");
          expect(one.isWellFormed()).toBe(true);
          expect(one.length).toBeLessThanOrEqual(limits.embeddingTextCharactersMax + 110);
        }
      }),
      { numRuns: 50 },
    );
  });
});
