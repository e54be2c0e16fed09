import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { problemTypes } from "../../src/base/problem.ts";
import { badJson } from "../fixtures/bad-json.ts";
import { badRequests, oddReads, wrongTypes } from "../fixtures/bad-requests.ts";
import { tdOf } from "../support/descriptions.ts";
import { startTestService, type TestService, thingPath } from "../support/service.ts";

const answerMsMax = 10_000;
/** The whole run sends some hundred megabytes; what stays of it is bounded. */
const growthBytesMax = 200 * 1024 * 1024;

let registry: TestService;
let unsignedId: string;
let rssBefore: number;

beforeAll(async () => {
  registry = await startTestService({ admission: "open" });
  const created = await registry.request("/things", {
    method: "POST",
    headers: { "content-type": "application/td+json" },
    body: JSON.stringify({ ...tdOf(), id: undefined }),
  });
  expect(created.status).toBe(201);
  unsignedId = ((await created.json()) as { id: string }).id;
  rssBefore = process.memoryUsage().rss;
});

afterAll(async () => {
  await registry.close();
});

/** Sends a request and checks what every refusal has in common. Returns the problem. */
async function refused(path: string, init: RequestInit): Promise<{ type: string; fields: string[]; detail: string }> {
  const start = performance.now();
  const response = await registry.request(path, init);
  const text = await response.text();
  expect(performance.now() - start).toBeLessThan(answerMsMax);
  expect(response.status, text).toBeGreaterThanOrEqual(400);
  expect(response.status, text).toBeLessThan(500);
  expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  if (init.method === "HEAD") return { type: "", fields: [], detail: "" };
  const problem = JSON.parse(text) as Record<string, unknown>;
  const type = String(problem["type"]).replace(/^urn:thingstead:problem:/, "");
  expect(Object.keys(problemTypes)).toContain(type);
  expect(problem).toMatchObject({
    type: `urn:thingstead:problem:${type}`,
    title: expect.stringMatching(/\w/),
    status: response.status,
    detail: expect.stringMatching(/\w/),
    retry: "never",
  });
  const faults = (problem["validationErrors"] ?? []) as { field: string; description: string }[];
  for (const fault of faults) expect(fault.description).toMatch(/\w/);
  return { type, fields: faults.map((fault) => fault.field), detail: String(problem["detail"]) };
}

describe("bodies that are no JSON within the limits", () => {
  const routes = [
    { method: "POST", path: () => "/things", type: "application/td+json" },
    { method: "PUT", path: () => thingPath(unsignedId), type: "application/ld+json" },
    { method: "PATCH", path: () => thingPath(unsignedId), type: "application/merge-patch+json" },
  ];
  describe.each(routes)("$method", ({ method, path, type }) => {
    test.each(badJson)("$name", async ({ bytes }) => {
      const problem = await refused(path(), {
        method,
        headers: { "content-type": type },
        body: bytes as Uint8Array<ArrayBuffer>,
      });
      expect(["invalid-json", "document-too-large"]).toContain(problem.type);
    });
  });

  test("leave the entry as it was", async () => {
    const response = await registry.request(`${thingPath(unsignedId)}/versions`);
    expect(((await response.json()) as { versions: unknown[] }).versions).toHaveLength(1);
  });
});

describe("JSON that is no description", () => {
  test.each([
    "null",
    "true",
    "42",
    '"text"',
    "[]",
    "[{}]",
    "{}",
    '{"title":"x"}',
    '{"proof":{}}',
    '{"type":"Tombstone"}',
  ])("%s", async (body) => {
    const problem = await refused("/things", { method: "POST", headers: { "content-type": "application/json" }, body });
    expect(["invalid-thing-description", "invalid-tombstone"]).toContain(problem.type);
    expect(problem.fields.length).toBeGreaterThan(0);
  });

  // A proof, even a wrong one, says that nothing is to be repaired.
  const valid: JsonObject = { ...tdOf({ id: "urn:x:wrong-types" }), proof: {} };
  test.each(wrongTypes(valid))("$name", async ({ member, document }) => {
    const problem = await refused(thingPath("urn:x:wrong-types"), {
      method: "PUT",
      headers: { "content-type": "application/td+json" },
      body: JSON.stringify(document),
    });
    expect(problem.type).toBe("invalid-thing-description");
    expect(problem.fields.map((field) => field.split("/")[1])).toContain(member);
  });

  // The same without a proof: repaired or refused, but never a failure.
  test.each(wrongTypes(tdOf({ id: "urn:x:repairable" })))("unsigned: $name", async ({ document }) => {
    const response = await registry.request(thingPath("urn:x:repairable"), {
      method: "PUT",
      headers: { "content-type": "application/td+json" },
      body: JSON.stringify(document),
    });
    expect(response.status, await response.text()).toBeLessThan(500);
  });
});

describe("requests", () => {
  test.each(badRequests)("$name", async ({ method, path, headers, body, expected }) => {
    const problem = await refused(path, {
      method,
      headers: headers ?? {},
      ...(body === undefined ? {} : { body: body as string | Uint8Array<ArrayBuffer> }),
    });
    if (method !== "HEAD") expect(problem.type).toBe(expected);
  });

  test.each(oddReads)("GET %s does not fail", async (path) => {
    const start = performance.now();
    const response = await registry.request(path);
    expect(response.status, await response.text()).toBeLessThan(500);
    expect(performance.now() - start).toBeLessThan(answerMsMax);
  });
});

test("there are at least a hundred cases, and they leave memory and registry as they were", async () => {
  expect(badJson.length + badRequests.length).toBeGreaterThan(100);
  expect(process.memoryUsage().rss - rssBefore).toBeLessThan(growthBytesMax);
  expect((await registry.request("/health/ready")).status).toBe(200);
  const listing = (await (await registry.request("/things")).json()) as { id: string }[];
  expect(listing.map(({ id }) => id).filter((id) => id !== "urn:x:repairable")).toEqual([unsignedId]);
});
