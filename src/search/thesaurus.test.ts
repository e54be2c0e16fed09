import { describe, expect, test } from "vitest";
import { analyse } from "./analyser.ts";
import { meaningsOf, meaningWords, stemsMeaning } from "./thesaurus.ts";

const rootOf = (word: string) => analyse(word, "en").map(({ plain, stem }) => stem ?? plain);

describe("each meaning", () => {
  test("has a name of its own, and words that the analyser leaves whole, each once", () => {
    const names = meaningWords.map(([name]) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const words of meaningWords) {
      expect(words.length, words.join(" ")).toBeGreaterThan(1);
      expect(new Set(words).size, words.join(" ")).toBe(words.length);
      for (const word of words) expect(rootOf(word), word).toHaveLength(1);
    }
  });

  test("is found by each of its words, however it is inflected", () => {
    for (const words of meaningWords) {
      for (const word of words) {
        const [root = ""] = rootOf(word);
        const shared = meaningsOf(root).filter((meaning) =>
          stemsMeaning(meaning).includes(rootOf(words[0] ?? "")[0] ?? ""),
        );
        expect(shared.length, word).toBeGreaterThan(0);
      }
    }
    expect(meaningsOf(rootOf("photographs")[0] ?? "")).toEqual(meaningsOf(rootOf("pictures")[0] ?? ""));
  });

  test("is no word: no text has its lexeme", () => {
    for (const [name = ""] of meaningWords) expect(rootOf(`~${name}`)).not.toContain(`~${name}`);
  });
});
