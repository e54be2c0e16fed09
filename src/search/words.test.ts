import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limits } from "../base/limits.ts";
import { wordsOf } from "./words.ts";

const said = (text: string) =>
  wordsOf(text)
    .filter(({ weight, joined }) => weight === 1 && !joined)
    .map(({ plain }) => plain);
const hinted = (text: string) =>
  wordsOf(text)
    .filter(({ weight, joined }) => weight < 1 && !joined)
    .map(({ plain }) => plain);

describe("the words of a query", () => {
  test.each<[string, string[]]>([
    ["weather forecast", ["weather", "forecast"]],
    ["What is the weather?", ["weather"]],
    ["the who", ["the", "who"]],
    ["getWeather", ["get", "weather"]],
    ["vision.analyze", ["vision", "analyze"]],
    ["Next.js on example.com", ["next", "js", "example", "com"]],
    ["and/or TCP/IP 24/7", ["tcp", "ip", "24", "7"]],
    ["the `/login` page", ["login", "page"]],
    ["?!", []],
  ])("%s", (text, words) => {
    expect(said(text).toSorted()).toEqual(words.toSorted());
    expect(hinted(text)).toEqual([]);
  });

  test.each<[string, string[], string[]]>([
    ["save it to /srv/markdown/report_1.md", ["save", "file", "md", "markdown"], ["srv", "report", "1"]],
    ["read slides.pptx", ["read", "file", "pptx", "powerpoint", "presentation"], ["slides"]],
    ["list /srv/music", ["list", "file", "directory"], ["srv", "music"]],
    ["list C:\\Users\\me\\music", ["list", "file", "directory"], ["c", "users", "music"]],
    ["open ../data/", ["open", "file", "directory"], ["data"]],
    ["summarize https://www.youtube.com/watch?v=x", ["summarize", "youtube"], ["url", "web", "page", "watch"]],
  ])("paths and addresses say what they are of: %s", (text, words, hints) => {
    expect(said(text).toSorted()).toEqual(words.toSorted());
    expect(hinted(text).toSorted()).toEqual(hints.toSorted());
  });

  test("data that is written out says nothing", () => {
    const image = Buffer.from(Array.from({ length: 400 }, (_, index) => index % 251)).toString("base64");
    expect(said(`What does this image mean?\n${image} Tell me.`)).toEqual(
      ["image", "mean", "tell"].filter((word) => said("image mean tell").includes(word)),
    );
    expect(said(`data:image/png;base64,${image}`)).toEqual([]);
  });

  test("in quotes must be there, and one with a star is a beginning", () => {
    const asked = (text: string) =>
      wordsOf(text).map(({ plain, required, prefix }) => `${plain}${required ? "!" : ""}${prefix ? "*" : ""}`);
    expect(asked('weekly "meal plan"')).toEqual(["weekly", "meal!", "plan!"]);
    expect(asked("“The Who”")).toEqual(["the!", "who!"]);
    expect(asked("fore* weather")).toEqual(["weather", "fore*"]);
    expect(asked('a * b** "" "open')).toEqual(["b", "open"]);
    expect(wordsOf('"saving"')[0]?.meanings).toEqual([]);
    expect(asked('find the painting "Corridor in the Asylum" and say who made it')).toEqual(
      expect.arrayContaining(["painting", "corridor", "asylum"]),
    );
  });

  test("can mean what others mean by them, in English", () => {
    const [word] = wordsOf("saving");
    expect(word?.forms).toEqual(["saving", "save"]);
    expect(word?.meanings).toEqual(wordsOf("write")[0]?.meanings);
    expect(wordsOf("zyx")[0]?.meanings).toEqual([]);
  });

  test("are bounded, those that were said first, and however they are written no error", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: "grapheme", maxLength: 400 }), fc.stringMatching(/^[\\/.~:a-z ]{0,300}$/)),
        (text) => {
          const words = wordsOf(text);
          expect(words.length).toBeLessThanOrEqual(limits.searchWordsMax);
          expect(new Set(words.map(({ plain }) => plain)).size).toBe(words.length);
          for (const { weight } of words) expect(weight > 0 && weight <= 1).toBe(true);
        },
      ),
    );
    const folders = Array.from({ length: 200 }, (_, index) => `folder${index}`).join("/");
    expect(wordsOf(`/${folders}/x.md ${"rename ".repeat(3)}`)[0]?.plain).toBe("rename");
  });
});
