import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { directoryDescription } from "../../src/http/directory-description.ts";
import { validateDescription } from "../../src/things/description.ts";
import { tdOf } from "../support/descriptions.ts";
import { adminToken, problemOf, startTestService, type TestService } from "../support/service.ts";

const wellKnown = "/.well-known/wot";
const operator = { authorization: `Bearer ${adminToken}` };
let registry: TestService;
let closed: TestService;

beforeAll(async () => {
  registry = await startTestService({ admission: "open" });
  closed = await startTestService({ admission: "open", readAccess: "token" });
});
afterAll(async () => {
  await Promise.all([registry?.close(), closed?.close()]);
});

describe("the directory's description", () => {
  test.each([
    [false, false, "nosec_sc", [undefined]],
    [true, false, "nosec_sc", ["bearer_sc"]],
    [false, true, "bearer_sc", [undefined]],
    [true, true, "bearer_sc", [undefined]],
  ] as const)(
    "is valid; writes need the token: %s, reads: %s",
    (writesNeedToken, readsNeedToken, security, writing) => {
      const td = directoryDescription({ publicUrl: "https://registry.example", writesNeedToken, readsNeedToken });
      expect(validateDescription(td)).toEqual([]);
      expect(td["security"]).toBe(security);
      const actions = td["actions"] as Record<string, { forms: JsonObject[] }>;
      expect(actions["createThing"]?.forms.map((form) => form["security"])).toEqual(writing);
      expect(actions["retrieveThing"]?.forms.map((form) => form["security"])).toEqual([undefined]);
    },
  );

  test("has the affordances of the Thing Model of a directory, whose addresses are the registry's", async () => {
    const td = (await (await registry.fetch(wellKnown)).json()) as Record<
      string,
      Record<string, { forms: JsonObject[] }>
    >;
    expect(Object.keys(td["properties"] ?? {})).toEqual(["things"]);
    expect(Object.keys(td["actions"] ?? {})).toEqual([
      "createAnonymousThing",
      "createThing",
      "retrieveThing",
      "updateThing",
      "partiallyUpdateThing",
      "deleteThing",
      "searchJSONPath",
      "search",
    ]);
    expect(Object.keys(td["events"] ?? {})).toEqual(["thingCreated", "thingUpdated", "thingDeleted"]);
    const affordances = [td["properties"], td["actions"], td["events"]].flatMap((kind) => Object.values(kind ?? {}));
    for (const form of affordances.flatMap(({ forms }) => forms)) {
      expect(form["href"]).toMatch(`${registry.service.publicUrl}/`);
    }
  });

  test.each([
    ["application/td+json", "application/td+json"],
    ["*/*", "application/td+json"],
    ["application/ld+json", "application/ld+json"],
    ["application/json", "application/json"],
    ["text/html, application/json;q=0.1", "application/json"],
  ])("for %s is %s", async (accept, type) => {
    const response = await registry.request(wellKnown, { headers: { accept } });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, type]);
    expect(await response.json()).toMatchObject({ "@type": "ThingDirectory" });
  });

  test("is not to be had in other types", async () => {
    const refused = await registry.request(wellKnown, { headers: { accept: "text/turtle" } });
    expect([refused.status, await problemOf(refused)]).toEqual([406, "not-acceptable"]);
  });

  test("has an entity tag, and HEAD", async () => {
    const etag = (await registry.request(wellKnown)).headers.get("etag") ?? "";
    expect(etag).toMatch(/^".+"$/);
    expect((await registry.request(wellKnown, { headers: { "if-none-match": etag } })).status).toBe(304);
    const head = await registry.fetch(wellKnown, { method: "HEAD" });
    expect([head.status, head.headers.get("etag"), head.headers.get("content-type"), await head.text()]).toEqual([
      200,
      etag,
      "application/td+json",
      "",
    ]);
  });
});

test("the start page leads to the description", async () => {
  const link = (await registry.request("/")).headers.get("link");
  expect(link).toContain('</.well-known/wot>; rel="describedby"; type="application/td+json"');
});

describe("/.well-known/core", () => {
  const read = async (query = "") => {
    const response = await registry.fetch(`/.well-known/core${query}`);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/link-format"]);
    return response.text();
  };

  test("leads to the directory's description as wot.directory", async () => {
    expect(await read()).toContain('</.well-known/wot>;rt="wot.directory";ct=432');
    expect(await read()).toContain("</things>");
  });

  test("is filtered", async () => {
    expect(await read("?rt=wot.directory")).toMatch(/^<\/\.well-known\/wot>[^<]*$/);
    expect(await read("?href=/.well-known/*")).toMatch(/^<\/\.well-known\/wot>[^<]*$/);
    expect(await read("?rt=wot.thing")).toBe("");
  });
});

test("the DID document's WotDirectory service leads to the description", async () => {
  const document = (await (await registry.fetch("/.well-known/did.json")).json()) as {
    "@context": string[];
    service: { type: string; serviceEndpoint: string }[];
  };
  expect(document["@context"]).toContain("https://www.w3.org/2022/wot/discovery-did");
  const service = document.service.find(({ type }) => type === "WotDirectory");
  expect(service?.serviceEndpoint).toBe(`${registry.service.publicUrl}${wellKnown}`);
});

describe("a registry that only the operator may read", () => {
  const paths = ["/", "/things", wellKnown, "/.well-known/core", "/events", "/search?q=x", "/metrics", "/openapi.json"];

  test.each([...paths, "/nowhere", "/health/ready/x"])("asks for the token at %s", async (path) => {
    const refused = await closed.request(path);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="thingstead"');
    expect(refused.headers.get("access-control-allow-origin")).toBe("*");
    expect(await problemOf(refused)).toBe("token-required");
    const wrong = await closed.request(path, { headers: { authorization: "Bearer wrong" } });
    expect(wrong.status).toBe(401);
  });

  test.each(paths)("lets the operator read %s", async (path) => {
    const response = await closed.request(path, { headers: operator });
    expect(response.status).toBe(200);
    await response.body?.cancel();
  });

  test.each(["/health/live", "/health/ready", "/.well-known/did.json"])("shows %s to everybody", async (path) => {
    expect((await closed.request(path)).status).toBe(200);
    expect((await closed.request(path, { method: "HEAD" })).status).toBe(200);
    expect((await closed.request(path, { method: "POST" })).status).toBe(401);
  });

  test("asks writers for it, too", async () => {
    const td = tdOf();
    const put = (headers = {}) =>
      closed.request(`/things/${encodeURIComponent(String(td["id"]))}`, {
        method: "PUT",
        headers: { "content-type": "application/td+json", ...headers },
        body: JSON.stringify(td),
      });
    expect((await put()).status).toBe(401);
    expect((await put(operator)).status).toBe(201);
  });

  test("answers preflights, so that pages of other origins can send it", async () => {
    const preflight = await closed.request("/things", {
      method: "OPTIONS",
      headers: {
        origin: "https://page.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
  });
});

describe("what is not there", () => {
  test.each([
    ["GET", "/search/xpath?query=%2F%2Ftitle"],
    ["GET", "/search/sparql?query=ASK%20%7B%7D"],
    ["POST", "/search/sparql"],
  ])("%s %s is a problem 404", async (method, path) => {
    const response = await registry.request(path, { method });
    expect([response.status, await problemOf(response)]).toEqual([404, "not-found"]);
  });

  test.each([
    ["DELETE", "/things", "GET, HEAD, POST, OPTIONS"],
    ["POST", "/things/urn:example:a", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"],
    ["POST", "/search", "GET, HEAD, OPTIONS"],
    ["PUT", "/events", "GET, HEAD, OPTIONS"],
    ["DELETE", wellKnown, "GET, HEAD, OPTIONS"],
  ])("%s %s is a problem 405 that says what is", async (method, path, allow) => {
    const response = await registry.request(path, { method });
    expect([response.status, await problemOf(response)]).toEqual([405, "method-not-allowed"]);
    expect(response.headers.get("allow")).toBe(allow);
    expect((await registry.request(path, { method: "OPTIONS" })).headers.get("allow")).toBe(allow);
  });
});
