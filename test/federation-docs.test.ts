import { createHash, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { digestOf, entryKeyOf, type ThingId } from "../src/base/ids.ts";
import type { JsonObject, JsonValue } from "../src/base/json.ts";
import { limits } from "../src/base/limits.ts";
import { problemTypes } from "../src/base/problem.ts";
import { formatCursor } from "../src/db/journal.ts";
import { createActivities } from "../src/federation/activities.ts";
import { actorDocument, nodeInfoDocument, nodeInfoLinks, webFingerDocument } from "../src/federation/actor.ts";
import { digestsDocument, entriesPage, listAddress } from "../src/federation/collections.ts";
import type { Offer, Report } from "../src/federation/ports.ts";
import { readIncoming } from "../src/federation/read-activity.ts";
import { readDigests, readEntriesPage } from "../src/federation/read-list.ts";
import { readVerdicts } from "../src/federation/wire-answers.ts";
import { encodePublicKey } from "../src/identity/multikey.ts";
import { loadSigningKey } from "../src/identity/keys.ts";
import { signDocument } from "../src/identity/sign.ts";
import {
  digestNodeOf,
  digestOfListed,
  digestOfRoot,
  type ListedDigest,
  listedDigestOf,
} from "../src/things/entry-digests.ts";
import { tombstoneOf } from "../src/things/tombstone.ts";

/*
 * docs/federation.md, held against the code that it describes: every example is what this registry writes, and is read as
 * what the page says it is. In an example, `…` stands for anything.
 */

const page = readFileSync(new URL("../docs/federation.md", import.meta.url), "utf8");

/** The blocks of the page that begin with "```json NAME". */
const examples = new Map(
  [...page.matchAll(/```json ([\w-]+)\n(.*?)```/gs)].map(([, name = "", text = ""]) => [
    name,
    JSON.parse(text) as JsonObject,
  ]),
);

/** The same as `example`, with what stands for anything taken from `actual`. */
function filled(example: JsonValue, actual: JsonValue | undefined): JsonValue {
  if (typeof example === "string") return fits(example, actual) ? (actual as string) : example;
  if (typeof example !== "object" || example === null) return example;
  if (Array.isArray(example)) return example.map((item, at) => filled(item, (actual as JsonValue[] | undefined)?.[at]));
  const other = (actual ?? {}) as JsonObject;
  return Object.fromEntries(Object.entries(example).map(([name, value]) => [name, filled(value, other[name])]));
}

function fits(example: string, actual: JsonValue | undefined): boolean {
  const pattern = example.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return typeof actual === "string" && new RegExp(`^${pattern.join(".*")}$`, "s").test(actual);
}

/** The key of the worked example in docs/requests.md. */
const key = loadSigningKey({
  id: "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd#z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd",
  controller: "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd",
  type: "Multikey",
  publicKeyMultibase: "z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd",
  secretKeyMultibase: "z3u2RDpgFe6Voz19gxWsBkueKj6XiuC9w1bSBT4FTowsWk6A",
});
const publicUrl = "https://registry.example";
const peerActor = "https://peer.example/actor";
const created = new Date("2026-11-25T09:00:00Z");
const retracted = new Date("2026-11-25T12:00:00Z");
const epoch = "7c1d9f0e-5a52-4d0b-9a86-0d6c1c3a7f10";

function offerOf(id: string, title: string, changes: Partial<Offer> = {}): Offer {
  const thingId = id as ThingId;
  const td = {
    "@context": "https://www.w3.org/2022/wot/td/v1.1",
    id,
    "@type": "Thing",
    title,
    securityDefinitions: { nosec_sc: { scheme: "nosec" } },
    security: "nosec_sc",
    actions: { getWeather: { forms: [{ href: "https://weather.example/now" }] } },
  };
  const document = JSON.stringify(signDocument(td, key, { created }));
  return {
    type: "offer",
    key: entryKeyOf(key.controller, thingId),
    thingId,
    controller: key.controller,
    kind: "description",
    document,
    digest: digestOf(document),
    path: [publicUrl],
    created,
    modified: created,
    isNew: true,
    ...changes,
  };
}

const weather = offerOf("urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10", "Weather");
const tides = offerOf("urn:uuid:3b0f2d55-9c3e-4b43-8a52-6c1f4e7d9a21", "Tides");
const gone = JSON.stringify(
  signDocument(tombstoneOf(weather.thingId, "Thing", retracted), key, { created: retracted }),
);
const tombstone: Offer = { ...weather, kind: "tombstone", document: gone, digest: digestOf(gone), modified: retracted };
const withdrawal = { type: "withdrawal" as const, key: weather.key };

const activities = createActivities({ publicUrl, randomId: () => "5d0c6a3e-8f0e-4c64-9a4f-0b6f6f0c9d11" });
const [start, end] = [formatCursor(epoch, { xid: "1201", id: 17 }), formatCursor(epoch, { xid: "1207", id: 19 })];
const sorted: ListedDigest[] = [weather, tides]
  .map(({ key: of, digest }) => ({ key: of, digest }))
  .toSorted((one, other) => (one.key < other.key ? -1 : 1));
const bodyOf = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as JsonObject;

function actorKeys() {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const raw = Buffer.from(generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  return {
    rsa: {
      privateKey: rsa.privateKey.toCryptoKey({ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, true, ["sign"]),
      publicKeyPem: String(rsa.publicKey.export({ type: "spki", format: "pem" })),
    },
    ed25519: { publicKeyMultibase: encodePublicKey("Ed25519", raw) },
  };
}

/** What the code writes. */
const written: Record<string, JsonObject | null> = {
  actor: actorDocument({ publicUrl, keys: actorKeys(), approvesFollowers: false, published: created }),
  webfinger: webFingerDocument(publicUrl, "acct:registry@registry.example"),
  "nodeinfo-links": nodeInfoLinks(publicUrl),
  nodeinfo: nodeInfoDocument({ version: "0.1.0", entries: 2 }),
  follow: activities.follow(`${publicUrl}/actor#follow-1`, peerActor, {
    capability: ["getWeather", "get tides"],
    type: [],
    lang: ["en"],
  }),
  accept: activities.answer("Accept", peerActor, `${peerActor}#follow-1`),
  undo: activities.undo(`${publicUrl}/actor#follow-1`, peerActor),
  create: bodyOf(activities.singleBody(activities.activityOf(weather))),
  retraction: bodyOf(activities.singleBody(activities.activityOf(tombstone))),
  withdrawal: bodyOf(activities.singleBody(activities.activityOf(withdrawal))),
  batch: bodyOf(
    activities.batchBody(
      [{ ...tides, isNew: false, path: ["https://origin.example", publicUrl] }, withdrawal].map((change) =>
        activities.activityOf(change),
      ),
      { after: start, cursor: end },
    ),
  ),
  entries: entriesPage({
    publicUrl,
    query: { after: null, limit: 1, keys: [], from: null, filter: null, to: "https://peer.example" },
    activities: [activities.activityOf(tides)],
    cursor: start,
    epoch,
    atEnd: false,
  }),
  digests: digestsDocument(digestNodeOf(sorted, ""), { epoch, cursor: end }),
};

/** The example as the code writes it. */
function whole(name: string): JsonObject {
  return filled(examples.get(name) ?? {}, written[name] ?? {}) as JsonObject;
}

const read = (name: string) => readIncoming(Buffer.from(JSON.stringify(whole(name))));

function reportsOf(name: string): Report[] {
  const incoming = read(name);
  if (incoming.kind !== "reports") throw new Error(`${name} is read as ${incoming.kind}`);
  return incoming.reports;
}

describe("the examples", () => {
  test("are all looked at", () => {
    expect([...examples.keys(), ""].toSorted()).toEqual([...Object.keys(written), "verdicts", ""].toSorted());
  });

  test.each(Object.keys(written))("%s is what this registry writes", (name) => {
    expect(whole(name)).toEqual(written[name]);
  });

  test("a Follow, its answer and its end are read as such", () => {
    expect(read("follow")).toMatchObject({ kind: "follow", object: peerActor, filter: { lang: ["en"] } });
    expect(read("accept")).toMatchObject({ kind: "accept", of: `${peerActor}#follow-1` });
    expect(read("undo")).toMatchObject({ kind: "undo", of: `${publicUrl}/actor#follow-1` });
  });

  test("a description, a retraction and a withdrawal are read as such", () => {
    const objectId = `${publicUrl}/entries/${weather.key}`;
    const path = [publicUrl];
    expect(reportsOf("create")).toEqual([{ type: "listed", objectId, document: weather.document, path }]);
    expect(reportsOf("retraction")).toEqual([{ type: "listed", objectId, document: gone, path }]);
    expect(reportsOf("withdrawal")).toEqual([{ type: "withdrawn", objectId }]);
  });

  test("a batch is read with its cursors and the way that an entry came", () => {
    expect(read("batch")).toMatchObject({ isBatch: true, span: { after: start, cursor: end } });
    expect(reportsOf("batch")).toMatchObject([{ path: ["https://origin.example", publicUrl] }, { type: "withdrawn" }]);
  });

  test("verdicts are read as what they are", () => {
    const body = Buffer.from(JSON.stringify(examples.get("verdicts")));
    expect(readVerdicts(body, 4).map(({ outcome }) => outcome)).toEqual(["taken", "taken", "held", "refused"]);
    for (const problem of ["loop", "quota-exceeded"]) expect(page).toContain(`\`${problem}\``);
  });

  test("a page of the list leads on, and the digests agree with themselves", () => {
    const entries = readEntriesPage(Buffer.from(JSON.stringify(whole("entries"))), `${publicUrl}/actor`, null);
    expect(entries).toMatchObject({ cursor: start, atEnd: false, reports: [{ document: tides.document }] });
    const digests = readDigests(Buffer.from(JSON.stringify(whole("digests"))), "");
    expect(digests.node.entries).toEqual(sorted);
  });
});

describe("the worked example of the digests", () => {
  const sha256 = (hex: string) => createHash("sha256").update(hex, "hex").digest("hex");
  const empty = sha256("");

  test("comes out as the page says, by the definition and by the code", () => {
    const digits = sorted.map((one) => one.key.charAt(0));
    expect(new Set(digits).size, "each has a prefix of its own").toBe(2);
    const byDigit = new Map(sorted.map((one) => [one.key.charAt(0), sha256(one.key + one.digest)]));
    const root = sha256([..."0123456789abcdef"].map((digit) => byDigit.get(digit) ?? empty).join(""));
    expect(digestOfRoot(byDigit)).toBe(root);
    for (const one of sorted) expect(digestOfListed([one])).toBe(byDigit.get(one.key.charAt(0)));
    const numbers = [
      empty,
      root,
      digestOfListed(sorted),
      ...byDigit.values(),
      ...sorted.flatMap((one) => Object.values(one)),
    ];
    expect(numbers.filter((number) => !page.includes(number))).toEqual([]);
  });

  test("an entry that came through others has the digest that the page gives", () => {
    const relayed = listedDigestOf(tides.digest, ["https://origin.example"]);
    expect(page).toContain(relayed);
    expect(sha256(tides.digest + Buffer.from("https://origin.example").toString("hex"))).toBe(relayed);
  });

  test("the key is that of the example's controller and id", () => {
    expect(page).toContain(`${key.controller}⏎${weather.thingId}`);
    expect(createHash("sha256").update(`${key.controller}\n${weather.thingId}`).digest("hex")).toBe(weather.key);
  });
});

test("addresses of lists are those that this registry asks for", () => {
  const entries = `${publicUrl}/entries`;
  const filter = { capability: ["getWeather"], type: [], lang: ["en", "de"] };
  const to = "https://peer.example";
  for (const address of [
    listAddress(entries, { after: start, limit: 200, filter, to }),
    listAddress(entries, {
      keys: sorted.map((one) => one.key.slice(0, 4) + "…").map((text) => text as typeof weather.key),
      to,
    }),
    listAddress(entries, { from: to, limit: 200 }),
    listAddress(entries, { to }, { prefix: "5e" }),
  ]) {
    expect(page.replaceAll("…", "%E2%80%A6")).toContain(address.slice(publicUrl.length));
  }
});

test("the table of limits has the limits as they are", () => {
  const table = /<!-- limits:start -->(.*)<!-- limits:end -->/s.exec(page)?.[1] ?? "";
  const rows = [...table.matchAll(/^\| `(\w+)` \| ([\d,]+) \|/gm)].map(([, name = "", value = ""]) => [
    name,
    Number(value.replaceAll(",", "")),
  ]);
  expect(rows.length).toBeGreaterThan(25);
  expect(rows).toEqual(rows.map(([name]) => [name, (limits as Record<string, number>)[String(name)]]));
});

test("problems have the statuses that the page gives", () => {
  const named = [...page.matchAll(/^\| (\d{3}) `([\w-]+)`/gm)];
  expect(named.length).toBeGreaterThan(6);
  for (const [, status, name = ""] of named) {
    expect(problemTypes[name as keyof typeof problemTypes]?.status, name).toBe(Number(status));
  }
});
