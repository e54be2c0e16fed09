import { describe, expect, test } from "vitest";
import { hasMixedScripts } from "./script-mix.ts";

describe("hasMixedScripts", () => {
  test.each([
    ["Latin and Cyrillic", "p\u0430ypal"],
    ["Latin and Greek", "\u03a1aypal"],
    ["Latin and Cherokee", "\u13e2aypal"],
    ["Latin and a script that is not in the list", "\ua4d0aypal"],
    ["Cyrillic and Greek", "\u043f\u03bf\u0433\u043e\u0434\u0430"],
    ["Kana and Hangul", "날씨あ"],
    ["Bopomofo and kana", "ㄅあ"],
    ["Devanagari and Bengali", "\u0915\u0995"],
    ["a word among others", "Weather Ag\u0435nt"],
    ["an invisible character between the scripts", "pay\u200b\u0440\u0430\u04cf"],
    ["a digit between the scripts", "p1\u0430"],
  ])("sees %s in one word", (_, text) => {
    expect(hasMixedScripts(text)).toBe(true);
  });

  test.each([
    ["no letter", " 12-3 🚀"],
    ["Latin with accents", "naïve re\u0301sume\u0301 µTorrent"],
    ["one script a word", "Погода Agent, Αθήνα-Guide"],
    ["Latin, Han and kana", "AI天気予報サービス"],
    ["Latin, Han and bopomofo", "ㄅㄆ注音AI"],
    ["Latin, Han and Hangul", "AI날씨日報"],
    ["marks that many scripts share", "а\u0301 हिंदी กำ"],
    ["joiners within a word", "می\u200cخواهم"],
    ["digits of another script", "MP٣"],
    ["letters of a script that is not in the list", "𐌰𐌱 ꓐꓑ"],
    ["compatibility forms", "Ｐａｙ 𝐏𝐚𝐲 ﾗｰﾒﾝ"],
  ])("does not mind %s", (_, text) => {
    expect(hasMixedScripts(text)).toBe(false);
  });
});
