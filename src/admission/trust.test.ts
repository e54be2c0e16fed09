import { describe, expect, test } from "vitest";
import { type Did, digestOf, type EntryKey } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { AssessmentRow } from "../things/assessment-store.ts";
import { strengthOf, type TrustFacts, trustOf } from "./trust.ts";

const now = new Date("2026-11-21T09:00:00Z");
const before = (ms: number) => new Date(now.getTime() - ms);

const entry: TrustFacts = {
  controller: "did:web:agents.example" as Did,
  versionDigest: digestOf("this version"),
  proofExpires: null,
  verifiedAt: before(1_000),
  modified: before(1_000),
};

function assessment(changes: Partial<AssessmentRow> = {}): AssessmentRow {
  return {
    key: "00" as EntryKey,
    versionDigest: entry.versionDigest,
    state: "verified",
    reason: null,
    since: before(1_000),
    absentSince: null,
    didDocumentRetrieved: before(1_000),
    badges: [
      { badge: "domain", explanation: "All forms lead there.", since: now.toISOString(), checked: now.toISOString() },
    ],
    findings: ["Something else is not so."],
    lookalike: null,
    assessed: before(500),
    due: null,
    ...changes,
  };
}

const badgesOf = (...parameters: Parameters<typeof trustOf>) => trustOf(...parameters).badges.map(({ badge }) => badge);

describe("what can be relied on", () => {
  test("is what the proof made of the entry until somebody has looked", () => {
    expect(trustOf(entry, null, now)).toMatchObject({ state: "verified", badges: [], assessed: null, stale: false });
    const waiting = assessment({ assessed: null, state: "verified" });
    expect(trustOf(entry, waiting, now)).toMatchObject({ badges: [], assessed: null });
  });

  test("is what was found out about this very version, and about no other", () => {
    expect(badgesOf(entry, assessment(), now)).toEqual(["domain"]);
    const other = { ...entry, versionDigest: digestOf("another version") };
    expect(trustOf(other, assessment(), now)).toMatchObject({ badges: [], findings: [], assessed: null });
    expect(trustOf(other, assessment({ state: "unverifiable", reason: "gone" }), now).state).toBe("verified");
  });

  test("is nothing once the proof does not hold", () => {
    const unverifiable = assessment({ state: "unverifiable", reason: "The key is gone." });
    expect(trustOf(entry, unverifiable, now)).toMatchObject({
      state: "unverifiable",
      reason: "The key is gone.",
      badges: [],
    });
  });

  test("lapses with the proof, to the millisecond, whatever was found out", () => {
    const ending = { ...entry, proofExpires: now };
    expect(trustOf(ending, assessment(), before(1)).state).toBe("verified");
    expect(trustOf(ending, assessment(), now)).toMatchObject({ state: "lapsed", since: now, badges: [] });
    expect(badgesOf({ ...ending, controller: "did:key:z6Mk" as Did }, null, now)).toEqual([]);
  });

  test("is stale where the controller's host was not heard at two looks", () => {
    const silent = assessment({ didDocumentRetrieved: before(2 * limits.reviewIntervalMs + 1) });
    expect(trustOf(entry, silent, now)).toMatchObject({ state: "verified", stale: true });
    const heard = assessment({ didDocumentRetrieved: before(2 * limits.reviewIntervalMs) });
    expect(trustOf(entry, heard, now).stale).toBe(false);
  });

  test("is little of an unsigned entry, which may be a lookalike all the same", () => {
    const lookalike = { of: "11" as EntryKey, field: "title", explanation: "It looks like the other." } as const;
    const unsigned = { ...entry, controller: null, verifiedAt: null };
    expect(trustOf(unsigned, assessment({ lookalike }), now)).toMatchObject({
      state: "unsigned",
      badges: [],
      lookalike,
    });
  });
});

test("the strength is that of the strongest badge", () => {
  expect(strengthOf([])).toBe(0);
  expect(strengthOf([{ badge: "credential" }, { badge: "self" }])).toBe(3);
  expect(strengthOf([{ badge: "self" }, { badge: "domain" }])).toBe(2);
});
