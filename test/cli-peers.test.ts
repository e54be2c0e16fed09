import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Problem } from "../src/base/problem.ts";
import type { FollowFilter } from "../src/db/schema/index.ts";
import type { LiveSearch, PeerReport, PeersPort } from "../src/http/federation-port.ts";
import { type Ran, runCli } from "./support/cli.ts";
import { type FederatedApp, startFederatedApp } from "./support/federated-app.ts";
import { adminToken } from "./support/service.ts";

const ids = ["6f1f0f7a-5a3e-4a52-9d0c-2f6fb1f7c0de", "11111111-2222-4333-8444-555555555555"] as const;
const at = new Date("2027-03-01T00:00:00Z");

function peerOf(id: string, host: string, members: Partial<PeerReport> = {}): PeerReport {
  return {
    id,
    actor: `https://${host}/actor`,
    origin: `https://${host}`,
    handle: `registry@${host}`,
    name: "Peer",
    isRegistry: true,
    blocked: false,
    created: at,
    lastHeard: at,
    stale: false,
    follower: {
      state: "accepted",
      filter: null,
      cursor: null,
      lag: 0,
      failures: 0,
      nextDelivery: null,
      lastError: null,
      lastErrorAt: null,
    },
    following: {
      state: "accepted",
      filter: null,
      cursor: null,
      pulledAt: at,
      verifiedAt: null,
      nextPull: null,
      lastError: null,
      entries: 12,
      refused: 0,
      held: 0,
    },
    ...members,
  };
}

let known: PeerReport[] = [];
let calls: unknown[] = [];
let equal = true;
let found: LiveSearch = { hits: [], peers: [] };
const act = (name: string) => async (id: string) => {
  calls.push([name, id]);
  const peer = known.find((one) => one.id === id);
  if (peer === undefined) throw new Problem("not-found", "There is no such peer.");
  return peer;
};
const peers: PeersPort = {
  list: async () => known,
  async follow(target: string, filter: FollowFilter | null) {
    calls.push(["follow", target, filter]);
    const peer = peerOf(ids[0], "new.example");
    return { ...peer, following: { ...peer.following, state: "requested", filter } };
  },
  unfollow: act("unfollow"),
  accept: act("accept"),
  reject: act("reject"),
  block: act("block"),
  unblock: act("unblock"),
  async verify(id) {
    await act("verify")(id);
    return { requests: 4, fetched: 2, refused: 1, withdrawn: 1, equal };
  },
};

let app: FederatedApp;
beforeAll(async () => {
  app = await startFederatedApp({ peers, search: async () => found });
});
afterAll(() => app[Symbol.asyncDispose]());
beforeEach(() => {
  known = [peerOf(ids[0], "one.example"), peerOf(ids[1], "two.example")];
  calls = [];
  equal = true;
});

function run(...args: string[]): Promise<Ran> {
  return runCli(args, { env: { THINGSTEAD_REGISTRY: app.url, ADMIN_TOKEN: adminToken } });
}

describe("peers list", () => {
  test("is a table, with troubles beside it", async () => {
    const trouble = peerOf(ids[1], "two.example", {
      handle: null,
      blocked: true,
      stale: true,
      lastHeard: null,
      follower: {
        ...peerOf(ids[1], "").follower,
        state: "pending",
        lag: 7,
        failures: 3,
        lastError: "no route\u001b[2J",
      },
      following: { ...peerOf(ids[1], "").following, state: "none", entries: 0, refused: 2, lastError: "410" },
    });
    known = [peerOf(ids[0], "one.example"), trouble];
    const { code, stdout, stderr } = await run("peers", "list");
    expect(code).toBe(0);
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["PEER", "FOLLOWS US", "WE FOLLOW", "ENTRIES", "HEARD", "ID"],
      ["@registry@one.example", "accepted", "accepted", "12", at.toISOString(), ids[0]],
      ["https://two.example/actor (blocked)", "pending, 7 behind", "none", "0", "never (stale)", ids[1]],
      [""],
    ]);
    expect(stderr).toContain("https://two.example/actor: 3 deliveries in a row failed: no route[2J");
    expect(stderr).toContain("2 of its entries are refused here");
    expect(stderr).toContain("its list cannot be read: 410");
  });

  test("shows nothing that could steer the terminal", async () => {
    known = [peerOf(ids[0], "one.example", { handle: "a\u001b[2J\n\u202eb@c\u0007", name: "\u001b[31m" })];
    const { stdout, stderr } = await run("peers", "list");
    expect(stdout.split("\n")).toHaveLength(3);
    // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  test("--json is the answer as it is, and nobody is told apart from nothing", async () => {
    const { stdout } = await run("peers", "list", "--json");
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify({ peers: known })));
    known = [];
    expect(await run("peers", "list")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: expect.stringContaining("no peers"),
    });
  });

  test("is the operator's", async () => {
    const ran = await runCli(["peers", "list"], { env: { THINGSTEAD_REGISTRY: app.url } });
    expect(ran).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("problem:token-required") });
  });
});

describe("peers follow", () => {
  test("says what comes next, and prints the id", async () => {
    expect(await run("peers", "follow", "https://new.example")).toEqual({
      code: 0,
      stdout: `${ids[0]}\n`,
      stderr: "following @registry@new.example, which has to accept it\n",
    });
    await run("peers", "follow", "@registry@new.example", "--capability", "a", "--capability", "b", "--lang", "de");
    expect(calls).toEqual([
      ["follow", "https://new.example", null],
      ["follow", "@registry@new.example", { capability: ["a", "b"], type: [], lang: ["de"] }],
    ]);
  });
});

describe("what is done to a peer", () => {
  test.each([
    ["unfollow", ids[1], "unfollowed"],
    ["accept", "https://two.example", "accepted"],
    ["reject", "https://two.example/", "rejected"],
    ["block", "@registry@two.example", "blocked"],
    ["unblock", "https://two.example/actor", "unblocked"],
  ])("%s %s", async (name, peer, done) => {
    expect(await run("peers", name, peer)).toEqual({
      code: 0,
      stdout: "",
      stderr: `${done} @registry@two.example\n`,
    });
    expect(calls).toEqual([[name, ids[1]]]);
  });

  test("needs a name that is one peer's", async () => {
    known = [peerOf(ids[0], "one.example"), peerOf(ids[1], "one.example", { actor: "https://one.example/other" })];
    const several = await run("peers", "block", "https://one.example");
    expect(several).toMatchObject({ code: 1, stdout: "" });
    expect(several.stderr).toContain(`${ids[0]}  https://one.example/actor\n  ${ids[1]}  https://one.example/other`);
    const none = await run("peers", "block", "https://three.example");
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining("There is no peer") });
    expect(calls).toEqual([]);
  });
});

describe("peers verify", () => {
  test("compares with one peer, or with all that are followed", async () => {
    const one = await run("peers", "verify", "registry@one.example");
    expect(one.stdout).toBe("@registry@one.example: equal; 2 fetched, 1 withdrawn, 1 refused, 4 requests\n");
    known[0] = peerOf(ids[0], "one.example", { following: { ...peerOf(ids[0], "").following, state: "none" } });
    const all = await run("peers", "verify");
    expect(all).toMatchObject({ code: 0, stdout: expect.stringMatching(/^@registry@two\.example: equal.*\n$/) });
    expect(calls).toEqual([
      ["verify", ids[0]],
      ["verify", ids[1]],
    ]);
  });

  test("ends with 1 where lists differ, and where nobody is followed", async () => {
    equal = false;
    const ran = await run("peers", "verify");
    expect(ran.code).toBe(1);
    expect(ran.stdout.match(/not equal yet/g)).toHaveLength(2);
    known = [];
    expect(await run("peers", "verify")).toMatchObject({ code: 1, stderr: "The registry follows nobody.\n" });
  });
});

test("search --scope peers tells who answered, beside the results", async () => {
  found = {
    hits: [],
    peers: [
      { peer: "https://one.example", state: "answered", items: 2, dropped: 1, milliseconds: 12.4 },
      { peer: "https://two.example", state: "timeout", items: 0, dropped: 0, milliseconds: 300 },
      { peer: "https://three.example", state: "failed", items: 0, dropped: 0, milliseconds: 1 },
    ],
  };
  const { code, stdout, stderr } = await run("search", "anything", "--scope", "peers");
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr.split("\n")).toEqual([
    "https://one.example answered in 12 ms: 2 found, 1 left out: their proofs do not hold",
    "https://two.example did not answer in time",
    "https://three.example could not be asked",
    "Nothing was found.",
    "",
  ]);
  const json = await run("search", "anything", "--scope", "peers", "--json");
  expect(JSON.parse(json.stdout)).toMatchObject({ items: [], peers: [{ peer: "https://one.example" }, {}, {}] });
});
