import { describe, expect, test } from "vitest";
import {
  commitmentTo,
  continueLog,
  type EntryPlan,
  expectEntryFault,
  startLog,
  textOf,
  webvhKey,
  type WebvhLog,
  witnessRule,
} from "../../test/fixtures/did-webvh.ts";
import type { Did } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { type DidLog, verifyDidLog } from "./did-webvh-log.ts";

const now = new Date("2026-11-21T09:00:00Z");
const location = "example.org:agents";
const [owner, next, stranger, witness] = [webvhKey(), webvhKey(), webvhKey(), webvhKey()];

const verify = ({ did, entries }: WebvhLog): Promise<DidLog> => verifyDidLog(Buffer.from(textOf(entries)), did, now);
const first = (plan: Partial<EntryPlan>): Promise<DidLog> => verify(startLog({ location, signers: [owner], ...plan }));

describe("parameters", () => {
  test.each<[string, JsonObject, string]>([
    ["another method", { method: "did:webvh:2.0" }, "method"],
    ["an older method", { method: "did:tdw:0.4" }, "method"],
    ["no method", { method: null }, "method"],
    ["an unknown parameter", { prerotation: true }, "unknown parameter"],
    ["a SCID that is no text", { scid: 7 }, "scid"],
    ["keys that are no array", { updateKeys: owner.multikey }, "updateKeys"],
    ["keys that are no texts", { updateKeys: [owner.multikey, 7] }, "updateKeys"],
    ["hashes that are no array", { nextKeyHashes: {} }, "nextKeyHashes"],
    ["watchers that are no texts", { watchers: [{}] }, "watchers"],
    ["portability that is neither true nor false", { portable: "yes" }, "portable"],
    ["an end that is neither true nor false", { deactivated: 1 }, "deactivated"],
    ["a lifetime in text", { ttl: "60" }, "ttl"],
    ["a negative lifetime", { ttl: -1 }, "ttl"],
    ["half a second", { ttl: 0.5 }, "ttl"],
    ["a lifetime too long", { ttl: 2 ** 31 + 1 }, "ttl"],
    ["witnesses that are no object", { witness: [] }, "witness"],
    ["a rule without witnesses", { witness: { threshold: 1 } }, "witnesses"],
    ["no witnesses", { witness: witnessRule(0, []) }, "threshold"],
    ["a threshold of 0", { witness: witnessRule(0, [witness]) }, "threshold"],
    ["a threshold of 2 with 1 witness", { witness: witnessRule(2, [witness]) }, "threshold"],
    ["half a threshold", { witness: witnessRule(0.5, [witness]) }, "threshold"],
    ["a threshold in text", { witness: witnessRule("1", [witness]) }, "threshold"],
    ["one witness twice", { witness: witnessRule(2, [witness, witness]) }, "twice"],
    ["a witness of another method", { witness: { threshold: 1, witnesses: [{ id: "did:web:a.example" }] } }, "did:key"],
    ["a witness without id", { witness: { threshold: 1, witnesses: [`did:key:${witness.multikey}`] } }, "did:key"],
    [
      "a witness of more weight",
      { witness: { threshold: 1, witnesses: [{ id: `did:key:${witness.multikey}`, weight: 2 }] } },
      "weight",
    ],
  ])("must not have %s", async (_name, parameters, words) => {
    await expectEntryFault(first({ parameters }), 1, words);
  });

  test("must be there if the first entry needs them, and not again if only it may have them", async () => {
    const without = (name: string): Promise<DidLog> =>
      first({ change: (entry) => void delete (entry["parameters"] as JsonObject)[name] });
    await expectEntryFault(without("method"), 1, "method");
    await expectEntryFault(without("scid"), 1, "scid");
    await expectEntryFault(without("updateKeys"), 1, "may not sign here");
    const started = startLog({ location, signers: [owner] });
    for (const [name, parameters] of Object.entries({ scid: { scid: started.scid }, portable: { portable: true } })) {
      await expectEntryFault(verify(continueLog(started, { signers: [owner], parameters })), 2, name);
    }
  });

  test("may be null where early implementations wrote that", async () => {
    const parameters = { nextKeyHashes: null, witness: null, watchers: null, ttl: null };
    const started = startLog({ location, signers: [owner], parameters });
    await verify(continueLog(started, { signers: [owner], parameters }));
  });

  test("may be of version 0.5 first, and never go back", async () => {
    const old = startLog({ location, signers: [owner], parameters: { method: "did:webvh:0.5" } });
    const raised = continueLog(old, { signers: [owner], parameters: { method: "did:webvh:1.0" } });
    await verify(raised);
    const back = continueLog(raised, { signers: [owner], parameters: { method: "did:webvh:0.5" } });
    await expectEntryFault(verify(back), 3, "goes back");
  });
});

describe("pre-rotation", () => {
  const commit = (...keys: ReturnType<typeof webvhKey>[]): JsonObject => ({ nextKeyHashes: keys.map(commitmentTo) });
  const rotate = (...keys: ReturnType<typeof webvhKey>[]): JsonObject => ({
    updateKeys: keys.map(({ multikey }) => multikey),
  });
  const started = (): WebvhLog => startLog({ location, signers: [owner], parameters: commit(next, witness) });

  test("lets only keys sign that were committed to, and at once", async () => {
    const rotated = continueLog(started(), { signers: [next], parameters: { ...rotate(next), ...commit(owner) } });
    await verify(rotated);
    await verify(continueLog(rotated, { signers: [owner], parameters: { ...rotate(owner), ...commit(next) } }));
    const both = { ...rotate(next, witness), ...commit(owner) };
    await verify(continueLog(started(), { signers: [witness], parameters: both }));
  });

  test("refuses keys without a commitment, and keys that were left behind", async () => {
    const to = (signer: typeof owner, parameters: JsonObject): Promise<DidLog> =>
      verify(continueLog(started(), { signers: [signer], parameters }));
    await expectEntryFault(to(stranger, { ...rotate(stranger), ...commit(stranger) }), 2, "did not commit to");
    await expectEntryFault(to(next, { ...rotate(next, stranger), ...commit(owner) }), 2, "did not commit to");
    await expectEntryFault(to(owner, { ...rotate(owner), ...commit(next) }), 2, "did not commit to");
    await expectEntryFault(to(owner, { ...rotate(next), ...commit(owner) }), 2, "may not sign here");
    await expectEntryFault(to(owner, commit(next)), 2, "updateKeys");
    await expectEntryFault(to(next, rotate(next)), 2, "nextKeyHashes");
    await expectEntryFault(to(owner, {}), 2, "updateKeys");
    await expectEntryFault(to(next, { ...rotate(), ...commit(next) }), 2, "may not sign here");
  });

  test("ends with an entry that still keeps its rules", async () => {
    const ended = continueLog(started(), { signers: [next], parameters: { ...rotate(next), nextKeyHashes: [] } });
    await verify(ended);
    await verify(continueLog(ended, { signers: [next], parameters: rotate(stranger) }));
    await expectEntryFault(
      verify(continueLog(ended, { signers: [stranger], parameters: rotate(stranger) })),
      3,
      "may not sign",
    );
    const early = continueLog(started(), { signers: [owner], parameters: { ...rotate(owner), nextKeyHashes: [] } });
    await expectEntryFault(verify(early), 2, "did not commit to");
  });

  test("begins after the entry that says so first", async () => {
    const begun = continueLog(startLog({ location, signers: [owner] }), { signers: [owner], parameters: commit(next) });
    await verify(begun);
    await expectEntryFault(verify(continueLog(begun, { signers: [owner] })), 3, "updateKeys");
    await verify(continueLog(begun, { signers: [next], parameters: { ...rotate(next), ...commit(owner) } }));
  });
});

describe("portability", () => {
  const portable = (): WebvhLog => startLog({ location, signers: [owner], parameters: { portable: true } });
  const elsewhere = "example.net:agents";
  const move = (from: WebvhLog, plan: Partial<EntryPlan> = {}): WebvhLog =>
    continueLog(from, { signers: [owner], location: elsewhere, state: { alsoKnownAs: [from.did] }, ...plan });

  test("lets a DID have another host and path, and keep its SCID and history", async () => {
    const moved = move(portable());
    expect(moved.did).toBe(`did:webvh:${moved.scid}:${elsewhere}`);
    expect((await verify(moved)).state["id"]).toBe(moved.did);
    await verify(continueLog(moved, { signers: [owner], location: elsewhere, state: { alsoKnownAs: [] } }));
    const another = startLog({ location: elsewhere, signers: [stranger] }).did;
    await expectEntryFault(verify({ ...moved, did: another }), 1, "another DID");
    await expectEntryFault(verify({ ...moved, did: `did:webvh:${moved.scid}:${location}` as Did }), 2, "has moved");
  });

  test("is for DIDs that had it from the first, and still have it", async () => {
    await expectEntryFault(verify(move(startLog({ location, signers: [owner] }))), 2, "not portable");
    await expectEntryFault(verify(move(portable(), { parameters: { portable: false } })), 2, "not portable");
    const bound = continueLog(portable(), { signers: [owner], parameters: { portable: false } });
    await expectEntryFault(verify(move(bound)), 3, "not portable");
    await expectEntryFault(verify(move(bound, { parameters: { portable: true } })), 3, "only the first entry may");
  });

  test("keeps the old name known", async () => {
    for (const alsoKnownAs of [[], ["did:web:example.org"], "did:web:example.org"]) {
      await expectEntryFault(verify(move(portable(), { state: { alsoKnownAs } })), 2, "alsoKnownAs");
    }
  });
});
