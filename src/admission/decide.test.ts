import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Did, digestOf, entryKeyOf, etagOf, type ThingId } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import type { EntryRow } from "../things/entry-store.ts";
import { checkPrecondition, decide, type Decision } from "./decide.ts";
import { type Attested, type Door, type Evidence, noEvidence, type Precondition } from "./stages.ts";

const thingId = "urn:example:thing" as ThingId;
const alice = "did:key:alice" as Did;
const bob = "did:key:bob" as Did;
const now = new Date("2026-11-21T12:00:00Z");

interface Document {
  text: string;
  controller: Did | null;
  created: string;
  kind?: "description" | "tombstone";
  door?: Door;
  evidence?: Evidence;
  precondition?: Precondition;
  origin?: string | null;
}

function attested(document: Document): Attested {
  const { text, controller, created, kind = "description", door = "http", evidence = noEvidence } = document;
  const { origin = null } = document;
  return {
    stage: "attested",
    controller,
    verification:
      controller === null
        ? null
        : {
            controller,
            created,
            verificationMethod: `${controller}#key`,
            cryptosuite: "eddsa-jcs-2022",
            expires: null,
            verifiedAt: now,
            signedDigest: digestOf(text),
          },
    candidate: {
      stage: "candidate",
      submission: {
        door,
        evidence,
        bytes: Buffer.from(text),
        target: [thingId],
        origin,
        ...(document.precondition === undefined ? {} : { precondition: document.precondition }),
      },
      kind,
      signed: controller !== null,
      thingId,
      document: text,
      digest: digestOf(text),
      json: {},
      repairs: [],
      alias: null,
      requested: { ttlSeconds: null, expires: null },
      minted: false,
    },
  };
}

function row(document: Document, change: Partial<EntryRow> = {}): EntryRow {
  return {
    key: entryKeyOf(document.controller, thingId),
    sequence: 1,
    thingId,
    controller: document.controller,
    isPrimary: true,
    state: document.kind === "tombstone" ? "retracted" : "active",
    unlistedBy: null,
    visibility: "public",
    versionId: 1,
    versionCount: 1,
    digest: digestOf(document.text),
    versionDigest: digestOf(document.text),
    versionCreated: document.controller === null ? null : document.created,
    equivocal: false,
    created: now,
    modified: now,
    expires: null,
    ttlSeconds: null,
    door: "http",
    origin: null,
    verificationMethod: null,
    cryptosuite: null,
    verifiedAt: null,
    proofExpires: null,
    repairs: null,
    ...change,
  };
}

/** What the store would hold afterwards; the part of it that decisions depend on. */
function applied(rows: EntryRow[], document: Document): EntryRow[] {
  let decision: Decision;
  try {
    decision = decide(attested(document), rows, now);
  } catch (error) {
    if (error instanceof Problem) return rows;
    throw error;
  }
  switch (decision.action) {
    case "create": {
      const { supersedes, isPrimary } = decision;
      return [...rows.filter((one) => one !== supersedes), row(document, { isPrimary })];
    }
    case "update": {
      const { entry, equivocal } = decision;
      const { isPrimary } = entry;
      return rows.map((one) =>
        one === entry ? row(document, { isPrimary, equivocal: equivocal || one.equivocal }) : one,
      );
    }
    case "evidence": {
      const { entry } = decision;
      return rows.map((one) => (one === entry ? { ...one, equivocal: true } : one));
    }
    case "relist":
    case "adopt":
    case "keep":
      return rows;
  }
}

const problemOf = (run: () => unknown): string => {
  try {
    run();
    return "none";
  } catch (error) {
    return error instanceof Problem ? error.type : String(error);
  }
};

const first: Document = { text: "1", controller: alice, created: "2026-01-01T00:00:00.000000000Z" };
const second: Document = { text: "2", controller: alice, created: "2026-01-02T00:00:00.000000000Z" };

describe("versions of one controller", () => {
  const versions = fc.uniqueArray(
    fc.record({
      text: fc.string(),
      day: fc.integer({ min: 1, max: 3 }),
      kind: fc.constantFrom("description" as const, "tombstone" as const),
    }),
    { selector: ({ text }) => text, minLength: 1, maxLength: 6 },
  );

  test("reach one state in any order and with duplicates", () => {
    const orders = versions
      .map((all) =>
        all.map(({ text, day, kind }): Document => ({
          ...first,
          text,
          kind,
          created: `2026-01-0${day}T00:00:00.000000000Z`,
        })),
      )
      .chain((all) =>
        fc.tuple(
          fc.constant(all),
          fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2, maxLength: all.length * 2 }),
        ),
      );
    fc.assert(
      fc.property(orders, ([all, shuffled]) => {
        const [straight] = all.reduce(applied, []);
        const [mixed] = shuffled.reduce(applied, []);
        expect([mixed?.versionCreated, mixed?.digest, mixed?.state]).toEqual([
          straight?.versionCreated,
          straight?.digest,
          straight?.state,
        ]);
      }),
    );
  });

  test("admitting twice equals once", () => {
    fc.assert(
      fc.property(versions, (all) => {
        const documents = all.map(({ text, day, kind }): Document => ({ ...first, text, kind, created: `${day}` }));
        const once = documents.reduce(applied, []);
        const last = documents.at(-1) as Document;
        expect(applied(once, last).map(({ digest }) => digest)).toEqual(once.map(({ digest }) => digest));
      }),
    );
  });

  test("an older version is refused, also after a tombstone", () => {
    const tombstone: Document = { ...second, kind: "tombstone" };
    expect(problemOf(() => decide(attested(first), [row(second)], now))).toBe("version-not-newer");
    expect(problemOf(() => decide(attested(first), [row(tombstone)], now))).toBe("version-not-newer");
  });

  test("two documents of one instant: the higher digest wins, the other is evidence", () => {
    const [low, high] = ["a", "b"]
      .map((text): Document => ({ ...first, text }))
      .sort((a, b) => (digestOf(a.text) < digestOf(b.text) ? -1 : 1)) as [Document, Document];
    expect(decide(attested(high), [row(low)], now)).toMatchObject({ action: "update", equivocal: true });
    expect(decide(attested(low), [row(high)], now)).toMatchObject({ action: "evidence" });
  });

  test("the same document again changes nothing", () => {
    expect(decide(attested(first), [row(first)], now)).toMatchObject({ action: "keep" });
  });

  test("an entry that the operator unlisted takes no new description, but a tombstone, and anything from the operator", () => {
    const rows = [row(first, { state: "unlisted", unlistedBy: "operator" })];
    expect(problemOf(() => decide(attested(second), rows, now))).toBe("entry-unlisted");
    expect(decide(attested({ ...second, kind: "tombstone" }), rows, now)).toMatchObject({ action: "update" });
    const byOperator: Document = { ...second, evidence: { token: "admin", signer: null } };
    expect(decide(attested(byOperator), rows, now)).toMatchObject({ action: "update" });
    expect(decide(attested({ ...first, evidence: { token: "admin", signer: null } }), rows, now)).toMatchObject({
      action: "relist",
    });
  });

  test("the operator's unlisting holds against the controller's signature, and against a token for writing", () => {
    const rows = [row(first, { state: "unlisted", unlistedBy: "operator" })];
    for (const evidence of [
      { token: null, signer: alice },
      { token: "write", signer: null },
    ] as const) {
      expect(problemOf(() => decide(attested({ ...first, evidence }), rows, now))).toBe("entry-unlisted");
      expect(problemOf(() => decide(attested({ ...second, evidence }), rows, now))).toBe("entry-unlisted");
    }
  });

  test("an entry that its controller unlisted comes back by a new version, or by its controller's request", () => {
    const rows = [row(first, { state: "unlisted", unlistedBy: "controller" })];
    expect(problemOf(() => decide(attested(first), rows, now))).toBe("entry-unlisted");
    const byOperator: Document = { ...first, evidence: { token: "admin", signer: null } };
    expect(problemOf(() => decide(attested(byOperator), rows, now))).toBe("entry-unlisted");
    const byStranger: Document = { ...first, evidence: { token: null, signer: bob } };
    expect(problemOf(() => decide(attested(byStranger), rows, now))).toBe("entry-unlisted");
    const byController: Document = { ...first, evidence: { token: null, signer: alice } };
    expect(decide(attested(byController), rows, now)).toMatchObject({ action: "relist" });
    expect(decide(attested(second), rows, now)).toMatchObject({ action: "update", revived: true });
  });
});

describe("several controllers of one thing id", () => {
  const bobs: Document = { ...second, controller: bob };

  test("the id belongs to the first", () => {
    expect(problemOf(() => decide(attested(bobs), [row(first)], now))).toBe("not-controller");
  });

  test("a peer's document of another controller is kept apart and does not shadow the first", () => {
    expect(decide(attested({ ...bobs, door: "inbox" }), [row(first)], now)).toEqual({
      action: "create",
      isPrimary: false,
      supersedes: null,
    });
  });

  test("the second controller may go on with what was kept apart only through a door that keeps apart", () => {
    const apart = row({ ...first, controller: bob }, { isPrimary: false });
    expect(decide(attested({ ...bobs, door: "inbox" }), [row(first), apart], now)).toMatchObject({ action: "update" });
    expect(problemOf(() => decide(attested(bobs), [row(first), apart], now))).toBe("not-controller");
  });
});

describe("unsigned documents", () => {
  const unsigned: Document = { text: "u", controller: null, created: "" };

  test("cannot touch a signed entry", () => {
    expect(problemOf(() => decide(attested(unsigned), [row(first)], now))).toBe("signed-entry");
  });

  test("are replaced by the first signed one", () => {
    const known = row(unsigned);
    expect(decide(attested(first), [known], now)).toEqual({ action: "create", isPrimary: true, supersedes: known });
  });

  test("renew a registration that runs out, even without a change", () => {
    const expiring = row(unsigned, { expires: new Date(now.getTime() + 1000), ttlSeconds: 60 });
    expect(decide(attested(unsigned), [expiring], now)).toMatchObject({ action: "update", revived: false });
    expect(decide(attested(unsigned), [{ ...expiring, expires: now }], now)).toMatchObject({ revived: true });
  });
});

describe("preconditions", () => {
  const known = row(first);
  const own = etagOf(known.digest);
  const other = etagOf("other");
  test.each<[string, Precondition, EntryRow | null, string]>([
    ["If-Match of the current tag", { ifMatch: [own] }, known, "none"],
    ["If-Match of another tag", { ifMatch: [other] }, known, "precondition-failed"],
    ["If-Match of any on nothing", { ifMatch: "*" }, null, "precondition-failed"],
    ["If-Match of any on an entry", { ifMatch: "*" }, known, "none"],
    ["If-Match of weak tags only", { ifMatch: [] }, known, "precondition-failed"],
    ["If-None-Match of any on an entry", { ifNoneMatch: "*" }, known, "precondition-failed"],
    ["If-None-Match of any on nothing", { ifNoneMatch: "*" }, null, "none"],
    ["If-None-Match of any on a retracted entry", { ifNoneMatch: "*" }, { ...known, state: "retracted" }, "none"],
    ["If-None-Match of any on an expired entry", { ifNoneMatch: "*" }, { ...known, expires: now }, "none"],
    ["If-None-Match of the current tag", { ifNoneMatch: [own] }, known, "precondition-failed"],
    ["If-None-Match of another tag", { ifNoneMatch: [other] }, known, "none"],
  ])("%s", (_, precondition, entry, problem) => {
    expect(problemOf(() => checkPrecondition(precondition, entry, now))).toBe(problem);
  });
});

describe("what is announced on the local network", () => {
  const lamp: Document = { ...first, controller: null, door: "lan" };
  const found = (change: Partial<EntryRow> = {}) =>
    row(lamp, { door: "lan", origin: "Lamp._wot._tcp.local", ...change });
  const announced = (document: Document, origin = "Lamp._wot._tcp.local") => {
    const { candidate, ...rest } = attested(document);
    return { ...rest, candidate: { ...candidate, submission: { ...candidate.submission, origin } } };
  };

  test("updates what the same announcer brought, unsigned", () => {
    const changed = { ...lamp, text: "changed" };
    expect(decide(announced(changed), [found()], now)).toMatchObject({ action: "update" });
  });

  test("replaces no unsigned entry of another announcer, or that came in by another way", () => {
    expect(problemOf(() => decide(announced(lamp, "Other._wot._tcp.local"), [found()], now))).toBe("conflict");
    expect(problemOf(() => decide(announced(lamp), [found({ door: "http", origin: null })], now))).toBe("conflict");
  });

  test("replaces no signed entry by an unsigned document", () => {
    expect(problemOf(() => decide(announced(lamp), [row(first)], now))).toBe("signed-entry");
  });

  test("brings back a signed version that had left the network, but none that had run out otherwise", () => {
    const signed: Document = { ...first, door: "lan" };
    const gone = { state: "expired" as const, expires: new Date(now.getTime() - 1) };
    expect(decide(announced(signed), [row(first, { ...gone, door: "lan" })], now)).toMatchObject({ action: "relist" });
    expect(problemOf(() => decide(announced(signed), [row(first, gone)], now))).toBe("version-not-newer");
    expect(problemOf(() => decide(attested(first), [row(first, { ...gone, door: "lan" })], now))).toBe(
      "version-not-newer",
    );
  });
});

describe("what peers list", () => {
  const peer = "https://peer.example";
  const from = (document: Document, door: Door = "inbox"): Document => ({ ...document, door, origin: peer });
  const here = (change: Partial<EntryRow> = {}) => row(first, { door: "inbox", origin: peer, ...change });
  const withdrawn = { state: "unlisted" as const, unlistedBy: "origin" as const };

  test("and was withdrawn comes back by a newer version, from wherever it comes", () => {
    for (const document of [second, from(second), from(second, "lan"), { ...second, door: "cli" as const }]) {
      expect(decide(attested(document), [here(withdrawn)], now)).toMatchObject({ action: "update", revived: true });
    }
  });

  test("and was withdrawn comes back as the same version where it is registered, and not because it is sent again", () => {
    for (const door of ["http", "cli"] as const) {
      const decision = decide(attested({ ...first, door }), [here(withdrawn)], now);
      expect(decision).toMatchObject({ action: "relist", isAdopted: true });
    }
    expect(decide(attested(from(first)), [here(withdrawn)], now)).toMatchObject({ action: "keep" });
    expect(decide(attested(from(first, "lan")), [here(withdrawn)], now)).toMatchObject({ isAdopted: true });
  });

  test("is adopted when the same version is registered here, once", () => {
    for (const door of ["http", "cli"] as const) {
      expect(decide(attested({ ...first, door }), [here()], now)).toMatchObject({ action: "adopt" });
    }
    expect(decide(attested(first), [row(first)], now)).toMatchObject({ action: "keep" });
    for (const door of ["inbox", "lan"] as const) {
      expect(decide(attested(from(first, door)), [here()], now)).toMatchObject({ action: "keep" });
    }
    const tombstone: Document = { ...first, kind: "tombstone" };
    expect(decide(attested(tombstone), [here({ state: "retracted" })], now)).toMatchObject({ action: "keep" });
  });

  test("is a registration of ours again where a peer gives it back as such", () => {
    const givenBack: Document = { ...first, door: "inbox" };
    expect(decide(attested(givenBack), [here()], now)).toMatchObject({ action: "adopt" });
    expect(decide(attested(givenBack), [here(withdrawn)], now)).toMatchObject({ action: "relist", isAdopted: true });
  });

  test("does not lead to the operator's or the controller's unlisting being undone", () => {
    for (const unlistedBy of ["operator", "controller"] as const) {
      const rows = [here({ state: "unlisted", unlistedBy })];
      expect(problemOf(() => decide(attested(from(first)), rows, now))).toBe("entry-unlisted");
    }
    const byOperator = [here({ state: "unlisted", unlistedBy: "operator" })];
    expect(problemOf(() => decide(attested(from(second)), byOperator, now))).toBe("entry-unlisted");
  });

  test.each<[string, Partial<EntryRow>, Door, string | null, boolean]>([
    ["a registration here, by a peer", { door: "http", origin: null }, "inbox", peer, true],
    ["a registration here that a peer gave back, by a peer", { door: "inbox", origin: null }, "inbox", peer, true],
    ["a registration here, from the local network", { door: "cli", origin: null }, "lan", "Lamp", true],
    ["a peer's, from the local network", { door: "inbox", origin: peer }, "lan", "Lamp", true],
    ["a peer's, by another peer", { door: "inbox", origin: "https://other.example" }, "inbox", peer, false],
    ["a peer's, by registering it here", { door: "inbox", origin: peer }, "http", null, false],
    ["what the local network had, by a peer", { door: "lan", origin: "Lamp" }, "inbox", peer, false],
    ["what the local network had, from there", { door: "lan", origin: "Lamp" }, "lan", "Lamp", false],
    [
      "a registration that has ended, by a peer",
      { door: "http", origin: null, state: "expired" },
      "inbox",
      peer,
      false,
    ],
  ])("a newer version of %s", (_, entry, door, origin, keepsRegistration) => {
    const decision = decide(attested({ ...second, door, origin }), [row(first, entry)], now);
    expect(decision).toMatchObject({ action: "update", keepsRegistration });
  });

  test("a Tombstone of what is registered here stays ours, also of what has ended", () => {
    const tombstone = from({ ...second, kind: "tombstone" });
    for (const state of ["active", "expired"] as const) {
      expect(decide(attested(tombstone), [row(first, { state })], now)).toMatchObject({ keepsRegistration: true });
    }
  });
});
