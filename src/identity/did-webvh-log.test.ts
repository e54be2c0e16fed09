import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import {
  continueLog,
  type EntryPlan,
  expectEntryFault,
  startLog,
  stateFor,
  textOf,
  unnamed,
  webvhKey,
  type WebvhLog,
} from "../../test/fixtures/did-webvh.ts";
import { didWebvhVectors, entryHashExample } from "../../test/fixtures/did-webvh-vectors.ts";
import { type Did, digestOf } from "../base/ids.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { entryHashOf, multihashOf, scidOf, scidPlaceholder } from "./did-webvh-hash.ts";
import { type DidLog, verifyDidLog } from "./did-webvh-log.ts";
import { encodeMultibase } from "./multikey.ts";

const now = new Date("2026-11-21T09:00:00Z");
const location = "example.org:agents";
const [owner, next, stranger] = [webvhKey(), webvhKey(), webvhKey()];

const verify = ({ did, entries }: WebvhLog): Promise<DidLog> => verifyDidLog(Buffer.from(textOf(entries)), did, now);
const verifyText = (text: string, did: Did): Promise<DidLog> => verifyDidLog(Buffer.from(text), did, now);

/** A log of four entries; the third has new keys, which sign the fourth. */
let log: WebvhLog;
beforeEach(() => {
  log = startLog({ location, signers: [owner], state: stateFor(unnamed(location), owner) });
  log = continueLog(log, { signers: [owner], state: { alsoKnownAs: ["did:web:example.org:agents"] } });
  log = continueLog(log, { signers: [owner], parameters: { updateKeys: [next.multikey] } });
  log = continueLog(log, { signers: [next], parameters: { ttl: 60 } });
});
const changed = (at: number, change: (entry: JsonObject) => void): WebvhLog => {
  const entries = structuredClone(log.entries);
  const entry = entries[at];
  if (entry !== undefined) change(entry);
  return { ...log, entries };
};

describe("hashes of a log", () => {
  test("are those of the specification's example", () => {
    const entry = JSON.parse(entryHashExample.entry) as JsonObject;
    expect(entryHashOf(entry, entryHashExample.scid)).toBe(entryHashExample.hash);
    expect(scidOf(entry, entryHashExample.scid)).toBe(entryHashExample.scid);
    expect(multihashOf("abc")).toMatch(/^Qm[1-9A-HJ-NP-Za-km-z]{44}$/);
  });
});

describe("a log that holds", () => {
  test("says what its last entry says", async () => {
    expect(await verify(log)).toEqual({
      versionIds: log.entries.map((entry) => entry["versionId"]),
      witnessed: [],
      state: log.entries[3]?.["state"],
      stateBytes: Buffer.byteLength(JSON.stringify(log.entries[3])),
      isDeactivated: false,
      ttlSeconds: 60,
    });
  });

  test.each(didWebvhVectors.filter(({ problem }) => problem === undefined))("$name", async ({ did, log: text }) => {
    expect((await verifyText(text, did as Did)).state["id"]).toBe(did);
  });

  test("may lack the last line feed, and have carriage returns and spaces", async () => {
    const text = textOf(log.entries);
    const expected = (await verify(log)).versionIds;
    for (const other of [text.trimEnd(), text.replaceAll("\n", "\r\n"), text.replaceAll('":', '" : ')]) {
      expect((await verifyText(other, log.did)).versionIds).toEqual(expected);
    }
  });

  test("may have several proofs, all of them by keys that may sign", async () => {
    const signers = [owner, next];
    const started = startLog({ location, signers });
    await verify(started);
    await verify(continueLog(started, { signers }));
    const [entry = {}] = started.entries;
    const single = { ...started, entries: [{ ...entry, proof: ([entry["proof"]].flat()[0] ?? null) as JsonValue }] };
    await verify(single);
    await expectEntryFault(verify(continueLog(started, { signers: [owner, stranger] })), 2, "may not sign here");
  });

  test("ends with the update keys emptied and the DID deactivated, as a rule", async () => {
    const ended = continueLog(log, { signers: [next], parameters: { updateKeys: [], deactivated: true } });
    expect(await verify(ended)).toMatchObject({ isDeactivated: true });
    await expectEntryFault(verify(continueLog(ended, { signers: [next] })), 6, "deactivated");
  });
});

describe("a log that somebody changed", () => {
  test("in a DID document", async () => {
    for (const at of [0, 1, 2, 3]) {
      const forged = changed(at, (entry) => {
        (entry["state"] as JsonObject)["alsoKnownAs"] = ["did:web:victim.example"];
      });
      await expectEntryFault(verify(forged), at + 1, at === 0 ? "SCID" : "hash");
    }
  });

  test("in a document whose hash was made to fit", async () => {
    const forged = changed(3, (entry) => {
      entry["state"] = { ...(entry["state"] as JsonObject), ...stateFor(log.did, stranger) };
      entry["versionId"] = `4-${entryHashOf(entry, String(log.entries[2]?.["versionId"]))}`;
    });
    await expectEntryFault(verify(forged), 4, "is not a signature of it");
  });

  test("by reordering, dropping, repeating or renumbering its entries", async () => {
    const [one = {}, two = {}, three = {}, four = {}] = log.entries;
    const renumbered = { ...three, versionId: String(three["versionId"]).replace("3-", "2-") };
    const cases: [entries: JsonObject[], fault: number, words: string][] = [
      [[one, three, two, four], 2, "does not start with 2-"],
      [[one, three, four], 2, "does not start with 2-"],
      [[one, renumbered, four], 2, "hash"],
      [[one, two, two, three, four], 3, "does not start with 3-"],
      [[two, three, four], 1, "method"],
      [[four], 1, "method"],
    ];
    for (const [entries, fault, words] of cases) await expectEntryFault(verify({ ...log, entries }), fault, words);
  });

  test("by putting another's history under its own first entry", async () => {
    const other = continueLog(startLog({ location, signers: [stranger] }), { signers: [stranger] });
    const entries = [log.entries[0] ?? {}, other.entries[1] ?? {}];
    await expectEntryFault(verify({ ...log, entries }), 2, "hash");
    await expectEntryFault(verify({ ...other, did: log.did }), 1, "another DID");
  });

  test("in its SCID", async () => {
    const fake = multihashOf("fake");
    const text = textOf(log.entries).replaceAll(log.scid, fake);
    await expectEntryFault(verifyText(text, log.did.replace(log.scid, fake) as Did), 1, "SCID that follows from it");
    const renamed = changed(0, (entry) => {
      (entry["parameters"] as JsonObject)["scid"] = fake;
    });
    await expectEntryFault(verify(renamed), 1, "another DID");
  });

  test("by leaving the place of the SCID open, which would be a second first entry for it", async () => {
    const [first = {}] = log.entries;
    const state = JSON.parse(
      JSON.stringify(first["state"]).replaceAll(
        `${log.scid}:example.org:agents#`,
        `${scidPlaceholder}:example.org:agents#`,
      ),
    ) as JsonObject;
    const open = { ...first, state };
    expect(scidOf(open, log.scid)).toBe(log.scid);
    await expectEntryFault(verify({ ...log, entries: [open] }), 1, scidPlaceholder);
  });

  test("in its proof", async () => {
    const [, , , fourth = {}] = log.entries;
    const [proof = {}] = fourth["proof"] as JsonObject[];
    const did = `did:key:${next.multikey}`;
    const changes: [JsonValue | undefined, string][] = [
      [undefined, "has no proof"],
      [[], "has no proof"],
      [null, "is not an object"],
      [["proof"], "is not an object"],
      [{ ...proof, type: "Ed25519Signature2020" }, "type"],
      [{ ...proof, cryptosuite: "eddsa-rdfc-2022" }, "cryptosuite"],
      [{ ...proof, proofPurpose: "authentication" }, "purpose"],
      [{ ...proof, created: "2026-01-02T00:00:00Z" }, "is not a signature of it"],
      [{ ...proof, proofValue: encodeMultibase(Buffer.alloc(64, 1)) }, "is not a signature of it"],
      [{ ...proof, proofValue: encodeMultibase(Buffer.alloc(63, 1)) }, "is not a signature of it"],
      [{ ...proof, proofValue: "u" }, "cannot be read"],
      [{ ...proof, proofValue: 7 }, "cannot be read"],
      [{ ...proof, "@context": "https://www.w3.org/ns/did/v1" }, "@context"],
      [{ ...proof, verificationMethod: did }, "verificationMethod"],
      [{ ...proof, verificationMethod: `${did}#${stranger.multikey}` }, "verificationMethod"],
      [{ ...proof, verificationMethod: `did:key:${stranger.multikey}#${next.multikey}` }, "verificationMethod"],
      [{ ...proof, verificationMethod: `${did}#${next.multikey}#` }, "verificationMethod"],
      [{ ...proof, verificationMethod: `did:web:example.org#${next.multikey}` }, "verificationMethod"],
      [{ ...proof, verificationMethod: [`${did}#${next.multikey}`] }, "verificationMethod"],
      [{ ...proof, verificationMethod: `did:key:${stranger.multikey}#${stranger.multikey}` }, "may not sign here"],
      [[proof, { ...proof, proofPurpose: "authentication" }], "purpose"],
    ];
    for (const [value, words] of changes) {
      const forged = changed(3, (entry) => {
        delete entry["proof"];
        if (value !== undefined) entry["proof"] = value;
      });
      await expectEntryFault(verify(forged), 4, words);
    }
  });

  test("in any one character: it is refused, or says the same as before", async () => {
    const text = textOf(log.entries);
    const state = log.entries[3]?.["state"];
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.constantFrom(...'a0Z{}[]",:\\ \n'), async (at, character) => {
        const forged = `${text.slice(0, at)}${character}${text.slice(at + 1)}`;
        const outcome = await verifyText(forged, log.did).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toMatchObject({ type: "did-not-found" });
        else expect((outcome as DidLog).state).toEqual(state);
      }),
      { numRuns: 300 },
    );
  });

  test("into whatever: it is refused, and nothing else happens", async () => {
    const line = fc.oneof(
      fc.json(),
      fc.string(),
      fc.constantFrom(...log.entries.map((entry) => JSON.stringify(entry))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 6 }), async (lines) => {
        const did = startLog({ location: digestOf(lines.join("")).slice(0, 8), signers: [owner] }).did;
        const error = await verifyText(lines.join("\n"), did).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(Problem);
        expect(error).toMatchObject({ type: "did-not-found" });
      }),
    );
  });
});

describe("what its controller must not do either", () => {
  const first = (plan: Partial<EntryPlan>): Promise<DidLog> =>
    verify(startLog({ location, signers: [owner], ...plan }));
  const fifth = (plan: Partial<EntryPlan>): Promise<DidLog> => verify(continueLog(log, { signers: [next], ...plan }));

  test("sign with a key that may not, or may not any more", async () => {
    await expectEntryFault(first({ parameters: { updateKeys: [next.multikey] } }), 1, "may not sign here");
    await expectEntryFault(first({ parameters: { updateKeys: [] } }), 1, "may not sign here");
    await expectEntryFault(fifth({ signers: [stranger] }), 5, "may not sign here");
    await expectEntryFault(fifth({ signers: [owner] }), 5, "may not sign here");
    const own = { signers: [stranger], parameters: { updateKeys: [stranger.multikey] } };
    await expectEntryFault(fifth(own), 5, "may not sign here");
  });

  test.each<[string, JsonObject, string]>([
    ["for another purpose", { proofPurpose: "authentication" }, "purpose"],
    ["with another suite", { cryptosuite: "eddsa-rdfc-2022" }, "cryptosuite"],
    ["with an end that has come", { expires: "2026-11-21T09:00:00Z" }, "expired"],
    ["with an end that is none", { expires: "never" }, "expired"],
  ])("sign %s", async (_name, proof, words) => {
    await expectEntryFault(fifth({ proof }), 5, words);
  });

  test("sign with an end to come, which is allowed", async () => {
    await fifth({ proof: { expires: "2026-11-21T09:00:00.001Z" } });
  });

  test("go back in time, stand still, or be ahead of it", async () => {
    const last = String(log.entries[3]?.["versionTime"]);
    await expectEntryFault(fifth({ versionTime: last }), 5, "not after");
    await expectEntryFault(fifth({ versionTime: last.replace("Z", ".000Z") }), 5, "not after");
    await expectEntryFault(fifth({ versionTime: "2025-12-31T00:00:00Z" }), 5, "not after");
    await fifth({ versionTime: last.replace("Z", ".000000001Z") });
    const ahead = new Date(now.getTime() + limits.clockSkewMsMax).toISOString();
    await fifth({ versionTime: ahead });
    await expectEntryFault(fifth({ versionTime: ahead.replace("Z", "000001Z") }), 5, "not come yet");
    await expectEntryFault(first({ versionTime: "2027-01-01T00:00:00Z" }), 1, "not come yet");
  });

  test("write a time that is none in UTC", async () => {
    await first({ versionTime: "2026-01-01T00:00:00+00:00" });
    for (const versionTime of [
      "",
      "2026-01-01",
      "2026-01-01T00:00:00",
      "2026-01-01T00:00:00+01:00",
      "2026-02-30T00:00:00Z",
    ]) {
      await expectEntryFault(first({ versionTime }), 1, "time in UTC");
    }
  });

  test.each<[string, (entry: JsonObject) => void, string]>([
    ["a member more", (entry) => (entry["note"] = "x"), "unknown member"],
    ["no parameters", (entry) => delete entry["parameters"], "parameters"],
    ["no state", (entry) => delete entry["state"], "state"],
    ["a state without id", (entry) => (entry["state"] = {}), "state"],
    ["an id that is no DID", (entry) => (entry["state"] = { id: "https://example.org" }), "state"],
    ["another method's DID", (entry) => (entry["state"] = { id: "did:web:example.org:agents" }), "SCID"],
    ["another SCID", (entry) => (entry["state"] = { id: `did:webvh:${multihashOf("x")}:example.org` }), "SCID"],
  ])("write an entry with %s", async (_name, change, words) => {
    await expectEntryFault(fifth({ change }), 5, words);
  });

  test("write a member twice, or what is no I-JSON", async () => {
    const lines = textOf(log.entries).trimEnd().split("\n");
    const line = lines[3] ?? "";
    const deep = `{"state":${"[".repeat(limits.jsonDepthMax)}${"]".repeat(limits.jsonDepthMax)}}`;
    const cases = [
      line.replace('"state":', '"state":{"id":"did:web:victim.example"},"state":'),
      line.replace("{", '{"versionId":"4-x",'),
      `${line},`,
      "",
      "[]",
      deep,
      line.replace('"ttl":60', '"ttl":60,"watchers":["\\ud800"]'),
    ];
    for (const other of cases) {
      const text = [...lines.slice(0, 3), other, ""].join("\n");
      await expectEntryFault(verifyText(text, log.did), 4, other === "[]" ? "not a JSON object" : "cannot be read");
    }
  });
});

describe("bounds", () => {
  test("of entries", async () => {
    let long = startLog({ location, signers: [owner] });
    for (let number = 2; number <= limits.didLogEntriesMax; number += 1) {
      long = continueLog(long, {
        signers: [owner],
        versionTime: new Date(Date.UTC(2026, 0, 1, 0, 0, number)).toISOString(),
      });
    }
    const text = textOf(long.entries);
    // The bound of bytes is for others to test.
    expect(text.length).toBeLessThan(limits.didLogBytesMax);
    expect((await verifyText(text, long.did)).versionIds).toHaveLength(limits.didLogEntriesMax);
    const longer = continueLog(long, { signers: [owner], versionTime: "2026-02-01T00:00:00Z" });
    await expect(verify(longer)).rejects.toMatchObject({
      type: "did-not-found",
      message: expect.stringContaining(`${limits.didLogEntriesMax} entries`),
    });
  });

  test("of the bytes of an entry", async () => {
    const { did, entries } = startLog({ location, signers: [owner] });
    const padded = (bytes: number): string => JSON.stringify(entries[0]).padEnd(bytes);
    await verifyText(padded(limits.didDocumentBytesMax), did);
    await expectEntryFault(verifyText(padded(limits.didDocumentBytesMax + 1), did), 1, "cannot be read");
  });

  test("of the bytes of a log, before anything is read", async () => {
    const text = textOf(log.entries);
    const padded = (bytes: number): string => text.replace("}\n", `}${" ".repeat(bytes - text.length)}\n`);
    await expectEntryFault(verifyText(padded(limits.didLogBytesMax), log.did), 1, "cannot be read");
    await expect(verifyText(padded(limits.didLogBytesMax + 1), log.did)).rejects.toMatchObject({
      type: "did-not-found",
      message: expect.stringContaining(`${limits.didLogBytesMax} bytes`),
    });
  });

  test("of nothing at all", async () => {
    await expect(verifyText("", log.did)).rejects.toMatchObject({ type: "did-not-found" });
    await expectEntryFault(verifyText("\n", log.did), 1, "cannot be read");
  });
});
