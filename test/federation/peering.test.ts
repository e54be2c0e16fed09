import { eq, sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { entries, listings, versions } from "../../src/db/schema/index.ts";
import { type SignedTd, signedTd, signedTombstone, tdOf } from "../support/descriptions.ts";
import {
  type FederatedRegistry,
  type ShiftedClock,
  shiftedClock,
  type ShownPeer,
  type ShownVerification,
  startRegistry,
  waitForEntry,
  waitUntil,
} from "../support/federated.ts";
import { problemOf, thingPath } from "../support/service.ts";
import { keyOf, startUntrustedRegistry, type UntrustedRegistry } from "./untrusted-registry.ts";

// Several registries share the machine: each step waits for what it needs, and no longer.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let clock: ShiftedClock;
let origin: FederatedRegistry;
let follower: FederatedRegistry;
let third: FederatedRegistry;
beforeAll(async () => {
  clock = shiftedClock();
  [origin, follower, third] = await Promise.all([
    startRegistry({}, { clock }),
    startRegistry({}, { clock }),
    startRegistry({ peerPolicy: "allowlist" }, { clock }),
  ]);
});
afterAll(async () => {
  await Promise.all([origin?.close(), follower?.close(), third?.close()]);
});

const signed = (members: JsonObject = {}, options: { key?: SignedTd["key"] } = {}) =>
  signedTd({ ...options, created: clock.now(), members });
const next = (document: SignedTd, members: JsonObject = {}) =>
  signed({ ...document.json, proof: undefined as never, id: document.id, ...members }, document);

async function published(registry: FederatedRegistry, members: JsonObject = {}): Promise<SignedTd> {
  const document = signed(members);
  await registry.publish(document);
  return document;
}

/** Waits until a registry answers with this status for an entry. */
async function waitForStatus(registry: FederatedRegistry, document: SignedTd, status: number): Promise<void> {
  await waitUntil(`${registry.origin} answers ${status} for ${document.id}`, async () => {
    const response = await registry.fetch(thingPath(document.id));
    await response.body?.cancel();
    return response.status === status;
  });
}

async function search(registry: FederatedRegistry, query: string) {
  const response = await registry.fetch(`/search?${query}`);
  expect(response.status).toBe(200);
  return (await response.json()) as {
    items: { id: string; title: string; origin: string | null; stale: boolean }[];
    peers?: { peer: string; state: string; items: number; dropped: number }[];
  };
}

const idsOf = ({ items }: { items: { id: string }[] }) => items.map(({ id }) => id).toSorted();
const operator = (registry: FederatedRegistry, peer: ShownPeer, act: string) =>
  registry.operate<ShownPeer>("POST", `/peers/${peer.id}/${act}`, {});

describe("following a registry by its URL", () => {
  test("brings what was there before, with its proof and where it came from", async () => {
    const before = [await published(origin), await published(origin), await published(origin)];
    const gone = await published(origin);
    await origin.publish(signedTombstone(gone.id, gone.key, clock.now()));
    const peer = await follower.follow(origin);
    expect(peer).toMatchObject({
      actor: `${origin.origin}/actor`,
      handle: `registry@${new URL(origin.origin).host}`,
      isRegistry: true,
      following: { state: "accepted", filter: null, entries: 4, refused: 0, held: 0 },
      follower: { state: "none" },
    });
    expect(await origin.peer(follower)).toMatchObject({
      follower: { state: "accepted" },
      following: { state: "none" },
    });
    await waitForEntry([follower], before[0] as SignedTd);
    for (const document of before) {
      expect(await (await follower.fetch(thingPath(document.id))).text()).toBe(document.text);
      expect(await follower.entry(document)).toMatchObject({ door: "inbox", origin: origin.origin, state: "active" });
    }
    await waitForStatus(follower, gone, 410);
  });

  test("brings what is registered later, its new versions and its end", async () => {
    const document = await published(origin);
    await waitForEntry([follower], document);
    const second = next(document, { title: "Second version" });
    await origin.publish(second);
    await waitForEntry([follower], second);
    const tombstone = signedTombstone(document.id, document.key, clock.now());
    await origin.publish(tombstone);
    await waitForStatus(follower, document, 410);
    expect(await (await follower.fetch(thingPath(document.id))).text()).toBe(tombstone.text);
  });

  test("is found by search, with the registry that it came from", async () => {
    const document = await published(origin, { title: "Capybara agent" });
    await waitUntil("search has it", async () => idsOf(await search(follower, "q=capybara")).includes(document.id));
    expect((await search(follower, "q=capybara")).items[0]).toMatchObject({ origin: origin.origin, stale: false });
  });

  test("brings it no further: who follows the follower hears of the follower's own entries", async () => {
    await third.follow(follower);
    const document = await published(origin);
    await waitForEntry([follower], document);
    const own = await published(follower);
    await waitForEntry([third], own);
    expect(await third.entry(document)).toBeUndefined();
    expect((await third.peer(follower)).following.entries).toBe(1);
    expect(await (await follower.fetch("/entries")).text()).not.toContain(document.id);
    await third.operate("DELETE", `/peers/${(await third.peer(follower)).id}`);
    await waitForStatus(third, own, 404);
  });
});

describe("a registry that waits for its operator", () => {
  test("lets follow whom the operator accepts, and whom it rejects no more", async () => {
    const document = await published(third);
    await follower.operate("POST", "/peers", { target: third.origin });
    await waitUntil("the follower waits", async () => (await third.peer(follower)).follower.state === "pending");
    expect((await follower.peer(third)).following.state).toBe("requested");
    expect(await follower.entry(document)).toBeUndefined();
    await operator(third, await third.peer(follower), "accept");
    await waitForEntry([follower], document);
    expect((await follower.peer(third)).following.state).toBe("accepted");

    await operator(third, await third.peer(follower), "reject");
    await waitUntil("the follower hears", async () => (await follower.peer(third)).following.state === "rejected");
    await waitForStatus(follower, document, 404);
    await operator(third, await third.peer(follower), "accept");
    await waitForEntry([follower], document);
  });
});

describe("a follow by handle, with a filter", () => {
  test("brings what matches; what stops matching goes, and what starts to comes", async () => {
    const handle = `@registry@${new URL(origin.origin).host}`;
    const actions = (name: string): JsonObject => ({
      actions: { [name]: { forms: [{ href: `https://agent.example/${name}` }] } },
    });
    const wanted = await published(origin, actions("translate"));
    const other = await published(origin, actions("paint"));
    await third.operate("POST", "/peers", {
      target: handle,
      filter: { capability: ["translate"], type: [], lang: [] },
    });
    await waitForEntry([third], wanted);
    await waitUntil("the list was compared", async () => (await third.peer(origin)).following.verifiedAt !== null);
    expect((await third.peer(origin)).following.entries).toBe(1);
    expect(await third.entry(other)).toBeUndefined();

    const later = await published(origin, actions("translate"));
    const unwanted = await published(origin, actions("paint"));
    await waitForEntry([third], later);
    const stopped = next(wanted, actions("paint"));
    await origin.publish(stopped);
    await waitUntil("it is withdrawn", async () => (await third.entry(wanted))?.state === "unlisted");
    const started = next(other, actions("translate"));
    await origin.publish(started);
    await waitForEntry([third], started);
    expect(await third.entry(unwanted)).toBeUndefined();

    await third.follow(origin);
    await waitForEntry([third], stopped);
    await waitForEntry([third], unwanted);
  });
});

describe("what a registry does not list any more", () => {
  test("goes at its followers, as far as nobody else lists it", async () => {
    const here = await published(origin);
    const both = await published(origin);
    await third.publish(both);
    await waitForEntry([follower], here);
    await waitForEntry([follower], both);
    await waitUntil("both list it", async () => {
      const rows = await follower.db.orm
        .select()
        .from(listings)
        .where(eq(listings.key, keyOf(both)));
      return rows.length === 2;
    });
    await origin.operate("DELETE", thingPath(here.id));
    await origin.operate("DELETE", thingPath(both.id));
    await waitForStatus(follower, here, 404);
    expect(await follower.entry(here)).toMatchObject({ state: "unlisted", unlistedBy: "origin" });
    await waitUntil("the other registry is its origin", async () => {
      return (await follower.entry(both))?.origin === third.origin;
    });
    expect(await (await follower.fetch(thingPath(both.id))).text()).toBe(both.text);
    // That the third registry still has it as its own is its own affair.
    expect(await third.entry(both)).toMatchObject({ state: "active", door: "http" });
  });
});

describe("an end of the follow", () => {
  test("takes what came by it, and no more is sent", async () => {
    const [mine, theirs] = [await published(follower), await published(third)];
    await waitForEntry([follower], theirs);
    const { id } = await follower.peer(third);
    await follower.operate("DELETE", `/peers/${id}`);
    await waitForStatus(follower, theirs, 404);
    await waitForEntry([follower], mine);
    await waitUntil("it is told", async () => {
      return (await third.peers()).every((peer) => peer.origin !== follower.origin || peer.follower.state === "none");
    });
    expect((await third.fetch("/followers?page=1")).status).toBe(200);
    expect(await (await third.fetch("/followers?page=1")).text()).not.toContain(follower.origin);
  });
});

describe("a block", () => {
  test("hides at once what came from a peer, and its messages are refused, until it is undone", async () => {
    const document = await published(origin, { title: "Blocked quokka agent" });
    await waitUntil("search has it", async () => idsOf(await search(follower, "q=quokka")).includes(document.id));
    const blocked = await operator(follower, await follower.peer(origin), "block");
    expect(blocked.blocked).toBe(true);
    expect((await follower.fetch(thingPath(document.id))).status).toBe(404);
    expect(await search(follower, "q=quokka")).toMatchObject({ items: [] });

    const later = await published(origin);
    await waitUntil("the sender is told", async () => {
      return (await origin.peer(follower)).follower.lastError?.includes("status 403") ?? false;
    });
    expect(await follower.entry(later)).toBeUndefined();

    await operator(follower, await follower.peer(origin), "unblock");
    await waitForEntry([follower], document);
    await waitForEntry([follower], later);
  });
});

describe("the comparison with a peer's list", () => {
  test("finds what was removed and what was altered behind the registry's back", async () => {
    const removed = await published(origin);
    const altered = await published(origin);
    await waitForEntry([follower], removed);
    await waitForEntry([follower], altered);
    const { id } = await follower.peer(origin);
    const verify = () => follower.operate<ShownVerification>("POST", `/peers/${id}/verify`, {});
    expect(await verify()).toEqual({ requests: expect.any(Number), fetched: 0, refused: 0, withdrawn: 0, equal: true });
    const { orm } = follower.db;
    await orm.delete(listings).where(eq(listings.key, keyOf(removed)));
    await orm.delete(entries).where(eq(entries.key, keyOf(removed)));
    await orm.delete(versions).where(eq(versions.entryKey, keyOf(removed)));
    await orm
      .update(listings)
      .set({ digest: sql`sha256('another document')` })
      .where(eq(listings.key, keyOf(altered)));
    const never = keyOf(signed());
    await orm.insert(listings).values({
      peer: id,
      key: never,
      digest: "0".repeat(64) as typeof listings.$inferInsert.digest,
      objectId: `${origin.origin}/entries/${never}`,
      path: [origin.origin],
      modified: clock.now(),
    });
    const report = await verify();
    expect(report).toMatchObject({ fetched: 2, refused: 0, withdrawn: 1 });
    await waitForEntry([follower], removed);
    expect(await verify()).toMatchObject({ fetched: 0, withdrawn: 0, equal: true });
  });
});

test("who is blocked is answered with 403 before anything is fetched", async () => {
  await using stranger = await startUntrustedRegistry(clock);
  await follower.follow(stranger);
  await operator(follower, await follower.peer(stranger), "block");
  stranger.host.seen.length = 0;
  const response = await stranger.post(follower, stranger.activityOf(signed()));
  expect(response.status).toBe(403);
  expect(await problemOf(response)).toBe("peer-refused");
  expect(stranger.host.seen).toEqual([]);
});

describe("an untrusted registry", () => {
  let untrusted: UntrustedRegistry;
  beforeAll(async () => {
    untrusted = await startUntrustedRegistry(clock);
    await follower.follow(untrusted);
  });
  afterAll(() => untrusted?.[Symbol.asyncDispose]());

  test("gets 202 for what a registry has no use for, and nothing changes by it", async () => {
    for (const type of ["Like", "Announce", "Question", "Move", "Flag"]) {
      const activity = { id: `${untrusted.origin}/${type}`, type, actor: untrusted.actor, object: origin.origin };
      const response = await untrusted.post(follower, activity);
      expect([type, response.status]).toEqual([type, 202]);
    }
    const reply = { type: "Note", id: `${untrusted.origin}/note`, content: "Hello" };
    const create = { id: `${untrusted.origin}/reply`, type: "Create", actor: untrusted.actor, object: reply };
    expect((await untrusted.post(follower, create)).status).toBe(202);
    expect((await follower.peer(untrusted)).following).toMatchObject({ entries: 0, refused: 0 });
  });

  test("decides in a live search about the order of its results, and nothing else", async () => {
    const told = signed({ title: "Numbat agent" });
    const altered = signed({ title: "Altered numbat agent" });
    const unsigned = tdOf({ title: "Unsigned numbat agent" });
    const misnamed = signed({ title: "Misnamed numbat agent" });
    untrusted.host.answers.set("/search", {
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        items: [
          { id: told.id, title: "Your bank", controller: origin.origin, score: 99, document: told.text },
          { id: altered.id, title: "x", document: altered.text.replace("Altered", "Trusted") },
          { id: unsigned["id"], title: "x", document: JSON.stringify(unsigned) },
          { id: told.id, title: "x", document: misnamed.text },
          { id: misnamed.id, title: "x" },
        ],
      }),
    });
    const mine = await published(origin, { title: "Numbat agent of a peer" });
    await waitUntil("the peer's search has it", async () => idsOf(await search(origin, "q=numbat")).length > 0);
    await waitForEntry([follower], mine);
    // The first answer of a peer may take longer than it is waited for.
    await waitUntil("all peers answer", async () => {
      const { peers = [] } = await search(follower, "q=numbat&scope=peers");
      return peers.length === 2 && peers.every(({ state }) => state === "answered");
    });
    const { items, peers } = await search(follower, "q=numbat&scope=peers");
    expect(items.map(({ id }) => id).toSorted()).toEqual([told.id, mine.id].toSorted());
    expect(items.find(({ id }) => id === told.id)).toMatchObject({ title: "Numbat agent", origin: untrusted.origin });
    expect(peers?.find(({ peer }) => peer === untrusted.origin)).toMatchObject({ items: 1, dropped: 4 });
  });

  test("is named where it takes too long for a live search, and holds up nobody", async () => {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    untrusted.host.answers.set("/search", async () => {
      await ended;
      return { status: 503 };
    });
    const { items, peers } = await search(follower, "q=numbat&scope=peers");
    expect(peers?.find(({ peer }) => peer === untrusted.origin)).toMatchObject({ state: "timeout", items: 0 });
    expect(items).toHaveLength(1);
    end();
  });

  test("is labelled stale once it is silent for longer than STALE_AFTER", async () => {
    const document = signed({ title: "Bilby agent" });
    untrusted.lists(document);
    await untrusted.send(follower, [untrusted.activityOf(document)]);
    const bilby = async () => (await search(follower, "q=bilby")).items[0];
    await waitUntil("search has it", async () => (await bilby())?.id === document.id);
    expect(await bilby()).toMatchObject({ stale: false, origin: untrusted.origin });
    await untrusted[Symbol.asyncDispose]();
    clock.pass(86_400_000 - 60_000);
    expect(await bilby()).toMatchObject({ stale: false });
    clock.pass(120_000);
    await waitUntil("it is stale", async () => (await bilby())?.stale === true);
    expect((await follower.peer(untrusted)).stale).toBe(true);
    const registration = await follower.fetch(`${thingPath(document.id)}/registration`);
    expect(await registration.json()).toMatchObject({ provenance: { origin: untrusted.origin, stale: true } });
    // It is stale, not gone; and the other peers are not.
    await waitUntil("others are not", async () => !(await follower.peer(origin)).stale);
  });
});
