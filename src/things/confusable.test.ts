import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import prototypes from "unhomoglyph/data.json" with { type: "json" };
import { describe, expect, test } from "vitest";
import { imitations, innocents, knownFalseAlarms, knownMisses, type Pair } from "../../test/fixtures/confusables.ts";
import { limits } from "../base/limits.ts";
import { snippetOf } from "../base/shown-text.ts";
import { areNear, resemblanceOf, skeletonOf, stubsOf } from "./confusable.ts";

const signsOf = (name: string, known: string) => resemblanceOf(name, known)?.signs ?? [];
const haveStubInCommon = (a: string, b: string) => {
  const stubs = new Set(stubsOf(skeletonOf(a)));
  return stubsOf(skeletonOf(b)).some((stub) => stubs.has(stub));
};

/** Texts in which what names are compared by occurs often: Latin, its lookalikes, marks, signs, what nobody sees. */
const anyName = fc.oneof(
  fc.string({ unit: "binary", maxLength: 100 }),
  fc.string({
    unit: fc.constantFrom(
      ..."aIilL1|0oOrnmvwВвНнΝνςſßﬁⅣⒶ①０ﾞが한ا٥ंก\u0301\u0338\u05b4\u200d\u00ad -_.+#™🚀ǃ%½ı\u200b\u2800\u0085",
    ),
    maxLength: 90,
  }),
);

describe("skeletonOf", () => {
  test.each([
    ["PayPaI", "paypal"],
    ["раураl", "paypal"],
    ["Ρaypal", "paypal"],
    ["ＰａｙＰａｌ", "paypal"],
    ["𝐏𝒶𝓎𝖕𝔸𝗅", "paypal"],
    ["ⓟⓐⓨⓟⓐⓛ", "paypal"],
    ["ᴘᴀʏᴘᴀʟ", "paypal"],
    ["Pay\u200d\u2060\u00ad\u{e0041}Pal\ufe0f", "paypal"],
    ["p\u0323a\u0307y\u0323pa\u0307l", "paypal"],
    ["PaỳPał", "paypal"],
    ["Pa\u05b4yPal", "paypal"],
    ["PAYPA1", "paypal"],
    ["PayPa|", "paypal"],
    ["✅ Pay-Pal®", "paypal"],
    ["rnicrosoft", "mlcrosoft"],
    ["MICROSOFT", "mlcrosoft"],
    ["vvebsite", "webslte"],
    ["G00gle", "google"],
    ["Weather-Agent", "weatheragent"],
    ["weather  agent", "weatheragent"],
    ["WEATHER AGENT", "weatheragent"],
    ["Weather | Agent", "weatheragent"],
    ["C++", "c++"],
    ["C#", "c#"],
    ["🚀", "🚀"],
    ["\u200b \u00ad", ""],
    ["", ""],
  ])("takes %j for what it looks like", (name, skeleton) => {
    expect(skeletonOf(name)).toBe(skeleton);
  });

  test("is the same for both cases of a name in another alphabet, although only its capitals look Latin", () => {
    expect(skeletonOf("весна")).toBe(skeletonOf("ВЕСНА"));
    expect(skeletonOf("НELLO")).toBe("hello");
    expect(skeletonOf("Город")).toBe(skeletonOf("ГОРОД"));
    expect(skeletonOf("хлеб")).toBe(skeletonOf("ХЛЕБ"));
    expect(skeletonOf("Straße")).toBe(skeletonOf("STRASSE"));
  });

  test("keeps the vowels and tones of scripts that write them as marks", () => {
    for (const [one, other] of [
      ["हिंदी", "हिदी"],
      ["パス", "バス"],
      ["パス", "ハス"],
      ["กิน", "กัน"],
    ] as const) {
      expect(skeletonOf(one)).not.toBe(skeletonOf(other));
    }
  });

  test("compares no more than the bound, whatever is put between the letters", () => {
    const max = limits.lookalikeNameCharactersMax;
    expect(skeletonOf("a".repeat(max + 1))).toBe("a".repeat(max));
    expect(skeletonOf("a".repeat(max - 1))).toHaveLength(max - 1);
    for (const unseen of [" ", "\u200b", " \u200b", "\u2800", "\0\u0085", "\u200e\t\ufff9"]) {
      expect(skeletonOf(`${unseen.repeat(5_000)}PayPal`)).toBe("paypal");
    }
    expect(skeletonOf(`P${"\u0301\u0323".repeat(5_000)}ayPal`)).toBe("paypal");
  });

  test("has an end for every character, also where a letter looks like its capital and the capital like the letter", () => {
    const characters = Object.entries<string>(prototypes).flat();
    const cased = characters.flatMap((one) => [one, one.toUpperCase(), one.toLowerCase()]);
    const unstable = [...new Set(cased)].filter((one) => {
      const skeleton = skeletonOf(`a${one}b`);
      return skeletonOf(skeleton) !== skeleton;
    });
    expect(unstable).toEqual([]);
    expect(skeletonOf("\ua779")).toBe(skeletonOf("\ua77a"));
  });

  test("compares what is shown of a name", () => {
    fc.assert(
      fc.property(anyName, (name) => {
        expect(skeletonOf(snippetOf(name, 1_000))).toBe(skeletonOf(name));
      }),
      { numRuns: 2_000 },
    );
  });

  test("is idempotent, and bounded", () => {
    fc.assert(
      fc.property(anyName, (name) => {
        const skeleton = skeletonOf(name);
        expect(skeletonOf(skeleton)).toBe(skeleton);
        expect([...skeleton].length).toBeLessThanOrEqual(limits.lookalikeNameCharactersMax);
        expect(skeleton).toBe(skeleton.normalize("NFD"));
      }),
      { numRuns: 2_000, examples: [["\uff9e\u2800|"]] },
    );
  });
});

describe("stubsOf", () => {
  test("has the skeleton, and what is left of it without each of its characters", () => {
    expect(stubsOf("agent")).toEqual(["agent", "gent", "aent", "agnt", "aget", "agen"]);
    expect(stubsOf("\u{10334}gent")[1]).toBe("gent");
  });

  test("has nothing else of a skeleton that is too short for typing errors", () => {
    expect(stubsOf("visa")).toEqual(["visa"]);
    expect(stubsOf("")).toEqual([""]);
  });

  test("is bounded", () => {
    const letters = Array.from({ length: 500 }, (_, index) => String.fromCodePoint(0x4e00 + index)).join("");
    expect(stubsOf(letters)).toHaveLength(limits.lookalikeNameCharactersMax + 1);
  });

  test("is of the whole name, so that an edit beside a gap between words can be two", () => {
    expect(skeletonOf("Observer Nexus")).toBe("observemexus");
    expect(resemblanceOf("Observed Nexus", "Observer Nexus")).toBeNull();
  });

  test("has one in common with that of every name that resembles the first", () => {
    const edited = fc.tuple(
      anyName,
      fc.nat(90),
      fc.nat(2),
      fc.string({ unit: fc.constantFrom(..."aIl1rnvm "), maxLength: 2 }),
    );
    fc.assert(
      fc.property(edited, ([name, at, removed, added]) => {
        const other = name.slice(0, at) + added + name.slice(at + removed);
        if (resemblanceOf(name, other) !== null) expect(haveStubInCommon(name, other)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("areNear", () => {
  test.each([
    ["Microsoft", "Micosoft"],
    ["Microsoft", "Microosoft"],
    ["Microsoft", "Micrasoft"],
    ["Microsoft", "Micorsoft"],
    ["Weather Agent", "Weathar Agent"],
    ["Weather Agent", "WeatherAgemt"],
    ["Slack", "Slakc"],
    ["Alipay", "AIipya"],
  ])("%s and %s", (name, known) => {
    expect(areNear(name, known)).toBe(true);
    expect(areNear(known, name)).toBe(true);
  });

  test.each([
    ["Microsoft", "Microsoft"],
    ["Microsoft", "Mircosft"],
    ["Weather Agent", "Leather Agent"],
    ["Weather Agent", "Weather Agents"],
    ["Weather Agent", "Weather A Agent"],
    ["Mail Tool", "Nail Tool"],
    ["Mail Agent", "Mall Agent"],
    ["Windows10", "Windows11"],
    ["Report v1.20250101", "Report v1.20250102"],
    ["北京天气助手服务", "北京天汽助手服务"],
    ["🚀🚀🚀🚀🚀🚀🚀🚀", "🚀🚀🚀🚀🛸🚀🚀🚀"],
  ])("not %s and %s", (name, known) => {
    expect(areNear(name, known)).toBe(false);
    expect(areNear(known, name)).toBe(false);
  });
});

describe("resemblanceOf", () => {
  test("names its signs, and says for people what they are", () => {
    expect(resemblanceOf("PayPaI", "PayPal")).toEqual({
      signs: ["same-skeleton"],
      explanation: '"PayPaI" looks like "PayPal".',
    });
    expect(resemblanceOf("Micorsoft", "Microsoft")).toEqual({
      signs: ["near"],
      explanation: '"Micorsoft" is a typing error away from "Microsoft".',
    });
    expect(resemblanceOf("P\u0430yPal", "PayPal")).toEqual({
      signs: ["same-skeleton", "mixed-scripts"],
      explanation: '"P\u0430yPal" looks like "PayPal". "P\u0430yPal" has letters of different scripts in one word.',
    });
  });

  test("takes the same title for a resemblance", () => {
    expect(signsOf("Weather Agent", "Weather Agent")).toEqual(["same-skeleton"]);
    expect(signsOf("weather_agent", "Weather Agent")).toEqual(["same-skeleton"]);
  });

  test("reads a capital I as i and as l, but does not take i for l", () => {
    expect(signsOf("PayPaI API", "PayPal Api")).toEqual(["same-skeleton"]);
    expect(signsOf("AI", "ai")).toEqual(["same-skeleton"]);
    expect(signsOf("AI", "Al")).toEqual(["same-skeleton"]);
    expect(signsOf("Mail", "Mall")).toEqual([]);
  });

  test("finds none in a name of mixed scripts that is like no other, nor in one without anything to see", () => {
    expect(signsOf("\u0430bcdef", "PayPal")).toEqual([]);
    expect(signsOf("\u200b", "\u200b")).toEqual([]);
    expect(signsOf("🚀", "🛸")).toEqual([]);
  });

  test("quotes names so that they are harmless to show", () => {
    const { explanation } = resemblanceOf(`Pay\u202ePal\u200b\n${" ".repeat(500)}`, "PayPal") ?? {};
    expect(explanation).toBe('"PayPal" looks like "PayPal".');
    expect(resemblanceOf("a".repeat(5_000), "a".repeat(6_000))?.explanation.length).toBeLessThan(200);
  });

  test("has symmetric signs", () => {
    const pair = fc.tuple(anyName, anyName, fc.nat(90), fc.boolean());
    fc.assert(
      fc.property(pair, ([name, unrelated, at, isEdited]) => {
        const other = isEdited ? name.slice(0, at) + name.slice(at + 1) : unrelated;
        expect(signsOf(name, other)).toEqual(signsOf(other, name));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("the corpus", () => {
  const missed = Object.values(imitations)
    .flat()
    .filter(([name, imitation]) => resemblanceOf(imitation, name) === null || !haveStubInCommon(imitation, name));
  const alarmed = Object.values(innocents)
    .flat()
    .filter(([name, other]) => resemblanceOf(other, name) !== null);
  const sorted = (pairs: readonly Pair[]) => pairs.map((pair) => pair.join(" | ")).toSorted();

  test("is large", () => {
    expect(Object.values(imitations).flat().length).toBeGreaterThanOrEqual(60);
    expect(Object.values(innocents).flat().length).toBeGreaterThanOrEqual(150);
  });

  test("has its imitations found, but for those that are known to be missed", () => {
    expect(sorted(missed)).toEqual(sorted(knownMisses));
  });

  test("has its different things told apart, but for those that are known not to be", () => {
    expect(sorted(alarmed)).toEqual(sorted(knownFalseAlarms));
  });

  test("has the figures that docs/lookalikes.md gives", () => {
    const docs = readFileSync(new URL("../../docs/lookalikes.md", import.meta.url), "utf8");
    const row = (label: string, pairs: number, labelled: number) =>
      expect(docs).toContain(`| ${label} | ${pairs} | ${labelled} (${Math.round((100 * labelled) / pairs)} %) |`);
    const imitated = Object.values(imitations).flat().length;
    const different = Object.values(innocents).flat().length;
    row("all imitations", imitated, imitated - missed.length);
    row("different things with names that are alike", different, alarmed.length);
  });
});
