import { describe, expect, test } from "vitest";
import {
  approvalOf,
  continueLog,
  expectEntryFault,
  startLog,
  textOf,
  webvhKey,
  type WebvhKey,
  type WebvhLog,
  witnessRule,
} from "../../test/fixtures/did-webvh.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { verifyDidLog } from "./did-webvh-log.ts";
import { requireApproval } from "./did-webvh-witness.ts";
import { encodeMultibase } from "./multikey.ts";

const now = new Date("2026-11-21T09:00:00Z");
const location = "example.org:agents";
const owner = webvhKey();
const [a, b, c, stranger] = [webvhKey(), webvhKey(), webvhKey(), webvhKey()];
const rule = (threshold: number, ...witnesses: WebvhKey[]): JsonObject => ({
  witness: witnessRule(threshold, witnesses),
});

/** A log whose entries have these parameters. */
function logOf(...parameters: JsonObject[]): WebvhLog {
  const [first = {}, ...rest] = parameters;
  const started = startLog({ location, signers: [owner], parameters: first });
  return rest.reduce<WebvhLog>((log, one) => continueLog(log, { signers: [owner], parameters: one }), started);
}
const idOf = (log: WebvhLog, number: number): JsonValue => log.entries[number - 1]?.["versionId"] ?? null;
async function check({ did, entries }: WebvhLog, file: JsonValue): Promise<void> {
  requireApproval(await verifyDidLog(Buffer.from(textOf(entries)), did, now), file, did, now);
}

describe("approval by witnesses", () => {
  test("takes the threshold, of those that are named", async () => {
    const log = logOf(rule(2, a, b, c));
    const by = (...witnesses: WebvhKey[]): JsonValue => [approvalOf(idOf(log, 1), witnesses)];
    await check(log, by(a, b));
    await check(log, by(c, a, b));
    await check(log, [approvalOf(idOf(log, 1), [a]), approvalOf(idOf(log, 1), [c])]);
    for (const witnesses of [[], [a], [a, a], [a, stranger], [a, owner]]) {
      await expectEntryFault(check(log, by(...witnesses)), 1, "where 2 are needed");
    }
  });

  test("of an entry counts for all before it, and for none after it", async () => {
    const log = logOf(rule(1, a, b), {}, {});
    await check(log, [approvalOf(idOf(log, 3), [a])]);
    await check(log, [approvalOf(idOf(log, 3), [b]), approvalOf(idOf(log, 1), [a])]);
    await expectEntryFault(check(log, [approvalOf(idOf(log, 2), [a, b])]), 3, "0 of its witnesses");
    await expectEntryFault(check(log, [approvalOf(idOf(log, 1), [a])]), 2, "0 of its witnesses");
  });

  test("of a version that is not in the log counts for nothing, be it another DID's or none's", async () => {
    const log = logOf(rule(1, a), {});
    const other = logOf({ ...rule(1, a), ttl: 1 }, {}, {});
    const unpublished = idOf(continueLog(log, { signers: [owner] }), 3);
    for (const versionId of [idOf(other, 2), idOf(other, 3), unpublished, "2-Qm", "2", null, 2]) {
      await expectEntryFault(check(log, [approvalOf(versionId, [a])]), 1, "0 of its witnesses");
      await check(log, [approvalOf(versionId, [a]), approvalOf(idOf(log, 2), [a])]);
    }
  });

  test("a proof that was made for another version is none for this one", async () => {
    const log = logOf(rule(1, a), {});
    const moved = { ...approvalOf(idOf(log, 1), [a]), versionId: idOf(log, 2) };
    await expectEntryFault(check(log, [moved]), 1, "0 of its witnesses");
  });

  test("by proofs that do not hold is none, and does not spoil the others", async () => {
    const log = logOf(rule(1, a));
    const sound = approvalOf(idOf(log, 1), [a]);
    const [proof = {}] = sound["proof"] as JsonObject[];
    const bad: JsonValue[] = [
      { ...proof, proofValue: encodeMultibase(Buffer.alloc(64, 1)) },
      { ...proof, proofValue: "z" },
      { ...proof, created: "2026-01-02T00:00:00Z" },
      { ...proof, verificationMethod: `did:key:${a.multikey}` },
      { ...proof, verificationMethod: `did:key:${b.multikey}#${b.multikey}` },
      (approvalOf(idOf(log, 1), [a], { proofPurpose: "authentication" })["proof"] as JsonObject[])[0] ?? {},
      (approvalOf(idOf(log, 1), [a], { cryptosuite: "eddsa-rdfc-2022" })["proof"] as JsonObject[])[0] ?? {},
      (approvalOf(idOf(log, 1), [a], { expires: "2026-11-21T09:00:00Z" })["proof"] as JsonObject[])[0] ?? {},
      "proof",
      null,
    ];
    for (const one of bad) {
      await expectEntryFault(check(log, [{ ...sound, proof: [one] }]), 1, "0 of its witnesses");
      await check(log, [{ ...sound, proof: [one, proof] }]);
    }
  });

  test("is not there in a file of another form", async () => {
    const log = logOf(rule(1, a));
    const sound = approvalOf(idOf(log, 1), [a]);
    const files: JsonValue[] = [
      null,
      {},
      sound,
      [null],
      [[sound]],
      [{ ...sound, proof: sound["proof"]?.toString() ?? "" }],
    ];
    for (const file of files) await expectEntryFault(check(log, file), 1, "0 of its witnesses");
    await check(log, [7, null, {}, sound]);
  });
});

describe("a change of witnesses", () => {
  test("needs the approval of those before, not of the new ones", async () => {
    const log = logOf(rule(1, a), rule(1, b), {});
    await check(log, [approvalOf(idOf(log, 2), [a]), approvalOf(idOf(log, 3), [b])]);
    await expectEntryFault(check(log, [approvalOf(idOf(log, 3), [b])]), 1, "0 of its witnesses");
    await expectEntryFault(check(log, [approvalOf(idOf(log, 1), [a]), approvalOf(idOf(log, 3), [b])]), 2, "0 of");
    await expectEntryFault(check(log, [approvalOf(idOf(log, 3), [a])]), 3, "0 of its witnesses");
  });

  test("to none needs a last approval, and none after it", async () => {
    const log = logOf(rule(1, a), { witness: {} }, {});
    await check(log, [approvalOf(idOf(log, 2), [a])]);
    await expectEntryFault(check(log, [approvalOf(idOf(log, 1), [a])]), 2, "0 of its witnesses");
  });

  test("from none needs the approval of the new ones at once", async () => {
    const log = logOf({}, rule(1, a), {});
    await check(log, [approvalOf(idOf(log, 3), [a])]);
    await expectEntryFault(check(log, []), 2, "0 of its witnesses");
    expect((await verifyDidLog(Buffer.from(textOf(log.entries)), log.did, now)).witnessed).toMatchObject([
      { entryNumber: 2 },
      { entryNumber: 3 },
    ]);
  });
});
