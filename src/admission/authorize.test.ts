import { describe, expect, test } from "vitest";
import { type Did, digestOf, type ThingId } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import { type AdmissionMode, authorize } from "./authorize.ts";
import { type Attested, type Candidate, type Door, noEvidence } from "./stages.ts";

const now = new Date("2026-11-21T12:00:00Z");
const modes: AdmissionMode[] = ["signed", "open", "token"];

function attested(
  door: Door,
  controller: string | null,
  requested: Partial<Candidate["requested"]> = {},
  kind: Candidate["kind"] = "description",
): Attested {
  const origin = door === "inbox" ? "https://peer.example" : null;
  return {
    stage: "attested",
    controller: controller as Did | null,
    verification: null,
    candidate: {
      stage: "candidate",
      submission: { door, evidence: noEvidence, bytes: Buffer.from(""), target: null, origin },
      kind,
      signed: controller !== null,
      thingId: "urn:example:thing" as ThingId,
      document: "",
      digest: digestOf(""),
      json: {},
      repairs: [],
      alias: null,
      requested: { ttlSeconds: null, expires: null, ...requested },
      minted: false,
    },
  };
}

const problemOf = (run: () => unknown): string => {
  try {
    run();
    return "none";
  } catch (error) {
    return error instanceof Problem ? error.type : String(error);
  }
};

describe("what a peer sends", () => {
  test("needs no token, in any mode", () => {
    for (const mode of modes)
      expect(problemOf(() => authorize(attested("inbox", "did:key:a"), mode, now))).toBe("none");
    expect(problemOf(() => authorize(attested("http", "did:key:a"), "token", now))).toBe("token-required");
  });

  test("needs a proof, in every mode", () => {
    for (const mode of modes) {
      for (const kind of ["description", "tombstone"] as const) {
        expect(problemOf(() => authorize(attested("inbox", null, {}, kind), mode, now))).toBe("proof-required");
      }
    }
  });

  test("is listed without regard to its ttl, but not beyond the instant that it names", () => {
    const later = new Date(now.getTime() + 60_000);
    const permit = (door: Door, requested: Partial<Candidate["requested"]>) =>
      authorize(attested(door, "did:key:a", requested), "signed", now);
    expect(permit("inbox", { ttlSeconds: 10 })).toMatchObject({ expires: null, ttlSeconds: null });
    expect(permit("inbox", { ttlSeconds: 10, expires: later })).toMatchObject({ expires: later, ttlSeconds: null });
    expect(permit("http", { ttlSeconds: 10, expires: later })).toMatchObject({
      expires: new Date(now.getTime() + 10_000),
      ttlSeconds: 10,
    });
    expect(problemOf(() => permit("inbox", { ttlSeconds: 10, expires: now }))).toBe("invalid-thing-description");
  });
});
