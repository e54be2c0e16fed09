import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type CredentialHost, startCredentialHost } from "../../test/support/credential-host.ts";
import {
  type CredentialIssuer,
  credentialOf,
  newIssuer,
  statusEntryOf,
  statusListOf,
} from "../../test/support/credential-issuer.ts";
import { createEgress, type Egress } from "../base/egress.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { checkCredential, type CredentialFinding } from "./credentials.ts";
import { parseDid } from "./did.ts";
import { createDidResolver } from "./resolver.ts";

const controller = parseDid("did:web:agents.example:billing");

let now = new Date("2026-11-21T09:00:00Z");
const clock = { now: (): Date => now };

let host: CredentialHost;
let egress: Egress;
let issuer: CredentialIssuer;
let stranger: CredentialIssuer;
let listUrl: string;

beforeAll(async () => {
  host = await startCredentialHost();
  egress = createEgress({ allowPrivateAddresses: true, msMax: 3_000, bytesMax: 2 * limits.statusListBytesMax });
  issuer = await newIssuer();
  stranger = await newIssuer();
  listUrl = host.url("/lists/1");
});
afterAll(async () => {
  await egress.close();
  await host[Symbol.asyncDispose]();
});
beforeEach(() => {
  now = new Date("2026-11-21T09:00:00Z");
  host.serve("/lists/1", "gone", 404);
});

/** Checks a credential by `issuer` with that `credentialStatus`. */
async function check(credentialStatus: JsonValue, members: JsonObject = {}): Promise<CredentialFinding> {
  const credential = await issuer.issue(credentialOf(issuer.did, controller, { credentialStatus, ...members }));
  const resolver = createDidResolver({ egress, clock, allowPrivateAddresses: true });
  const context = { controller, thingId: "urn:example:thing", trustedIssuers: [issuer.did] };
  return checkCredential(credential, "service", context, { resolver, egress, clock });
}

/** A finding that is not accepted, for a reason that has `reason` in it. */
function refused(reason: string): object {
  return expect.objectContaining({ accepted: false, validUntil: null, reason: expect.stringContaining(reason) });
}

type ListOptions = NonNullable<Parameters<typeof statusListOf>[2]>;

/** Serves a list of the issuer's at `/lists/1`; `subject` replaces members of its credentialSubject. */
async function serveList(options: ListOptions = {}, subject: JsonObject = {}): Promise<void> {
  const list = await statusListOf(issuer.did, listUrl, options);
  const credentialSubject = { ...(list["credentialSubject"] as JsonObject), ...subject };
  host.serve("/lists/1", await issuer.sign({ ...list, credentialSubject }));
}

const index = 94_567;
const entry = (members: JsonObject = {}): JsonObject => statusEntryOf(listUrl, index, members);

describe("the bit of a credential", () => {
  test("unset lets it count, until the list ends", async () => {
    // The neighbours, and the bits that another order of bits would read.
    const set = [index - 1, index + 1, index ^ 7];
    await serveList({ set, members: { validUntil: "2026-11-21T09:05:00Z" } });
    expect(await check(entry())).toMatchObject({
      accepted: true,
      source: "service",
      validUntil: new Date("2026-11-21T09:05:00Z"),
    });
    expect(await check(entry(), { validUntil: "2026-11-21T09:01:00Z" })).toMatchObject({
      accepted: true,
      validUntil: new Date("2026-11-21T09:01:00Z"),
    });
  });

  test("set revokes it", async () => {
    await serveList({ set: [index] });
    expect(await check(entry())).toEqual(refused("The issuer has revoked the credential."));
  });

  test("set suspends it, and unset again does not", async () => {
    await serveList({ set: [index], purpose: "suspension" });
    const credentialStatus = entry({ statusPurpose: "suspension" });
    expect(await check(credentialStatus)).toEqual(refused("The issuer has suspended the credential."));
    await serveList({ purpose: "suspension" });
    expect(await check(credentialStatus)).toMatchObject({ accepted: true });
  });

  test.each([0, 131_071])("at the index %i is the right one", async (at) => {
    await serveList({ set: [at] });
    expect(await check(statusEntryOf(listUrl, at))).toEqual(refused("has revoked"));
    await serveList({ set: [at ^ 1, at ^ 7, 131_071 - at] });
    expect(await check(statusEntryOf(listUrl, at))).toMatchObject({ accepted: true });
  });

  test("is looked at for every entry", async () => {
    await serveList();
    const other = host.url("/lists/2");
    const suspension = await statusListOf(issuer.did, other, { set: [7], purpose: "suspension" });
    host.serve("/lists/2", await issuer.sign(suspension));
    const suspended = statusEntryOf(other, 7, { statusPurpose: "suspension" });
    const active = statusEntryOf(other, 8, { statusPurpose: "suspension" });
    expect(await check([entry(), active])).toMatchObject({ accepted: true });
    expect(await check([entry(), suspended])).toEqual(refused("has suspended"));
    expect(await check([suspended, entry()])).toEqual(refused("has suspended"));
  });

  test("may be in a list for several purposes", async () => {
    await serveList({}, { statusPurpose: ["refresh", "revocation"] });
    expect(await check(entry())).toMatchObject({ accepted: true });
  });
});

describe("a status entry", () => {
  test.each<[string, JsonValue, string]>([
    ["another type", statusEntryOf("", 1, { type: "StatusList2021Entry" }), "another type"],
    ["two types", statusEntryOf("", 1, { type: ["BitstringStatusListEntry", "Other"] }), "another type"],
    ["another purpose", statusEntryOf("", 1, { statusPurpose: "message" }), "revocation or suspension"],
    ["an inherited purpose", statusEntryOf("", 1, { statusPurpose: "constructor" }), "revocation or suspension"],
    ["more bits", statusEntryOf("", 1, { statusSize: 2 }), '"statusSize"'],
    ["no address", statusEntryOf("", 1, { statusListCredential: null }), '"statusListCredential"'],
    ["an address that is none", statusEntryOf("lists/1", 1), "is not an absolute URL"],
    ["an address that is no web's", statusEntryOf("file:///etc/passwd", 1), "only https and http are fetched"],
    ["no entries", [], "has 0 entries"],
  ])("with %s is not accepted, and nothing is fetched", async (_name, credentialStatus, reason) => {
    const before = host.requests.length;
    expect(await check(credentialStatus)).toEqual(refused(reason));
    expect(host.requests.length).toBe(before);
  });

  test.each<[JsonValue]>([
    ["-1"],
    ["1.5"],
    ["1e3"],
    ["0x10"],
    ["007"],
    [" 7"],
    ["7a"],
    [""],
    ["100000000"],
    [7],
    [null],
  ])("with the index %j is not accepted", async (statusListIndex) => {
    await serveList();
    expect(await check(entry({ statusListIndex }))).toEqual(refused("is no index"));
  });

  test("of another kind beside a good one makes the credential unacceptable, before anything is fetched", async () => {
    await serveList();
    const before = host.requests.length;
    expect(await check([entry(), entry({ type: "Other" })])).toEqual(refused("another type"));
    expect(host.requests.length).toBe(before);
  });

  test("has few siblings", async () => {
    await serveList();
    const entries = Array.from({ length: limits.credentialStatusEntriesMax }, () => entry());
    expect(await check(entries)).toMatchObject({ accepted: true });
    const before = host.requests.length;
    expect(await check([...entries, entry()])).toEqual(refused("accepted are 1 to 4"));
    expect(host.requests.length).toBe(before);
  });

  test("is not followed for a credential whose proof does not hold", async () => {
    const credential = await stranger.sign(
      credentialOf(issuer.did, controller, { credentialStatus: statusEntryOf(listUrl, 1) }),
    );
    const before = host.requests.length;
    const resolver = createDidResolver({ egress, clock });
    const context = { controller, thingId: "urn:example:thing", trustedIssuers: [issuer.did] };
    expect(await checkCredential(credential, "entry", context, { resolver, egress, clock })).toEqual(
      refused("not by the issuer"),
    );
    expect(host.requests.length).toBe(before);
  });
});

describe("a status list that cannot be had", () => {
  test("because nobody answers", async () => {
    expect(await check(statusEntryOf("http://127.0.0.1:1/lists/1", 1))).toEqual(refused("cannot be reached"));
    host.serve("/lists/1", (response: ServerResponse) => void response.destroy());
    expect(await check(entry())).toEqual(refused("could not be fetched"));
    host.serve("/lists/1", (response: ServerResponse) => void response.flushHeaders());
    expect(await check(entry())).toEqual(refused("did not answer within"));
  });

  test.each([204, 401, 404, 410, 500, 503])("because the answer is %i", async (status) => {
    const list = await issuer.sign(await statusListOf(issuer.did, listUrl));
    host.serve("/lists/1", status === 204 ? "" : list, status);
    expect(await check(entry())).toEqual(refused(`answered with status ${status}`));
  });

  test("because it is within a network", async () => {
    await serveList();
    const before = host.requests.length;
    const strict = createEgress({ allowPrivateAddresses: false });
    const credential = await issuer.issue(credentialOf(issuer.did, controller, { credentialStatus: entry() }));
    const context = { controller, thingId: "urn:example:thing", trustedIssuers: [issuer.did] };
    const resolver = createDidResolver({ egress, clock });
    expect(await checkCredential(credential, "entry", context, { resolver, egress: strict, clock })).toEqual(
      refused("only https is fetched"),
    );
    await strict.close();
    expect(host.requests.length).toBe(before);
  });

  test.each<[string, string]>([
    ["no JSON", "<html>"],
    ["no I-JSON", '{"id":1,"id":2}'],
    ["no object", "[]"],
    ["nothing", ""],
  ])("because it is %s", async (_name, body) => {
    host.serve("/lists/1", body);
    expect(await check(entry())).toMatchObject({ accepted: false });
  });

  test("because it is too long as it is sent", async () => {
    const list = await issuer.sign(await statusListOf(issuer.did, listUrl));
    const padding = limits.statusListBytesMax - JSON.stringify(list).length;
    host.serve("/lists/1", JSON.stringify(list) + " ".repeat(padding));
    expect(await check(entry())).toMatchObject({ accepted: true });
    host.serve("/lists/1", JSON.stringify(list) + " ".repeat(padding + 1));
    expect(await check(entry())).toEqual(refused(`at most ${limits.statusListBytesMax} are accepted`));
    const narrow = createEgress({ allowPrivateAddresses: true, bytesMax: 1_000 });
    const credential = await issuer.issue(credentialOf(issuer.did, controller, { credentialStatus: entry() }));
    const context = { controller, thingId: "urn:example:thing", trustedIssuers: [issuer.did] };
    const resolver = createDidResolver({ egress, clock });
    expect(await checkCredential(credential, "entry", context, { resolver, egress: narrow, clock })).toEqual(
      refused("has more than 1000 bytes"),
    );
    await narrow.close();
  });
});

/** `bytes` of zeros as an `encodedList`. */
function zeros(bytes: number): string {
  return `u${gzipSync(Buffer.alloc(bytes)).toString("base64url")}`;
}

describe("an encoded list", () => {
  test("is decompressed up to its bound", async () => {
    await serveList({}, { encodedList: zeros(limits.statusListDecodedBytesMax) });
    expect(await check(entry())).toMatchObject({ accepted: true });
    await serveList({}, { encodedList: zeros(limits.statusListDecodedBytesMax + 1) });
    expect(await check(entry())).toEqual(refused("when decompressed"));
  });

  test("that is a bomb does not go off", async () => {
    const part = gzipSync(Buffer.alloc(32 * 1024 * 1024));
    const bomb = Buffer.concat(Array.from({ length: 8 }, () => part));
    await serveList({}, { encodedList: `u${bomb.toString("base64url")}` });
    const before = process.memoryUsage().rss;
    expect(await check(entry())).toEqual(refused("when decompressed"));
    // Of the 256 MiB that it would become, far less was ever there.
    expect(process.memoryUsage().rss - before).toBeLessThan(96 * 1024 * 1024);
  });

  test("is long enough to hide in", async () => {
    await serveList({}, { encodedList: zeros(limits.statusListEntriesMin / 8 - 1) });
    expect(await check(statusEntryOf(listUrl, 7))).toEqual(refused("fewer than 131072 entries"));
  });

  test("ends before the index", async () => {
    await serveList();
    expect(await check(statusEntryOf(listUrl, 131_072))).toEqual(refused("ends before the index 131072"));
    await serveList({ length: 131_080 });
    expect(await check(statusEntryOf(listUrl, 131_072))).toMatchObject({ accepted: true });
  });

  test.each<[string, JsonValue, string]>([
    ["missing", null, "multibase"],
    ["empty", "u", "multibase"],
    ["base58btc", "z6Mk", "multibase"],
    ["padded", `${zeros(16_384)}=`, "multibase"],
    ["no GZIP", "uAAAA", "is not GZIP"],
    ["cut short", zeros(16_384).slice(0, -8), "is not GZIP"],
  ])("must not be %s", async (_name, encodedList, reason) => {
    await serveList({}, { encodedList });
    expect(await check(entry())).toEqual(refused(reason));
  });
});

describe("a status list credential", () => {
  test("of another issuer is not accepted", async () => {
    host.serve("/lists/1", await stranger.sign(await statusListOf(stranger.did, listUrl)));
    expect(await check(entry())).toEqual(refused(`The issuer is not ${issuer.did}`));
  });

  test("signed by somebody else is not accepted", async () => {
    host.serve("/lists/1", await stranger.sign(await statusListOf(issuer.did, listUrl)));
    expect(await check(entry())).toEqual(refused("and not by the issuer"));
    host.serve("/lists/1", await statusListOf(issuer.did, listUrl));
    expect(await check(entry())).toEqual(refused("No matching proofs"));
  });

  test("that was tampered with is not accepted", async () => {
    const revoking = await issuer.sign(await statusListOf(issuer.did, listUrl, { set: [index] }));
    const clean = await statusListOf(issuer.did, listUrl);
    host.serve("/lists/1", { ...revoking, credentialSubject: clean["credentialSubject"] });
    expect(await check(entry())).toEqual(refused("is not a signature"));
  });

  test("that is another list of the issuer's is not accepted", async () => {
    host.serve("/lists/1", await issuer.sign(await statusListOf(issuer.did, host.url("/lists/2"))));
    expect(await check(entry())).toEqual(refused('Its "id" is another than its address'));
    const { id: _id, ...anonymous } = await statusListOf(issuer.did, listUrl);
    host.serve("/lists/1", await issuer.sign(anonymous));
    expect(await check(entry())).toMatchObject({ accepted: true });
  });

  test("outside its validity period is not accepted", async () => {
    await serveList({ members: { validUntil: "2026-11-21T09:00:00Z" } });
    expect(await check(entry())).toEqual(refused(`The status list ${listUrl} is not accepted: The credential has exp`));
    await serveList({ members: { validFrom: "2026-11-21T09:06:00Z" } });
    expect(await check(entry())).toEqual(refused("not valid before"));
  });

  test.each<[string, JsonObject, string]>([
    ["another type", { type: ["VerifiableCredential"] }, "BitstringStatusListCredential"],
    ["a status of its own", { credentialStatus: statusEntryOf("https://lists.example/3", 1) }, '"checkStatus"'],
    ["an unknown context", { "@context": ["https://www.w3.org/ns/credentials/v2", "https://a.example/"] }, "context"],
    ["two subjects", { credentialSubject: [{ type: "BitstringStatusList" }] }, "BitstringStatusList"],
  ])("with %s is not accepted", async (_name, members, reason) => {
    await serveList();
    const list = await statusListOf(issuer.did, listUrl);
    host.serve("/lists/1", await issuer.sign({ ...list, ...members }));
    expect(await check(entry())).toEqual(refused(reason));
  });

  test.each<[string, JsonObject, string]>([
    ["another purpose", { statusPurpose: "suspension" }, '"statusPurpose" is not revocation'],
    ["no purpose", { statusPurpose: [] }, '"statusPurpose" is not revocation'],
    ["another type of list", { type: "StatusList2021" }, "not of the type BitstringStatusList"],
  ])("with %s is not accepted", async (_name, subject, reason) => {
    await serveList({}, subject);
    expect(await check(entry())).toEqual(refused(reason));
  });

  test("that is another credential of the issuer's is not accepted", async () => {
    host.serve("/lists/1", await issuer.issue(credentialOf(issuer.did, controller, { id: listUrl })));
    expect(await check(entry())).toEqual(refused("is not of the type BitstringStatusListCredential"));
  });
});
