import { describe, expect, test } from "vitest";
import { editsBetween, editsMax, isCorrectable, stubsOf } from "./spelling.ts";

describe("spelling", () => {
  test.each(["wether", "weaher", "weatherr", "waether", "xeather"])("%s shares a stub with weather", (typed) => {
    const stubs = new Set(stubsOf("weather", 1));
    expect(stubsOf(typed, editsMax(typed)).some((stub) => stubs.has(stub))).toBe(true);
    expect(editsBetween(typed, "weather")).toBe(1);
  });

  test("short words may differ by one edit, longer ones by two", () => {
    expect([editsMax("hotel"), editsMax("hotels")]).toEqual([1, 2]);
  });

  test("letters that have changed places are one edit, far letters are not", () => {
    expect(editsBetween("ab", "ba")).toBe(1);
    expect(editsBetween("abcd", "dbca")).toBe(2);
  });

  test("numbers, short and endless words are taken as they are", () => {
    expect(["cat", "2024x", "x".repeat(41)].map(isCorrectable)).toEqual([false, false, false]);
    expect(["cats", "x".repeat(40)].map(isCorrectable)).toEqual([true, true]);
  });
});
