import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { type ActorHost, serveActor, startActorHost, type TestActor } from "../../test/support/actor-host.ts";
import { signedTd } from "../../test/support/descriptions.ts";
import { type FederatedRegistry, startRegistry } from "../../test/support/federated.ts";
import { problemOf } from "../../test/support/service.ts";

let registry: FederatedRegistry;

beforeAll(async () => {
  registry = await startRegistry();
});

afterAll(() => registry.close());

/** A host for each test: the rate is per host. */
let host: ActorHost;
let actor: TestActor;

beforeEach(async () => {
  host = await startActorHost();
  actor = serveActor(host, systemClock);
  return () => host[Symbol.asyncDispose]();
});

async function post(activity: JsonObject | string, signedBy: TestActor | null = actor): Promise<Response> {
  const text = typeof activity === "string" ? activity : JSON.stringify(activity);
  const body = Buffer.from(text);
  const url = `${registry.origin}/inbox`;
  const headers = { "content-type": "application/activity+json" };
  const signed =
    signedBy === null ? headers : await signedBy.signer.sign({ method: "POST", url, headers, body }, "rfc9421");
  return registry.fetch("/inbox", { method: "POST", headers: signed, body });
}

function follow(members: JsonObject = {}): JsonObject {
  return {
    "@context": "https://www.w3.org/ns/activitystreams",
    id: `${host.origin}/follows/1`,
    type: "Follow",
    actor: actor.id,
    object: `${registry.origin}/actor`,
    ...members,
  };
}

function create(): JsonObject {
  const object = {
    id: `${host.origin}/notes/1`,
    type: "Note",
    source: { content: signedTd().text, mediaType: "application/td+json" },
  };
  return { id: `${host.origin}/notes/1#1`, type: "Create", actor: actor.id, object };
}

describe("a stranger", () => {
  test("who follows is asked for itself, at its own host and nowhere else", async () => {
    expect((await post(follow())).status).toBe(202);
    expect(await registry.peer({ origin: host.origin })).toMatchObject({ follower: { state: "accepted" } });
    const fetched = host.seen.filter(({ method }) => method === "GET").map(({ url }) => new URL(url).pathname);
    expect(fetched.length).toBeLessThanOrEqual(3);
    expect(new Set(fetched)).toEqual(new Set(["/actor"]));
  });

  test("who likes, boosts or replies is answered politely, and costs no request", async () => {
    for (const type of ["Like", "Announce", "Question", "Move", "EmojiReact"]) {
      const activity = { id: `${host.origin}/x`, type, actor: actor.id, object: `${registry.origin}/entries/1` };
      expect((await post(activity, null)).status, type).toBe(202);
    }
    const reply = { id: `${host.origin}/r`, type: "Note", content: "hello" };
    expect((await post({ id: `${host.origin}/c`, type: "Create", actor: actor.id, object: reply }, null)).status).toBe(
      202,
    );
    expect(host.seen).toEqual([]);
  });

  test("who sends entries that nobody asked for is refused before anything is fetched", async () => {
    const response = await post(create());
    expect(response.status).toBe(403);
    expect(await problemOf(response)).toBe("peer-refused");
    expect(host.seen).toEqual([]);
  });

  test("who sends more than a little is told to come later", async () => {
    const answers: Response[] = [];
    for (let count = 0; count <= limits.strangerRequestsMax; count += 1) {
      answers.push(await post({ id: `${host.origin}/x`, type: "Like", actor: actor.id, object: "x" }, null));
    }
    expect(answers.map(({ status }) => status)).toEqual([
      ...Array.from({ length: limits.strangerRequestsMax }, () => 202),
      429,
    ]);
    expect(Number(answers.at(-1)?.headers.get("retry-after"))).toBeGreaterThan(0);
  });
});

describe("an activity", () => {
  test("counts as its actor's only with the actor's signature", async () => {
    expect(await problemOf(await post(follow(), null))).toBe("invalid-signature");
    const other = serveActor(host, systemClock, { path: "/other" });
    expect(await problemOf(await post(follow(), other))).toBe("invalid-signature");
    const elsewhere = await startActorHost();
    await using _ = elsewhere;
    expect(await problemOf(await post(follow(), serveActor(elsewhere, systemClock)))).toBe("invalid-signature");
    await expect(registry.peer({ origin: host.origin })).rejects.toThrow();
  });

  test("whose sender's key cannot be had now is to be sent again", async () => {
    host.answers.set("/actor", { status: 503 });
    const response = await post(follow());
    expect(response.status).toBe(503);
    expect(await problemOf(response)).toBe("peer-unavailable");
  });

  test("that is none is refused with what is wrong with it", async () => {
    expect(await problemOf(await post("{"))).toBe("invalid-json");
    expect(await problemOf(await post("[]"))).toBe("invalid-json");
    expect((await post({ type: "Follow" })).status).toBe(400);
    expect((await post(follow({ object: `${registry.origin}/somebody` }))).status).toBe(400);
    expect((await post(follow({ id: "https://other.example/1" }))).status).toBe(400);
  });
});

test("a blocked server is refused before anything is fetched", async () => {
  await post(follow());
  const { id } = await registry.peer({ origin: host.origin });
  await registry.operate("POST", `/peers/${id}/block`);
  const seen = host.seen.length;
  const response = await post(follow({ id: `${host.origin}/follows/2` }));
  expect(response.status).toBe(403);
  const sibling = serveActor(host, systemClock, { path: "/sibling" });
  expect((await post(follow({ actor: sibling.id }), sibling)).status).toBe(403);
  expect(host.seen.slice(seen).filter(({ method }) => method === "GET")).toEqual([]);
});

test("an Undo ends the follow that it names, and no later one", async () => {
  await post(follow());
  await post(follow({ id: `${host.origin}/follows/2` }));
  const undo = (id: string): JsonObject => {
    return {
      id: `${id}#undo`,
      type: "Undo",
      actor: actor.id,
      object: { id, type: "Follow", actor: actor.id, object: `${registry.origin}/actor` },
    };
  };
  await post(undo(`${host.origin}/follows/1`));
  expect(await registry.peer({ origin: host.origin })).toMatchObject({ follower: { state: "accepted" } });
  await post(undo(`${host.origin}/follows/2`));
  await expect
    .poll(async () => (await registry.peers()).map(({ origin, follower }) => `${origin} ${follower.state}`))
    .not.toContain(`${host.origin} accepted`);
});
