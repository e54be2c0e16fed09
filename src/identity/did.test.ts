import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limits } from "../base/limits.ts";
import { didOfUrl, isDid, methodOf, parseDid, splitMethodId } from "./did.ts";

const dids = [
  "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
  "did:web:example.org",
  "did:web:example.org%3A8443:agents:weather",
  "did:web:example.org::empty",
  "did:example:a.b-c_d",
  "did:7:%41",
];

const notDids = [
  "",
  "did",
  "did:",
  "did:key",
  "did:key:",
  "did::x",
  "did:web:example.org:",
  "did:Web:example.org",
  "DID:web:example.org",
  " did:web:example.org",
  "did:web:example.org ",
  "did:web:example.org\n",
  "did:web:example.org/a",
  "did:web:example.org?a",
  "did:web:example.org#a",
  "did:web:user@example.org",
  "did:web:%",
  "did:web:%4",
  "did:web:%GG",
  "did:web:exämple.org",
  "did:web:exam ple",
  "urn:uuid:1",
  "did:w-b:x",
];

describe("DID syntax", () => {
  test.each(dids)("accepts %j", (did) => {
    expect(isDid(did)).toBe(true);
    expect(parseDid(did)).toBe(did);
    expect(didOfUrl(`${did}#key-1`)).toBe(did);
    expect(didOfUrl(`${did}/path?query#fragment`)).toBe(did);
  });

  test.each(notDids)("refuses %j", (text) => {
    expect(isDid(text)).toBe(false);
    expect(() => parseDid(text)).toThrow(expect.objectContaining({ type: "did-not-found", retry: "never" }));
  });

  test("the length is bounded", () => {
    const longest = "did:example:".padEnd(limits.didBytesMax, "a");
    expect(isDid(longest)).toBe(true);
    expect(isDid(`${longest}a`)).toBe(false);
    expect(() => parseDid(`${longest}a`)).toThrow(/512 bytes/);
  });

  test("any text is told in no time, and what is a DID is its own DID URL", () => {
    const character = fc.constantFrom(..."did:web%3A41.-_/#?@ é");
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 600 }), (tail) => {
        const text = `did:web:${tail}`;
        if (isDid(text)) expect(didOfUrl(text)).toBe(text);
        else expect(() => parseDid(text)).toThrow();
      }),
    );
  });

  test("the method is what stands between the first two colons", () => {
    expect(methodOf(parseDid("did:web:example.org:a"))).toBe("web");
  });

  test("the id of a method is a DID with a fragment and nothing else", () => {
    expect(splitMethodId("did:web:example.org#key-1")).toEqual({ did: "did:web:example.org", fragment: "key-1" });
    for (const text of ["did:web:a", "did:web:a#", "#key", "did:web:a/b#key", "did:web:a?b#key", "https://a/#key"]) {
      expect(splitMethodId(text)).toBeNull();
    }
    for (const text of ["did:web:a#key#key", "did:web:a#ke y", "did:web:a#%", "did:web:a#é"]) {
      expect(splitMethodId(text)).toBeNull();
    }
    expect(splitMethodId(`did:web:a#${"k".repeat(limits.didBytesMax * 2)}`)).toBeNull();
  });
});
