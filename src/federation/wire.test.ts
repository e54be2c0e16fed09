import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type ActorHost,
  type HostAnswer,
  type SeenRequest,
  serveActor,
  startActorHost,
} from "../../test/support/actor-host.ts";
import { movableClock, type MovableClock } from "../../test/support/clock.ts";
import { createEgress, type PostingEgress } from "../base/egress.ts";
import { type Did, digestOf, type EntryKey, type ThingId } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { digestNodeOf } from "../things/entry-digests.ts";
import { type Activities, createActivities } from "./activities.ts";
import { digestsDocument, entriesPage } from "./collections.ts";
import type { PeerRow } from "./peer-store.ts";
import { type Change, type Verdict, WireError } from "./ports.ts";
import { type Incoming, readIncoming } from "./read-activity.ts";
import { createRemoteDocuments } from "./remote-documents.ts";
import { createRemoteKeys } from "./remote-keys.ts";
import { createSignatureVerifier, type VerifySignature } from "./signatures.ts";
import { type ActivityWire, createWire } from "./wire.ts";

const span = { after: "e.1.1", cursor: "e.2.2" };

let clock: MovableClock;
let egress: PostingEgress;
let us: ActorHost;
let them: ActorHost;
let activities: Activities;
let wire: ActivityWire;
let verify: VerifySignature;
/** What came to the peer's inbox, signatures checked. */
let received: Incoming[];

beforeEach(async () => {
  clock = movableClock(new Date("2026-11-21T09:00:00Z"));
  egress = createEgress({ allowPrivateAddresses: true });
  us = await startActorHost();
  them = await startActorHost();
  const actor = serveActor(us, clock);
  const peer = serveActor(them, clock);
  activities = createActivities({ publicUrl: us.origin, randomId: () => "r" });
  wire = createWire({ egress, signer: actor.signer, activities, publicUrl: us.origin, clock });
  const documents = createRemoteDocuments({ egress, signer: peer.signer });
  verify = createSignatureVerifier({ keys: createRemoteKeys({ documents, clock }), clock });
  received = [];
  them.answers.set("/inbox", receive());
  vi.stubGlobal("fetch", () => {
    throw new Error("fetch was called");
  });
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await egress.close();
  await us[Symbol.asyncDispose]();
  await them[Symbol.asyncDispose]();
});

/** An inbox that checks who sends, and answers as registries do; `refuse` says which documents are refused. */
function receive(
  options: { refuse?: (document: string) => boolean; refuseBatch?: (document: string) => boolean } = {},
) {
  const { refuse = () => false, refuseBatch = () => false } = options;
  return async (request: SeenRequest): Promise<HostAnswer> => {
    await verify(request, { actor: `${us.origin}/actor` });
    const incoming = readIncoming(request.body);
    if (incoming.kind !== "reports") {
      received.push(incoming);
      return { status: 202 };
    }
    const documents = incoming.reports.map((report) => (report.type === "listed" ? report.document : ""));
    if (documents.some(refuseBatch)) return { status: 400, body: { detail: "not like this" } };
    received.push(incoming);
    if (!incoming.isBatch) return { status: documents.some(refuse) ? 422 : 202 };
    const verdicts = documents.map((document) =>
      refuse(document)
        ? { outcome: "refused", problem: "invalid-proof", detail: "no" }
        : { outcome: "taken", changed: true },
    );
    return { status: 202, body: { verdicts } };
  };
}

function peerRow(changes: Partial<PeerRow> = {}): PeerRow {
  const row: Partial<PeerRow> = {
    actor: `${them.origin}/actor`,
    origin: them.origin,
    inbox: `${them.origin}/inbox`,
    entriesUrl: `${them.origin}/entries`,
    batchMax: 100,
    followingFilter: null,
    ...changes,
  };
  return row as PeerRow;
}
const mastodon = (): PeerRow => peerRow({ entriesUrl: null, batchMax: 1 });

function changeOf(at: number, document = `{"title":"${at}"}`): Change {
  return {
    type: "offer",
    key: at.toString(16).padStart(64, "0") as EntryKey,
    thingId: `urn:example:${at}` as ThingId,
    controller: "did:web:owner.example" as Did,
    kind: "description",
    document,
    digest: digestOf(document),
    path: [us.origin],
    created: new Date(0),
    modified: new Date(0),
    isNew: true,
  };
}
const changesOf = (count: number): Change[] => Array.from({ length: count }, (_, at) => changeOf(at));
const taken: Verdict = { outcome: "taken", changed: true };

/** The documents of each request, and its span. */
const requests = () =>
  received
    .filter((incoming) => incoming.kind === "reports")
    .map(({ reports, span: its }) => ({
      titles: reports.map((report) => (report.type === "listed" ? report.document : "withdrawn")),
      span: its,
    }));

async function failureOf(work: Promise<unknown>): Promise<WireError> {
  const failure = await work.then(
    () => null,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(WireError);
  return failure as WireError;
}

describe("a registry of our kind", () => {
  test("is told of several changes in one request, signed by the standard, and of where they end", async () => {
    const changes: Change[] = [...changesOf(2), { type: "withdrawal", key: "f".repeat(64) as EntryKey }];
    expect(await wire.deliver(peerRow(), changes, span)).toEqual([taken, taken, taken]);
    expect(requests()).toEqual([{ titles: ['{"title":"0"}', '{"title":"1"}', "withdrawn"], span }]);
    const [request] = them.seen;
    expect(request?.headers.has("signature-input")).toBe(true);
    expect(request?.headers.get("content-type")).toBe("application/activity+json");
  });

  test("gets no more in one request than it takes, by number and by size", async () => {
    expect(await wire.deliver(peerRow({ batchMax: 2 }), changesOf(5), span)).toHaveLength(5);
    expect(requests().map(({ titles, span: its }) => [titles.length, its])).toEqual([
      [2, null],
      [2, null],
      [1, span],
    ]);
    received = [];
    const large = Array.from({ length: 40 }, (_, at) => changeOf(at, `{"title":"${"x".repeat(200_000)}${at}"}`));
    expect(await wire.deliver(peerRow(), large, span)).toHaveLength(40);
    expect(requests().length).toBeGreaterThan(2);
    for (const { body } of them.seen) expect(body.length).toBeLessThan(limits.inboxBytesMax);
    expect(requests().flatMap(({ titles }) => titles)).toEqual(
      large.map((change) => "document" in change && change.document),
    );
  });

  test("says of each what became of it", async () => {
    them.answers.set("/inbox", receive({ refuse: (document) => document.includes("1") }));
    expect(await wire.deliver(peerRow(), changesOf(3), span)).toEqual([
      taken,
      { outcome: "refused", problem: "invalid-proof", detail: "no" },
      taken,
    ]);
  });

  test("that refuses a request because of one activity gets the others", async () => {
    them.answers.set("/inbox", receive({ refuseBatch: (document) => document === '{"title":"5"}' }));
    const verdicts = await wire.deliver(peerRow(), changesOf(9), span);
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(
      Array.from({ length: 9 }, (_, at) => (at === 5 ? "refused" : "taken")),
    );
    expect(verdicts[5]).toMatchObject({ problem: "peer-refused", detail: expect.stringContaining("not like this") });
    expect(
      requests()
        .flatMap(({ titles }) => titles)
        .sort(),
    ).toEqual([0, 1, 2, 3, 4, 6, 7, 8].map((at) => `{"title":"${at}"}`));
    expect(requests().at(-1)?.span).toEqual(span);
  });

  test.each<[string, HostAnswer]>([
    ["nothing", { status: 202 }],
    ["an error page", { status: 202, body: "<html>" }],
    ["too few verdicts", { status: 202, body: { verdicts: [taken as unknown as JsonObject] } }],
    ["verdicts that nobody knows", { status: 202, body: { verdicts: [{ outcome: "maybe" }, { outcome: "maybe" }] } }],
  ])("that answers with %s has not said what became of them", async (_what, answer) => {
    them.answers.set("/inbox", answer);
    expect(await failureOf(wire.deliver(peerRow(), changesOf(2), span))).toMatchObject({ kind: "unavailable" });
  });

  test("can name problems that are not known here", async () => {
    const refused = { outcome: "refused", problem: "constructor", detail: "no\u202e\n" };
    const loop = { outcome: "refused", problem: "loop", detail: "" };
    them.answers.set("/inbox", { status: 202, body: { verdicts: [refused, loop, { outcome: "held", reason: "x" }] } });
    expect(await wire.deliver(peerRow(), changesOf(3), span)).toEqual([
      { outcome: "refused", problem: "peer-refused", detail: "no" },
      loop,
      { outcome: "held", reason: "x" },
    ]);
  });
});

describe("a server of another kind", () => {
  test("gets one activity in each request, signed by the draft, and not too many at once", async () => {
    expect(await wire.deliver(mastodon(), changesOf(30), span)).toEqual(Array.from({ length: 30 }, () => taken));
    expect(requests().every(({ titles }) => titles.length === 1)).toBe(true);
    expect(them.seen.some(({ headers }) => headers.has("signature-input"))).toBe(false);
    expect(them.connections()).toBeLessThanOrEqual(limits.deliveriesPerPeerMax);
  });

  test("that wants signatures by the standard gets them, and is asked only once", async () => {
    const inbox = receive();
    them.answers.set("/inbox", (request) =>
      request.headers.has("signature-input") ? inbox(request) : { status: 401 },
    );
    await wire.deliver(mastodon(), changesOf(1), span);
    await wire.deliver(mastodon(), changesOf(2).slice(1), span);
    expect(them.seen.map(({ headers }) => headers.has("signature-input"))).toEqual([false, true, true]);
    expect(received).toHaveLength(2);
  });

  test("that takes neither is unwelcoming", async () => {
    them.answers.set("/inbox", { status: 401 });
    expect(await failureOf(wire.deliver(mastodon(), changesOf(1), span))).toMatchObject({ kind: "unwelcome" });
    expect(them.seen).toHaveLength(2);
  });

  test("can refuse one activity and take the others", async () => {
    them.answers.set("/inbox", receive({ refuse: (document) => document.includes("3") }));
    const verdicts = await wire.deliver(mastodon(), changesOf(6), span);
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(["taken", "taken", "taken", "refused", "taken", "taken"]);
  });

  test("is left alone as soon as it does not answer", async () => {
    them.answers.set("/inbox", { status: 503, headers: { "retry-after": "120" } });
    expect(await failureOf(wire.deliver(mastodon(), changesOf(60), span))).toMatchObject({
      kind: "unavailable",
      retryAfterSeconds: 120,
    });
    expect(them.seen.length).toBeLessThanOrEqual(limits.deliveriesPerPeerMax);
  });
});

describe("what an answer means", () => {
  test.each([
    [401, "unwelcome"],
    [403, "unwelcome"],
    [404, "unwelcome"],
    [410, "unwelcome"],
    [301, "unavailable"],
    [408, "unavailable"],
    [429, "unavailable"],
    [500, "unavailable"],
    [503, "unavailable"],
    [400, "refused"],
    [413, "refused"],
    [422, "refused"],
  ] as const)("%i is %s", async (status, kind) => {
    them.answers.set("/inbox", { status, headers: { location: `${us.origin}/inbox` } });
    expect(await failureOf(wire.send(peerRow(), { type: "Follow" }))).toMatchObject({ kind });
    expect(us.seen.filter(({ method }) => method === "POST")).toEqual([]);
  });

  test("an instant to come back is one, too", async () => {
    const at = new Date(clock.now().getTime() + 90_000).toUTCString();
    for (const [value, seconds] of [
      [at, 90],
      ["0", 0],
      ["soon", null],
    ] as const) {
      them.answers.set("/inbox", { status: 429, headers: { "retry-after": value } });
      const failure = await failureOf(wire.send(peerRow(), { type: "Follow" }));
      expect(failure.retryAfterSeconds).toBe(seconds);
    }
  });

  test("no answer is none, and an address that must not be reached is refused", async () => {
    const gone = peerRow({ inbox: "http://127.0.0.1:9/inbox" });
    expect(await failureOf(wire.send(gone, { type: "Follow" }))).toMatchObject({ kind: "unavailable" });
    const strict = createEgress({ allowPrivateAddresses: false });
    const actor = serveActor(us, clock);
    const careful = createWire({ egress: strict, signer: actor.signer, activities, publicUrl: us.origin, clock });
    expect(await failureOf(careful.send(peerRow(), { type: "Follow" }))).toMatchObject({ kind: "refused" });
    expect(await failureOf(careful.deliver(peerRow(), changesOf(2), span))).toMatchObject({ kind: "refused" });
    expect(await failureOf(careful.readDigests(peerRow(), ""))).toMatchObject({ kind: "refused" });
    expect(them.connections()).toBe(0);
    await strict.close();
  });
});

test("a Follow arrives", async () => {
  const target = `${them.origin}/actor`;
  await wire.send(peerRow(), activities.follow(`${us.origin}/follows/1`, target, null));
  expect(received).toEqual([
    { kind: "follow", actor: `${us.origin}/actor`, id: `${us.origin}/follows/1`, object: target, filter: null },
  ]);
});

describe("a peer's list", () => {
  const query = { after: null, limit: null, keys: [], from: null, filter: null, to: null };
  const theirs = () => createActivities({ publicUrl: them.origin, randomId: () => "r" });
  const pageOf = (count: number, atEnd: boolean) =>
    entriesPage({
      publicUrl: them.origin,
      query,
      activities: changesOf(count).map((change) => theirs().activityOf({ ...change, path: [them.origin] } as Change)),
      cursor: "e.5.5",
      epoch: "e",
      atEnd,
    });
  const askedFor = () => [...new URL(them.seen.at(-1)?.url ?? "").searchParams];

  test("is asked for by signed requests, with our filter and who we are", async () => {
    them.answers.set("/entries", async (request) => {
      await verify(request, { actor: `${us.origin}/actor` });
      return { body: pageOf(2, false) };
    });
    const followingFilter = { capability: ["light"], type: [], lang: [] };
    const page = await wire.readEntries(peerRow({ followingFilter }), { after: "e.1.1" });
    expect(page).toMatchObject({ cursor: "e.5.5", atEnd: false, reports: [{ type: "listed" }, { type: "listed" }] });
    expect(askedFor()).toEqual([
      ["after", "e.1.1"],
      ["limit", String(limits.entriesPageMax)],
      ["to", us.origin],
      ["capability", "light"],
    ]);
    const keys = ["a", "b"].map((digit) => digit.repeat(64) as EntryKey);
    await wire.readEntries(peerRow(), { keys });
    expect(askedFor()).toEqual([["to", us.origin], ...keys.map((key) => ["key", key])]);
    await wire.readEntries(peerRow({ followingFilter }), { fromUs: true, after: null });
    expect(askedFor()).toEqual([
      ["from", us.origin],
      ["limit", String(limits.entriesPageMax)],
    ]);
  });

  test("can be larger than other answers", async () => {
    const activity = theirs().activityOf({
      ...changeOf(1, `{"title":"${"x".repeat(200_000)}"}`),
      path: [them.origin],
    } as Change);
    const page = { ...pageOf(0, true), orderedItems: Array.from({ length: 10 }, () => activity.json) };
    them.answers.set("/entries", { body: page });
    expect((await wire.readEntries(peerRow(), { after: null })).reports).toHaveLength(10);
    them.answers.set("/entries", { body: "x".repeat(limits.entriesPageBytesMax + 1) });
    expect(await failureOf(wire.readEntries(peerRow(), { after: null }))).toMatchObject({ kind: "unavailable" });
  });

  test.each<[string, HostAnswer]>([
    ["an empty answer", {}],
    ["a broken one", { body: "{" }],
    ["no page", { body: { type: "OrderedCollection", orderedItems: [] } }],
    ["no cursor", { body: { type: "OrderedCollectionPage", orderedItems: [] } }],
    ["an error", { status: 500 }],
  ])("is unknown, and not empty, after %s", async (_what, answer) => {
    them.answers.set("/entries", answer);
    them.answers.set("/entries/digests", answer);
    expect(await failureOf(wire.readEntries(peerRow(), { after: null }))).toMatchObject({ kind: "unavailable" });
    expect(await failureOf(wire.readDigests(peerRow(), ""))).toMatchObject({ kind: "unavailable" });
  });

  test("is not another server's, where a redirect leads there", async () => {
    us.answers.set("/entries", { body: pageOf(0, true) });
    them.answers.set("/entries", { status: 302, headers: { location: `${us.origin}/entries` } });
    expect(await failureOf(wire.readEntries(peerRow(), { after: null }))).toMatchObject({ kind: "unavailable" });
  });

  test("has digests", async () => {
    const node = digestNodeOf([{ key: "a".repeat(64) as EntryKey, digest: digestOf("x") }], "a");
    them.answers.set("/entries/digests", async (request) => {
      await verify(request, { actor: `${us.origin}/actor` });
      return { body: digestsDocument(node, { epoch: "e", cursor: "e.1.1" }) };
    });
    expect(await wire.readDigests(peerRow(), "a")).toEqual({ epoch: "e", cursor: "e.1.1", node });
    expect(askedFor()).toEqual([
      ["prefix", "a"],
      ["to", us.origin],
    ]);
  });

  test("is what only registries have", async () => {
    expect(await failureOf(wire.readEntries(mastodon(), { after: null }))).toMatchObject({ kind: "refused" });
  });
});
