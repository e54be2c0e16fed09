import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EntryKey } from "../base/ids.ts";
import { factsOf } from "../things/facts.ts";
import type { LiveHit } from "./federation-port.ts";
import { fuseRanks, hrefAtPeer, isLeftToPeers, liveQueryOf, matchedIn } from "./live-search.ts";

const key = (name: string) => name as EntryKey;

describe("fusing ranks", () => {
  test("adds up over lists, not within one", () => {
    const scores = fuseRanks([
      { key: key("a"), list: "", rank: 1 },
      { key: key("a"), list: "https://one.example", rank: 3 },
      { key: key("b"), list: "https://one.example", rank: 2 },
      { key: key("b"), list: "https://one.example", rank: 1 },
      { key: key("b"), list: "https://one.example", rank: 4 },
    ]);
    expect(scores.get(key("a"))).toBeCloseTo(1 / 61 + 1 / 63, 12);
    expect(scores.get(key("b"))).toBeCloseTo(1 / 61, 12);
  });

  test("does not depend on the order in which lists come, and one list can give no more than one first place", () => {
    const ranked = fc.record({
      key: fc.constantFrom(key("a"), key("b"), key("c")),
      list: fc.constantFrom("", "x", "y"),
      rank: fc.integer({ min: 1, max: 100 }),
    });
    fc.assert(
      fc.property(fc.array(ranked), (list) => {
        const scores = fuseRanks(list);
        const backwards = fuseRanks(list.toReversed());
        for (const [one, score] of scores) {
          expect(backwards.get(one)).toBeCloseTo(score, 12);
          const lists = new Set(list.filter((place) => place.key === one).map((place) => place.list));
          expect(score).toBeLessThanOrEqual(lists.size / 61 + 1e-12);
        }
      }),
    );
  });
});

test("peers are asked what they can answer", () => {
  const url =
    "https://a.example/search?q=x+y&capability=a&capability=b&limit=5&scope=peers&origin=https://b.example&facets=tag&documents=true";
  expect(liveQueryOf(url)).toBe("q=x+y&capability=a&capability=b&limit=5");
});

test("what is retracted, hidden or taken out here is not shown because a peer has it", () => {
  const now = new Date("2027-03-01T00:00:00Z");
  const entry = { state: "active", visibility: "public", unlistedBy: null, expires: null } as const;
  const left = (changes: object) => isLeftToPeers({ ...entry, ...changes }, now);
  expect(left({}), "it is shown as it is known here").toBe(false);
  expect(left({ expires: new Date(now.getTime() + 1) })).toBe(false);
  expect(left({ expires: now })).toBe(true);
  expect(left({ state: "expired" })).toBe(true);
  expect(left({ state: "unlisted", unlistedBy: "origin" })).toBe(true);
  expect(left({ state: "unlisted", unlistedBy: "operator" })).toBe(false);
  expect(left({ state: "unlisted", unlistedBy: "controller" })).toBe(false);
  expect(left({ state: "retracted" })).toBe(false);
  expect(left({ state: "expired", visibility: "by-id" })).toBe(false);
});

describe("what a peer says of a hit", () => {
  const hitOf = (item: LiveHit["item"]): LiveHit => ({
    item,
    document: "{}",
    peer: "https://peer.example",
    controller: "did:key:z",
    thingId: "urn:a:1/2",
    rank: 1,
  });

  test("counts only as far as the document bears it out", () => {
    const facts = factsOf({ title: "a", actions: { getWeather: { forms: [] } } });
    const good = { capability: "weather", name: "getWeather" };
    const matched = [good, { capability: "x", name: "pay" }, { capability: 1, name: "getWeather" }, null, "text"];
    expect(matchedIn(hitOf({ matched }), facts)).toEqual([good]);
    expect(matchedIn(hitOf({ matched: "getWeather" }), facts)).toEqual([]);
    expect(matchedIn(hitOf({}), facts)).toEqual([]);
    const many = Array.from({ length: 1_000 }, () => good);
    expect(matchedIn(hitOf({ matched: many }), facts).length).toBeLessThanOrEqual(100);
  });

  test.each([
    ["https://peer.example/things/a?b=c", "https://peer.example/things/a?b=c"],
    ["https://elsewhere.example/things/a", null],
    ["http://peer.example/things/a", null],
    ["https://peer.example:8443/things/a", null],
    ["https://me:secret@peer.example/things/a", null],
    ["javascript:alert(1)", null],
    ["/things/a", null],
    [7, null],
  ])("leads to the peer and nowhere else: %s", (href, expected) => {
    expect(hrefAtPeer(hitOf({ href }))).toBe(expected ?? "https://peer.example/things/urn%3Aa%3A1%2F2");
  });
});
