import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ActorHost, serveActor, startActorHost, type TestActor } from "../../test/support/actor-host.ts";
import { movableClock } from "../../test/support/clock.ts";
import { createEgress, type PostingEgress } from "../base/egress.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { createRemoteActors, type RemoteActors } from "./remote-actors.ts";
import { createRemoteDocuments } from "./remote-documents.ts";

const clock = movableClock();
let egress: PostingEgress;
let host: ActorHost;
let other: ActorHost;
let actor: TestActor;
let actors: RemoteActors;

beforeEach(async () => {
  egress = createEgress({ allowPrivateAddresses: true });
  host = await startActorHost();
  other = await startActorHost();
  actor = serveActor(host, clock);
  const self = serveActor(other, clock);
  actors = createRemoteActors({
    documents: createRemoteDocuments({ egress, signer: self.signer }),
    schemes: ["https", "http"],
  });
  host.answers.set("/.well-known/webfinger", ({ url }) => webFinger(url, actor.id));
  vi.stubGlobal("fetch", () => {
    throw new Error("fetch was called");
  });
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await egress.close();
  await host[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

function webFinger(url: string, href: string) {
  const subject = new URL(url).searchParams.get("resource") ?? "";
  const links = [
    { rel: "http://webfinger.net/rel/profile-page", type: "text/html", href: `${host.origin}/` },
    { rel: "self", type: "application/activity+json", href },
  ];
  return {
    headers: { "content-type": "application/jrd+json" },
    body: JSON.stringify({ subject, links }),
  };
}

const serve = (changes: JsonObject): void => {
  host.answers.set("/actor", { body: { ...actor.document, ...changes } });
};

const refusal = { name: "Problem", type: "invalid-parameter" };

describe("an actor is found", () => {
  test("by its URL, that of its registry, or its handle", async () => {
    const { host: name } = new URL(host.origin);
    const targets = [actor.id, host.origin, `${host.origin}/`, `@registry@${name}`, `registry@${name}`];
    for (const target of [...targets, `acct:registry@${name}`]) {
      expect(await actors.lookup(target), target).toEqual({
        id: actor.id,
        origin: host.origin,
        type: "Application",
        inbox: `${host.origin}/inbox`,
        sharedInbox: null,
        name: null,
        handle: `registry@${name}`,
        entriesUrl: null,
        batchMax: 1,
      });
    }
    const asked = host.seen.filter(({ url }) => url.includes("webfinger")).map(({ url }) => new URL(url).searchParams);
    expect(new Set(asked.map((parameters) => parameters.get("resource")))).toEqual(new Set([`acct:registry@${name}`]));
    expect(host.seen.find(({ url }) => url === actor.id)?.headers.has("signature")).toBe(true);
  });

  test("with what makes it a registry of our kind, in bounds", async () => {
    const entries = `${host.origin}/entries`;
    serve({ "thingstead:entries": entries, "thingstead:batchMax": 1_000_000, name: "A\u202e  registry\n" });
    expect(await actors.lookup(actor.id)).toMatchObject({
      entriesUrl: entries,
      batchMax: limits.inboxActivitiesMax,
      name: "A registry",
    });
    serve({ "thingstead:entries": entries });
    expect(await actors.lookup(actor.id)).toMatchObject({ entriesUrl: null, batchMax: 1 });
    serve({ endpoints: { sharedInbox: `${host.origin}/shared` }, type: ["Service", "Bot"] });
    expect(await actors.lookup(actor.id)).toMatchObject({ sharedInbox: `${host.origin}/shared`, type: "Service" });
    serve({ endpoints: { sharedInbox: `${other.origin}/shared` } });
    expect(await actors.lookup(actor.id)).toMatchObject({ sharedInbox: null });
  });

  test("from a page about it, also on another host: its own origin is asked who it is", async () => {
    host.answers.set("/@registry", { body: actor.document });
    other.answers.set("/@registry", { body: { ...actor.document, inbox: `${other.origin}/inbox` } });
    for (const page of [`${host.origin}/@registry`, `${other.origin}/@registry`]) {
      expect(await actors.lookup(page)).toMatchObject({ id: actor.id, inbox: `${host.origin}/inbox` });
    }
    // An account may be of another host than its actor.
    other.answers.set("/.well-known/webfinger", ({ url }) => webFinger(url, actor.id));
    const handle = `@registry@${new URL(other.origin).host}`;
    expect(await actors.lookup(handle)).toMatchObject({ id: actor.id, origin: host.origin });
  });
});

describe("an actor is refused", () => {
  test.each<[string, () => JsonObject]>([
    ["whose inbox is elsewhere", () => ({ inbox: `${other.origin}/inbox` })],
    ["whose inbox is no URL", () => ({ inbox: "/inbox" })],
    ["whose inbox has a control character", () => ({ inbox: `${host.origin}/\u0000` })],
    ["without an inbox", () => ({ inbox: null })],
    [
      "whose list of entries is elsewhere",
      () => ({ "thingstead:entries": `${other.origin}/entries`, "thingstead:batchMax": 10 }),
    ],
    ["that takes no activities", () => ({ "thingstead:entries": `${host.origin}/e`, "thingstead:batchMax": 0 })],
    ["that is no actor", () => ({ type: "Note" })],
    ["whose id is that of somebody else", () => ({ id: `${other.origin}/actor/x` })],
    ["without an id", () => ({ id: null })],
  ])("%s", async (_what, changes) => {
    serve(changes());
    await expect(actors.lookup(actor.id)).rejects.toMatchObject(refusal);
  });

  test.each([
    "",
    "registry",
    "@@",
    "ftp://a.example/actor",
    "did:web:a.example",
    "@registry@",
    "@a@b@c",
    "javascript:1",
  ])("if the target is %j", async (target) => {
    await expect(actors.lookup(target)).rejects.toMatchObject(refusal);
  });

  test("that WebFinger does not name, or names elsewhere for a registry's own address", async () => {
    host.answers.set("/.well-known/webfinger", ({ url }) => webFinger(url, `${other.origin}/actor`));
    await expect(actors.lookup(host.origin)).rejects.toMatchObject(refusal);
    for (const body of ["", "[]", '{"links":[]}', '{"links":[{"rel":"self"}]}']) {
      host.answers.set("/.well-known/webfinger", { body });
      await expect(actors.lookup(host.origin)).rejects.toMatchObject(refusal);
    }
    host.answers.delete("/.well-known/webfinger");
    await expect(actors.lookup(host.origin)).rejects.toMatchObject(refusal);
  });

  test("at an address that must not be reached, without a connection", async () => {
    const strict = createEgress({ allowPrivateAddresses: false });
    const documents = createRemoteDocuments({ egress: strict, signer: actor.signer });
    const careful = createRemoteActors({ documents, schemes: ["https"] });
    for (const target of [actor.id, host.origin, `@registry@${new URL(host.origin).host}`]) {
      await expect(careful.lookup(target)).rejects.toMatchObject(refusal);
    }
    expect(host.connections()).toBe(0);
    await strict.close();
  });
});

test("an actor that cannot be asked now can be asked later", async () => {
  host.answers.set("/actor", { status: 503 });
  await expect(actors.lookup(actor.id)).rejects.toMatchObject({ type: "peer-unavailable", retry: "later" });
  await expect(actors.lookup("http://127.0.0.1:9/actor")).rejects.toMatchObject({ type: "peer-unavailable" });
});
