import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { isUri, parseThingId, thingIdOf } from "./thing-id.ts";

describe("isUri", () => {
  test.each([
    "urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10",
    "urn:dev:ops:32473-WoTLamp-1234",
    "did:web:telekom.de:agents:billing",
    "https://example.com/things/a%2Fb?x=1#lamp",
    "HTTP://user@[2001:db8::1]:8080/a",
    "http://[v1.fe80::a]",
    "mailto:agents@example.com",
    "tag:example.com,2026:lamp",
    "x:y",
    "https://例え.example/ランプ",
  ])("accepts %s", (text) => expect(isUri(text)).toBe(true));

  test.each([
    ["no scheme", "chatagent"],
    ["nothing", ""],
    ["only a scheme", "urn:"],
    ["a scheme that starts with a digit", "1a:b"],
    ["a relative reference", "/things/1"],
    ["a space", "urn:my lamp"],
    ["a line feed", "urn:a\n"],
    ["NUL", "urn:a\u0000"],
    ["a no-break space", "urn:a\u00a0b"],
    ["a zero-width space", "urn:a\u200bb"],
    ["a right-to-left override", "urn:a\u202eb"],
    ["a broken percent-encoding", "urn:a%2"],
    ["a percent sign alone", "urn:100%"],
    ["angle brackets", "urn:<a>"],
    ["a backslash", "C:\\lamp"],
    ["curly brackets", "https://example.com/{id}"],
    ["brackets in a path", "https://example.com/a[1]"],
    ["an unclosed IP literal", "http://[::1/a"],
    ["two fragments", "urn:a#b#c"],
    ["an unpaired surrogate", "urn:\ud800"],
  ])("refuses %s", (_, text) => expect(isUri(text)).toBe(false));

  test("accepts whatever the URL class prints for a URL it can read", () => {
    fc.assert(fc.property(fc.webUrl({ withFragments: true, withQueryParameters: true }), (url) => isUri(url)));
  });

  test("never takes a text with white space or controls", () => {
    const gap = fc.constantFrom(" ", "\t", "\n", "\r", "\u0000", "\u007f", "\u2028", "\u3000", "\ufeff");
    fc.assert(
      fc.property(fc.string(), gap, fc.string(), (before, space, after) => !isUri(`urn:${before}${space}${after}`)),
    );
  });

  test("takes linear time on hostile text", () => {
    const units = limits.documentBytesMax;
    const hostile = ["a:[", "http://[:", "a@", "%41", "[", "a-", "://", "#"].map((part) =>
      part.repeat(units / part.length),
    );
    // Milliseconds; a quadratic pattern needs so long that the test times out.
    for (const text of hostile) for (const prefix of ["", "urn:", "http://", "http://["]) isUri(prefix + text);
  });
});

describe("parseThingId", () => {
  test("accepts an id of exactly the longest length, and not one byte more", () => {
    const longest = `urn:${"é".repeat((limits.thingIdBytesMax - 4) / 2)}`;
    expect(parseThingId(longest)).toBe(longest);
    expect(() => parseThingId(`${longest}a`)).toThrow(Problem);
  });

  test("says which field is wrong and what was expected", () => {
    let problem: unknown;
    try {
      parseThingId("chatagent");
    } catch (error) {
      problem = error;
    }
    expect(problem).toMatchObject({
      type: "invalid-thing-description",
      validationErrors: [{ field: "/id", description: expect.stringContaining("urn:uuid:") }],
    });
  });
});

test("thingIdOf returns what is written, and null for no text", () => {
  expect(thingIdOf({ id: "chatagent" })).toBe("chatagent");
  expect(thingIdOf({ id: 7 })).toBeNull();
  expect(thingIdOf({})).toBeNull();
});
