import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { limits } from "../../src/base/limits.ts";
import { newKey, type SignedTd, signedTd, signedTombstone } from "../support/descriptions.ts";
import {
  type FederatedRegistry,
  readState,
  type ShiftedClock,
  shiftedClock,
  type ShownVerification,
  startRegistry,
  stateDigest,
  waitForEntry,
  waitUntil,
} from "../support/federated.ts";
import { thingPath } from "../support/service.ts";
import { keyOf, startUntrustedRegistry, type UntrustedRegistry } from "./untrusted-registry.ts";

// Several registries share the machine: each step waits for what it needs, and no longer.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let clock: ShiftedClock;
const signed = (members: JsonObject = {}, key = newKey()) => {
  // Two versions of one entry are never of one instant.
  clock.pass(2);
  return signedTd({ key, created: clock.now(), members });
};
const next = ({ id, key }: SignedTd, members: JsonObject = {}) => signed({ id, ...members }, key);
const tombstoneOf = ({ id, key }: SignedTd) => {
  clock.pass(2);
  return signedTombstone(id, key, clock.now());
};

async function published(registry: FederatedRegistry): Promise<SignedTd> {
  const document = signed();
  await registry.publish(document);
  return document;
}

describe("five registries that relay", () => {
  const ring: FederatedRegistry[] = [];
  const at = (index: number) => ring[index] as FederatedRegistry;
  const statesOf = (document: SignedTd) =>
    Promise.all(ring.map(async (registry) => (await registry.entry(document))?.state));
  beforeAll(async () => {
    clock = shiftedClock();
    ring.push(
      ...(await Promise.all(Array.from({ length: 5 }, () => startRegistry({ federationRelay: true }, { clock })))),
    );
    await Promise.all(ring.slice(1).map((registry, index) => registry.follow(at(index))));
  });
  afterAll(async () => {
    await Promise.all(ring.map((registry) => registry.close()));
  });

  test("pass on in a line what is registered at its start, with the way that it came, and not upwards", async () => {
    const document = await published(at(0));
    const inTheMiddle = await published(at(2));
    await waitForEntry(ring, document);
    await waitForEntry(ring.slice(3), inTheMiddle);
    expect(await at(1).entry(document)).toMatchObject({ door: "inbox", origin: at(0).origin });
    expect(await at(4).entry(document)).toMatchObject({ door: "inbox", origin: at(3).origin });
    const list = await at(3).fetch(`/entries?key=${keyOf(document)}`);
    expect(await list.json()).toMatchObject({
      orderedItems: [{ "thingstead:path": ring.slice(0, 4).map(({ origin }) => origin) }],
    });
    expect(await at(0).entry(inTheMiddle)).toBeUndefined();
    expect(await at(1).entry(inTheMiddle)).toBeUndefined();
  });

  test("have the same once the ring is closed, and end it together", async () => {
    await at(0).follow(at(4));
    const documents = await Promise.all(ring.map(published));
    for (const document of documents) await waitForEntry(ring, document);
    const changed = next(documents[4] as SignedTd, { title: "A new version" });
    const retracted = documents[3] as SignedTd;
    const unlisted = documents[0] as SignedTd;
    await at(4).publish(changed);
    await at(3).publish(tombstoneOf(retracted));
    await at(0).operate("DELETE", thingPath(unlisted.id));
    await waitForEntry(ring, changed);
    await waitUntil("it is retracted everywhere", async () =>
      (await statesOf(retracted)).every((state) => state === "retracted"),
    );
    await waitUntil("it is listed nowhere", async () =>
      (await statesOf(unlisted)).every((state) => state === "unlisted"),
    );
    await waitUntil("all have the same", async () => {
      const digests = await Promise.all(ring.map(async ({ db }) => stateDigest(await readState(db.orm))));
      return new Set(digests).size === 1;
    });
    // Each version was taken once in each registry: what comes round again changes nothing.
    for (const registry of ring) {
      const history = await registry.fetch(`${thingPath(changed.id)}/versions`);
      expect(((await history.json()) as { versions: unknown[] }).versions).toHaveLength(2);
    }
  });
});

describe("a registry in the middle that cannot be trusted", () => {
  let origin: FederatedRegistry;
  let follower: FederatedRegistry;
  let middle: UntrustedRegistry;
  beforeAll(async () => {
    clock = shiftedClock();
    [origin, follower, middle] = await Promise.all([
      startRegistry({}, { clock }),
      startRegistry({}, { clock }),
      startUntrustedRegistry(clock),
    ]);
    await follower.follow(middle);
  });
  afterAll(async () => {
    await Promise.all([origin?.close(), follower?.close(), middle?.[Symbol.asyncDispose]()]);
  });

  /** The way of what comes from the origin through the middle. */
  const path = () => [origin.origin, middle.origin];
  const refused = async () => (await follower.peer(middle)).following.refused;
  async function verify(): Promise<ShownVerification> {
    const { id } = await follower.peer(middle);
    return follower.operate("POST", `/peers/${id}/verify`, {});
  }

  test("brings what it has from others, which is as good as its proof", async () => {
    const document = await published(origin);
    const verdicts = await middle.send(follower, [middle.activityOf(document, { path: path() })]);
    expect(verdicts).toEqual([{ outcome: "taken", changed: true }]);
    await waitForEntry([follower], document);
    expect(await follower.entry(document)).toMatchObject({ origin: middle.origin });
    middle.lists(document, { path: path() });
  });

  test("alters nothing: what was changed on the way is refused, sent or listed", async () => {
    const document = await published(origin);
    const altered = { text: document.text.replace("Weather agent", "Weather spy"), path: path() };
    const moved = { text: document.text.replace("agent.example", "spy.example"), path: path() };
    const verdicts = await middle.send(follower, [
      middle.activityOf(document, altered),
      middle.activityOf(document, moved),
    ]);
    expect(verdicts).toMatchObject([
      { outcome: "refused", problem: "invalid-proof" },
      { outcome: "refused", problem: "invalid-proof" },
    ]);
    expect(await follower.entry(document)).toBeUndefined();
    middle.lists(document, altered);
    const before = await refused();
    await verify();
    expect(await refused()).toBeGreaterThanOrEqual(before);
    expect(await follower.entry(document)).toBeUndefined();
    middle.list.delete(keyOf(document));
  });

  test("invents nothing in the name of others", async () => {
    const owner = newKey();
    const forger = newKey();
    const invented = signedTd({ key: forger, created: clock.now() });
    const text = invented.text
      .replaceAll(forger.controller, owner.controller)
      .replaceAll(forger.controller.replace("did:key:", ""), owner.controller.replace("did:key:", ""));
    const document = { ...invented, key: owner };
    const unsigned = { ...invented.json };
    delete unsigned["proof"];
    const verdicts = await middle.send(follower, [
      middle.activityOf(document, { text, path: path() }),
      middle.activityOf(invented, { text: JSON.stringify(unsigned), path: path() }),
    ]);
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(["refused", "refused"]);
    expect(await follower.entry(document)).toBeUndefined();
    expect(await follower.entry(invented)).toBeUndefined();
  });

  test("brings back no old version and nothing that was retracted, in whatever order it sends", async () => {
    const first = signed();
    const second = next(first, { title: "Second" });
    const tombstone = tombstoneOf(first);
    const late = next(first, { title: "After the end" });
    const activities = (documents: SignedTd[]) => documents.map((one) => middle.activityOf(one, { path: path() }));
    await middle.send(follower, activities([second, first]));
    await waitForEntry([follower], second);
    await middle.send(follower, activities([tombstone, first, second]));
    expect(await follower.entry(first)).toMatchObject({ state: "retracted" });
    middle.lists(second, { path: path() });
    await verify();
    await middle.send(follower, activities([second]));
    const response = await follower.fetch(thingPath(first.id));
    expect(response.status).toBe(410);
    expect(await response.text()).toBe(tombstone.text);
    // Before its entry, a tombstone wins as well.
    const other = signed();
    const end = tombstoneOf(other);
    await middle.send(follower, activities([end]));
    await middle.send(follower, activities([other]));
    expect(await follower.entry(other)).toMatchObject({ state: "retracted" });
    // Its owner may register it again; a newer version counts whoever brings it.
    await middle.send(follower, activities([late]));
    expect(await follower.entry(first)).toMatchObject({ state: "active" });
    middle.list.clear();
  });

  test("hides nothing for long that it lists: the comparison brings what was not sent, and takes what it does not list", async () => {
    const [sent, dropped, stale] = [signed(), signed(), signed()];
    await middle.send(
      follower,
      [sent, stale].map((one) => middle.activityOf(one)),
    );
    middle.lists(sent);
    middle.lists(dropped);
    expect(await verify()).toMatchObject({ fetched: 1, refused: 0 });
    expect(await follower.entry(dropped)).toMatchObject({ state: "active", origin: middle.origin });
    expect(await follower.entry(stale)).toMatchObject({ state: "unlisted", unlistedBy: "origin" });
    expect(await verify()).toMatchObject({ fetched: 0, withdrawn: 0, equal: true });
  });

  test("is not taken for empty when its list cannot be read", async () => {
    const document = signed();
    middle.lists(document);
    await middle.send(follower, [middle.activityOf(document)]);
    const { answers } = middle.host;
    const [list, digests] = [answers.get("/entries"), answers.get("/entries/digests")];
    const { id } = await follower.peer(middle);
    const broken = [
      { status: 500 },
      { status: 404 },
      { body: "" },
      { body: "{}" },
      { body: '{"orderedItems":[]}' },
      null,
    ];
    for (const answer of broken) {
      if (answer === null) answers.delete("/entries/digests");
      else answers.set("/entries/digests", answer).set("/entries", answer);
      await expect(follower.operate("POST", `/peers/${id}/verify`, {})).rejects.toThrow("was answered 503");
      clock.pass(2 * 3_600_000);
      await follower.publish(signed());
    }
    await waitUntil("it was tried by itself", async () => (await follower.peer(middle)).following.lastError !== null);
    expect(await follower.entry(document)).toMatchObject({ state: "active" });
    // A list whose digests say one thing, and its entries nothing: it is unknown what it has.
    answers.set("/entries/digests", digests ?? {}).set("/entries", { status: 503 });
    const late = signed();
    middle.lists(late);
    await expect(follower.operate("POST", `/peers/${id}/verify`, {})).rejects.toThrow("was answered 503");
    expect(await follower.entry(document)).toMatchObject({ state: "active" });
    answers.set("/entries", list ?? {});
    // The follower may have fetched it by itself since.
    expect(await verify()).toMatchObject({ withdrawn: 0, equal: true });
    await waitForEntry([follower], late);
  });

  test("withdraws nothing that another registry lists, and says nothing in the name of another", async () => {
    await follower.follow(origin);
    const document = await published(origin);
    await waitForEntry([follower], document);
    await middle.send(follower, [middle.activityOf(document, { path: path() })]);
    await middle.send(follower, [middle.withdrawalOf(document)]);
    expect(await follower.entry(document)).toMatchObject({ state: "active", origin: origin.origin });

    const object = { id: `${origin.origin}/entries/${keyOf(document)}`, type: "Tombstone", formerType: "Note" };
    const asOrigin = { id: `${object.id}#end`, type: "Delete", actor: `${origin.origin}/actor`, object };
    expect((await middle.post(follower, asOrigin)).status).toBe(401);
    const asItself = { ...asOrigin, actor: middle.actor, id: `${middle.origin}/end` };
    expect((await middle.post(follower, asItself)).status).toBe(400);
    const batch = { type: "OrderedCollection", actor: middle.actor, orderedItems: [asOrigin] };
    expect((await middle.post(follower, batch)).status).toBe(400);
    expect((await middle.post(follower, { ...batch, actor: asOrigin.actor })).status).toBe(401);
    const forged = middle.activityOf(signed());
    const listed = { ...asOrigin, type: "Create", object: { ...(forged["object"] as JsonObject), id: object.id } };
    expect((await middle.post(follower, listed)).status).toBe(401);
    expect(await follower.entry(document)).toMatchObject({ state: "active", origin: origin.origin });
  });

  test("is not held up by who speaks in its name, and nothing is fetched for them", async () => {
    await using stranger = await startUntrustedRegistry(clock);
    const document = signed();
    const activity = middle.activityOf(document);
    expect((await stranger.post(follower, activity)).status).toBe(401);
    expect(stranger.host.seen).toEqual([]);
    // As many activities as a peer may send at once, and more.
    const items = Array.from({ length: limits.inboxActivitiesMax }, () => middle.withdrawalOf(document));
    const body = JSON.stringify({ type: "OrderedCollection", actor: middle.actor, orderedItems: items });
    const headers = { "content-type": "application/activity+json" };
    const statuses = new Set<number>();
    for (let sent = 0; sent < 1.2 * limits.peerActivitiesMax; sent += limits.inboxActivitiesMax) {
      const response = await follower.request("/inbox", { method: "POST", headers, body });
      statuses.add(response.status);
    }
    expect([...statuses]).toEqual([401]);
    expect(await middle.send(follower, [activity])).toEqual([{ outcome: "taken", changed: true }]);
  });

  test("brings nothing back to where it came from", async () => {
    const own = await published(follower);
    const document = signed();
    const loop = middle.activityOf(document, { path: [follower.origin, middle.origin] });
    const verdicts = await middle.send(follower, [
      loop,
      middle.activityOf(own, { path: [follower.origin, middle.origin] }),
    ]);
    expect(verdicts).toMatchObject([
      { outcome: "refused", problem: "loop" },
      { outcome: "refused", problem: "loop" },
    ]);
    expect(await follower.entry(document)).toBeUndefined();
    expect(await follower.entry(own)).toMatchObject({ door: "http", origin: null, state: "active" });
  });
});
