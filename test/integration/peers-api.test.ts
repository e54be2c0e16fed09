import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { FollowFilter } from "../../src/db/schema/index.ts";
import { limits } from "../../src/base/limits.ts";
import { Problem } from "../../src/base/problem.ts";
import type { PeerReport, PeersPort } from "../../src/http/federation-port.ts";
import { type FederatedApp, startFederatedApp } from "../support/federated-app.ts";
import { adminToken, problemOf, startTestService } from "../support/service.ts";

const id = "6f1f0f7a-5a3e-4a52-9d0c-2f6fb1f7c0de";

/** A peer of which everything is known, since the answers have to have it. */
function reportOf(changes: Partial<PeerReport["following"]> = {}): PeerReport {
  const at = new Date("2027-03-01T00:00:00Z");
  return {
    id,
    actor: "https://peer.example/actor",
    origin: "https://peer.example",
    handle: "registry@peer.example",
    name: "Peer",
    isRegistry: true,
    blocked: false,
    created: at,
    lastHeard: at,
    stale: false,
    follower: {
      state: "pending",
      filter: null,
      cursor: "e.1.2",
      lag: 3,
      failures: 0,
      nextDelivery: at,
      lastError: null,
      lastErrorAt: null,
    },
    following: {
      state: "none",
      filter: null,
      cursor: null,
      pulledAt: null,
      verifiedAt: at,
      nextPull: null,
      lastError: null,
      entries: 5,
      refused: 1,
      held: 2,
      ...changes,
    },
  };
}

let calls: unknown[] = [];
let known: PeerReport[] = [];
const act =
  (name: string) =>
  async (peer: string): Promise<PeerReport> => {
    calls.push([name, peer]);
    if (!known.some((one) => one.id === peer)) throw new Problem("not-found", "There is no such peer.");
    return reportOf();
  };

const peers: PeersPort = {
  list: async () => known,
  async follow(target: string, filter: FollowFilter | null) {
    calls.push(["follow", target, filter]);
    if (target.includes("nobody")) throw new Problem("peer-unavailable", "It does not answer.");
    const peer = reportOf({ state: "requested", filter });
    known = [peer];
    return peer;
  },
  unfollow: act("unfollow"),
  accept: act("accept"),
  reject: act("reject"),
  block: act("block"),
  unblock: act("unblock"),
  async verify(peer) {
    await act("verify")(peer);
    return { requests: 3, fetched: 2, refused: 1, withdrawn: 0, equal: true };
  },
};

let app: FederatedApp;
beforeAll(async () => {
  app = await startFederatedApp({ peers });
});
afterAll(() => app[Symbol.asyncDispose]());
beforeEach(() => {
  calls = [];
  known = [];
});

const admin = { authorization: `Bearer ${adminToken}` };

function send(method: string, path: string, body?: unknown, headers: Record<string, string> = admin) {
  const content = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
  const type: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  return app.request(path, { method, headers: { ...type, ...headers }, ...content });
}

const routes: [string, string][] = [
  ["GET", "/peers"],
  ["POST", "/peers"],
  ["DELETE", `/peers/${id}`],
  ...["accept", "reject", "block", "unblock", "verify"].map((name): [string, string] => [
    "POST",
    `/peers/${id}/${name}`,
  ]),
];

describe("managing peers", () => {
  test.each(routes)("is the operator's: %s %s", async (method, path) => {
    const body = path === "/peers" && method === "POST" ? { target: "https://peer.example" } : undefined;
    expect(await problemOf(await send(method, path, body, {}))).toBe("token-required");
    const now = new Date();
    const made = await app.registry.fetch("/tokens", {
      method: "POST",
      headers: { ...admin, "content-type": "application/json" },
      body: JSON.stringify({ name: `a writer of ${now.toISOString()}`, scope: "write" }),
    });
    const { token } = (await made.json()) as { token: string };
    expect(await problemOf(await send(method, path, body, { authorization: `Bearer ${token}` }))).toBe(
      "insufficient-scope",
    );
    expect(calls).toEqual([]);
  });

  test("is told in instants that everybody can read, and kept in no cache", async () => {
    known = [reportOf()];
    const response = await send("GET", "/peers");
    expect(response.headers.get("cache-control")).toBe("no-store");
    const body = (await response.json()) as { peers: unknown[] };
    expect(body).toEqual(JSON.parse(JSON.stringify({ peers: known })));
    expect(body.peers[0]).toMatchObject({ created: "2027-03-01T00:00:00.000Z", following: { pulledAt: null } });
  });

  test("follows, and once more changes the filter", async () => {
    const first = await send("POST", "/peers", { target: "@registry@peer.example" });
    expect([first.status, first.headers.get("location")]).toEqual([201, `https://registry.example/peers/${id}`]);
    expect(await first.json()).toMatchObject({ id, following: { state: "requested" } });
    const again = await send("POST", "/peers", {
      target: "https://peer.example",
      filter: { capability: ["getWeather"] },
    });
    expect(again.status).toBe(200);
    const emptied = await send("POST", "/peers", { target: "https://peer.example", filter: { lang: [] } });
    expect(emptied.status).toBe(200);
    expect(calls).toEqual([
      ["follow", "@registry@peer.example", null],
      ["follow", "https://peer.example", { capability: ["getWeather"], type: [], lang: [] }],
      ["follow", "https://peer.example", null],
    ]);
  });

  test("a peer that follows us is followed anew", async () => {
    known = [reportOf({ state: "none" })];
    expect((await send("POST", "/peers", { target: "https://peer.example" })).status).toBe(201);
  });

  test("says when a registry cannot be asked", async () => {
    const response = await send("POST", "/peers", { target: "https://nobody.example" });
    expect([response.status, await problemOf(response)]).toEqual([503, "peer-unavailable"]);
  });

  const tooMany = Array.from({ length: limits.followTermsMax + 1 }, (_, index) => `c${index}`);
  test.each([
    ["an empty body", {}, ["/target"]],
    [
      "faults together",
      { target: "", filter: { capability: [""], tag: ["x"] }, colour: 1 },
      ["", "/filter", "/filter/capability/0", "/target"],
    ],
    ["a target that is no text", { target: 5 }, ["/target"]],
    ["a long target", { target: "x".repeat(limits.activityIdBytesMax + 1) }, ["/target"]],
    [
      "a long term",
      { target: "a", filter: { type: ["é".repeat(limits.followTermBytesMax / 2 + 1)] } },
      ["/filter/type/0"],
    ],
    ["control characters", { target: "a", filter: { type: ["a\u0000"] } }, ["/filter/type/0"]],
    ["too many terms", { target: "a", filter: { capability: tooMany } }, ["filter"]],
  ])("names each fault: %s", async (_, body, fields) => {
    const response = await send("POST", "/peers", body);
    const { validationErrors } = (await response.json()) as { validationErrors: { field: string }[] };
    expect(response.status).toBe(400);
    expect(validationErrors.map(({ field }) => field).toSorted()).toEqual(fields);
    expect(calls).toEqual([]);
  });

  test("takes as many terms, and as long ones, as the limits say", async () => {
    const filter = { capability: tooMany.slice(1), type: [] };
    expect((await send("POST", "/peers", { target: "a", filter })).status).toBe(201);
    const long = { lang: ["x".repeat(limits.followTermBytesMax)] };
    expect((await send("POST", "/peers", { target: "a", filter: long })).status).toBe(200);
  });

  test.each(routes.slice(2))("acts on a peer: %s %s", async (method, path) => {
    known = [reportOf()];
    const name = method === "DELETE" ? "unfollow" : (path.split("/").at(-1) ?? "");
    const response = await send(method, path.replace(id, id.toUpperCase()));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject(
      name === "verify" ? { requests: 3, fetched: 2, refused: 1, withdrawn: 0, equal: true } : { id },
    );
    expect(calls).toEqual([[name, id]]);

    known = [];
    expect(await problemOf(await send(method, path))).toBe("not-found");
    calls = [];
    expect(await problemOf(await send(method, path.replace(id, "nobody")))).toBe("not-found");
    expect(await problemOf(await send(method, path, { force: true }))).toBe("invalid-parameter");
    expect(calls).toEqual([]);
  });
});

test("without federation there are no peers, and following says why", async () => {
  await using plain = await startTestService();
  const list = await plain.request("/peers", { headers: admin });
  expect(await list.json()).toEqual({ peers: [] });
  const body = JSON.stringify({ target: "https://peer.example" });
  const headers = { ...admin, "content-type": "application/json" };
  const response = await plain.request("/peers", { method: "POST", headers, body });
  expect(response.status).toBe(404);
  expect(((await response.json()) as { detail: string }).detail).toContain("FEDERATION=on");
});
