import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { adminToken, startTestService } from "../support/service.ts";
import { assertions } from "./assertions.ts";
import { checkOf } from "./assertion.ts";
import { judge } from "./report.ts";
import { createWorld, type Registry, type World } from "./world.ts";

const world = createWorld(async (overrides, parts) => {
  const { service, url, close } = await startTestService(overrides, parts);
  return { url, origin: service.publicUrl, close };
}, adminToken);
afterAll(() => world[Symbol.asyncDispose]());

const checked = assertions.filter((assertion) => checkOf(assertion) !== null);

describe("WoT Discovery", () => {
  test.each(checked)("$id ($level)", async (assertion) => {
    const { status, comment } = await judge(assertion, world);
    expect(status === "fail" ? comment : "").toBe("");
  });
});

describe("the table of assertions", () => {
  test("names each once, and has a reason for each that is not checked", () => {
    expect(new Set(assertions.map(({ id }) => id)).size).toBe(assertions.length);
    expect(assertions.length).toBe(141);
    for (const { id, verdict } of assertions) {
      if (typeof verdict !== "function") expect(verdict.reason.length, id).toBeGreaterThan(20);
    }
  });

  test("leaves no MUST of the Recommendation open", () => {
    const open = assertions.filter(
      ({ level, verdict }) => level === "MUST" && typeof verdict !== "function" && verdict.status === "not-implemented",
    );
    expect(open.map(({ id }) => id)).toEqual([]);
  });

  test("is told in docs/conformance.md: what is not there, and why", () => {
    const text = readFileSync(new URL("../../docs/conformance.md", import.meta.url), "utf8");
    const rows = [...text.matchAll(/^\| `([\w-]+)` \| (MUST|SHOULD|MAY) \| (.+) \|$/gm)].map((row) => row.slice(1));
    const expected = assertions.flatMap(({ id, level, verdict }) =>
      typeof verdict === "function" ? [] : [[id, level, verdict.reason]],
    );
    expect(rows.toSorted()).toEqual(expected.toSorted());

    for (const level of ["MUST", "SHOULD", "MAY"]) {
      const count = (status: string) =>
        assertions.filter(
          (one) => one.level === level && (typeof one.verdict === "function" ? "pass" : one.verdict.status) === status,
        ).length;
      const counts = ["pass", "not-implemented", "not-applicable"].map(count);
      expect(text).toContain(`| ${level} | ${counts.join(" | ")} |`);
    }
  });
});

describe("no check is satisfied by anything", () => {
  const json = { "content-type": "application/json" };
  const problem = (status: number) =>
    new Response(JSON.stringify({ type: "about:blank", title: "No", status, detail: "No" }), {
      status,
      headers: { "content-type": "application/problem+json" },
    });
  const answers: [string, () => Response][] = [
    ["an empty object", () => new Response("{}", { headers: json })],
    ["an empty array", () => new Response("[]", { headers: json })],
    ["nothing", () => new Response(null, { status: 204 })],
    ["a problem 404", () => problem(404)],
    ["a problem 400", () => problem(400)],
    ["a problem 406", () => problem(406)],
    ["a problem 501", () => problem(501)],
    ["a page", () => new Response("<p>Hello</p>", { headers: { "content-type": "text/html" } })],
  ];

  test.each(checked)("$id", async (assertion) => {
    const satisfied: string[] = [];
    for (const [name, answer] of answers) {
      if (
        (
          await judge(
            assertion,
            worldThat(() => Promise.resolve(answer())),
          )
        ).status !== "fail"
      )
        satisfied.push(name);
    }
    // What is about the absence of a feature is satisfied by a registry that has nothing, and by no other.
    const isAboutAbsence = typeof assertion.verdict !== "function";
    expect(satisfied.filter((name) => !(isAboutAbsence && name.startsWith("a problem")))).toEqual([]);
  });
});

/** What a registry with one fault answers instead of `response`. */
type Fault = (response: Response, method: string, path: string) => Response | Promise<Response>;

const withHeaders = (response: Response, change: (headers: Headers) => void) => {
  const headers = new Headers(response.headers);
  change(headers);
  return new Response(response.body, { status: response.status, headers });
};
const withStatus = (from: number, to: number) => (response: Response) =>
  response.status === from ? new Response(response.body, { status: to, headers: response.headers }) : response;
const withText = (from: RegExp, to: string) => async (response: Response, _method: string, path: string) => {
  if (path.startsWith("/events") || response.body === null) return response;
  const { status, headers } = response;
  return new Response((await response.text()).replaceAll(from, to), { status, headers });
};
const withType = (from: RegExp, to: string) => (response: Response) =>
  withHeaders(response, (headers) => headers.set("content-type", headers.get("content-type")?.replace(from, to) ?? to));

const faults: [string, Fault, string[]][] = [
  [
    "answers 200 to what it has created",
    withStatus(201, 200),
    ["tdd-things-create-known-td-resp", "tdd-things-create-anonymous-td-resp"],
  ],
  [
    "answers 200 to what it has changed",
    withStatus(204, 200),
    ["tdd-things-update-resp", "tdd-things-update-partial-resp", "tdd-things-delete-resp"],
  ],
  [
    "has no Link headers",
    (response) => withHeaders(response, (headers) => headers.delete("link")),
    [
      "tdd-things-list-pagination",
      "tdd-things-list-pagination-header-nextlink",
      "tdd-things-list-pagination-header-nextlink-attr",
      "tdd-things-list-pagination-header-nextlink-base",
      "tdd-things-list-pagination-header-canonicallink",
    ],
  ],
  [
    "labels what it likes",
    withType(/(td|ld)\+json/, "json"),
    [
      "exploration-server-http-resp-content-type",
      "tdd-things-retrieve-resp-content-type",
      "tdd-things-list-resp-content-type",
    ],
  ],
  [
    "labels problems as JSON",
    withType(/problem\+json/, "json"),
    ["tdd-http-error-response", "tdd-validation-response"],
  ],
  ["does not name the faults", withText(/"validationErrors"/g, '"faults"'), ["tdd-validation-response"]],
  [
    "forgets the context of Discovery",
    withText(/,"https:\/\/www\.w3\.org\/2022\/wot\/discovery"/g, ""),
    ["tdd-context-injection", "exploration-directory-description-type"],
  ],
  ["keeps no time zone", withText(/(:\d\d\.\d+)Z/g, "$1"), ["tdd-absolute-time"]],
  [
    "is a Thing, it says",
    withText(/"ThingDirectory"/g, '"Thing"'),
    ["exploration-directory-description-type", "introduction-direct-directory-description"],
  ],
  [
    "challenges nobody",
    (response) => withHeaders(response, (headers) => headers.delete("www-authenticate")),
    ["exploration-secboot-401", "exploration-secboot-auth", "tdd-things-read-only-auth"],
  ],
  [
    "answers HEAD as it likes",
    (response, method) => (method === "HEAD" ? new Response(null, { status: 200 }) : response),
    ["tdd-http-head", "exploration-server-http-head"],
  ],
  ["mints ids of its own kind", withText(/urn:uuid:/g, "urn:example:uuid:"), ["tdd-anonymous-td-local-uuid"]],
  [
    "lists backwards",
    async (response, method, path) =>
      method === "GET" && path.startsWith("/things?") === false && path === "/things"
        ? Response.json(((await response.json()) as unknown[]).toReversed())
        : response,
    ["tdd-things-list-pagination-order-default"],
  ],
  [
    "lets everybody in",
    (response) => (response.status === 401 ? Response.json({ title: "Welcome" }) : response),
    ["tdd-things-read-only-auth", "priv-loc-priv-dir-access", "exploration-secboot-401"],
  ],
];

describe("a registry with a fault is found out:", () => {
  test.each(faults)("one that %s", async (_name, fault, ids) => {
    const real = {
      open: world.open,
      guarded: world.guarded,
      closed: world.closed,
      listed: world.listed,
      timed: world.timed,
    };
    const faulty = Object.fromEntries(
      Object.entries(real).map(([name, start]) => [
        name,
        async () => {
          const registry = await start();
          const send: Registry["send"] = async (path, init) =>
            fault(await registry.send(path, init), init?.method ?? "GET", path.replace(registry.origin, ""));
          return { ...registry, send };
        },
      ]),
    ) as unknown as World;
    const passed: string[] = [];
    for (const assertion of assertions.filter(({ id }) => ids.includes(id))) {
      const { status } = await judge(assertion, { ...faulty, advance: world.advance, operator: world.operator });
      if (status !== "fail") passed.push(assertion.id);
    }
    expect(passed).toEqual([]);
    expect(assertions.filter(({ id }) => ids.includes(id))).toHaveLength(ids.length);
  });
});

/** A world in which every registry answers everything alike. */
function worldThat(send: Registry["send"]): World {
  const registry = () => Promise.resolve({ origin: "http://registry.example", send });
  return {
    open: registry,
    guarded: registry,
    closed: registry,
    listed: registry,
    timed: registry,
    advance: () => {},
    operator: {},
  };
}
