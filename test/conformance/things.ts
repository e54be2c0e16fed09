import assert from "node:assert/strict";
import type { JsonObject } from "../../src/base/json.ts";
import { type Assertion, assertion, notImplemented } from "./assertion.ts";
import {
  anonymousTd,
  arrayOf,
  assertProblem,
  assertTd,
  mediaTypeOf,
  newTd,
  objectOf,
  patch,
  pathOf,
  post,
  put,
  read,
  register,
  registerAnonymous,
  type Registry,
  type World,
} from "./world.ts";

/** What goes wrong at each kind of endpoint, and with which status. */
const failures: [method: string, path: string, headers: Record<string, string>, body: string | null, status: number][] =
  [
    ["POST", "/things", { "content-type": "application/td+json" }, "{", 400],
    ["POST", "/things", { "content-type": "application/td+json" }, "{}", 400],
    ["POST", "/things", { "content-type": "text/plain" }, "{}", 415],
    ["PUT", "/things/urn:example:none", { "content-type": "application/td+json" }, '{"title": 5}', 400],
    ["PATCH", "/things/urn:example:none", { "content-type": "application/merge-patch+json" }, "{}", 404],
    ["PATCH", "/things/urn:example:none", { "content-type": "text/plain" }, "{}", 404],
    ["DELETE", "/things/urn:example:none", {}, null, 404],
    ["GET", "/things/urn:example:none", {}, null, 404],
    ["GET", "/things?limit=none", {}, null, 400],
    ["GET", "/things", { accept: "text/turtle" }, null, 406],
    ["DELETE", "/things", {}, null, 405],
    ["GET", "/events/none", { accept: "text/event-stream" }, null, 404],
    ["GET", "/events", { accept: "text/html" }, null, 406],
    ["GET", "/search?limit=none", {}, null, 400],
    ["GET", "/search/jsonpath?query=none", {}, null, 400],
    ["GET", "/.well-known/wot", { accept: "text/turtle" }, null, 406],
    ["GET", "/nowhere", {}, null, 404],
    ["GET", "/things", { "x-filler": "x".repeat(20_000) }, null, 431],
    ["GET", `/search?q=${"x".repeat(5_000)}`, {}, null, 414],
  ];

async function eachFailure(world: World, see: (response: Response, status: number) => Promise<unknown>): Promise<void> {
  const registry = await world.open();
  for (const [method, path, headers, body, status] of failures) {
    const response = await registry.send(path, { method, headers, ...(body === null ? {} : { body }) });
    try {
      await see(response, status);
    } catch (cause) {
      throw new Error(`${method} ${path.slice(0, 100)}: ${(cause as Error).message}`, { cause });
    }
  }
}

/** Every endpoint with GET (WoT Discovery §7.3.2). */
async function readable(registry: Registry): Promise<string[]> {
  const { id } = await register(registry);
  return [
    "/things",
    "/things?limit=1",
    pathOf(id),
    "/events",
    "/events/thing_created",
    "/events/thing_updated",
    "/events/thing_deleted",
    "/search?q=weather",
    `/search/jsonpath?query=${encodeURIComponent("$[*].id")}`,
    "/.well-known/wot",
    "/.well-known/core",
    "/.well-known/did.json",
  ];
}

/** Create, read, update, delete and list, each as a stranger would find out that it works. */
async function crudl(world: World): Promise<void> {
  const registry = await world.open();
  const td = await register(registry, { title: "First" });
  const { id } = await registerAnonymous(registry);
  assert.equal((await read(registry, td.id)).title, "First");
  assert.equal((await put(registry, { ...td, title: "Second" })).status, 204);
  assert.equal((await read(registry, td.id)).title, "Second");
  const listed = async () => (await arrayOf(await registry.send("/things"))).map((thing) => thing.id);
  assert((await listed()).includes(td.id) && (await listed()).includes(id));
  for (const gone of [td.id, id]) {
    assert.equal((await registry.send(pathOf(gone), { method: "DELETE" })).status, 204);
    await assertProblem(await registry.send(pathOf(gone)), 404);
  }
  assert(!(await listed()).some((one) => one === td.id || one === id));
}

/** A description with two faults, refused by every operation that takes one. */
async function eachInvalid(world: World, see: (problem: JsonObject) => void): Promise<void> {
  const registry = await world.open();
  const td = newTd({ title: 5, actions: { act: { forms: [{}] } } });
  const { id: _, ...anonymous } = td;
  const stored = await register(registry);
  for (const response of [
    await put(registry, td),
    await post(registry, anonymous),
    await put(registry, { ...td, id: stored.id }),
    await patch(registry, stored.id, { title: 5, actions: { act: { forms: [{}] } } }),
  ]) {
    see(await assertProblem(response, 400));
  }
  assert.equal((await read(registry, stored.id)).title, stored.title, "a refused change changed something");
}

const faultsOf = ({ validationErrors }: JsonObject): JsonObject[] => {
  assert(Array.isArray(validationErrors) && validationErrors.length > 0, "there are no validationErrors");
  return validationErrors as JsonObject[];
};

/** WoT Discovery §7.3.2 and §7.3.2.1, but for the listing. */
export const things: Assertion[] = [
  assertion("tdd-http-error-response", "MUST", "Errors are Problem Details.", (world) =>
    eachFailure(world, assertProblem),
  ),
  assertion("tdd-http-error-response-utf-8", "MUST", "Problem Details are in UTF-8.", (world) =>
    eachFailure(world, async (response, status) => {
      assert.match(response.headers.get("content-type") ?? "", /^application\/problem\+json(; *charset=utf-8)?$/i);
      await assertProblem(response, status);
    }),
  ),
  assertion(
    "tdd-http-error-response-lang",
    "MAY",
    "Texts of errors may be localised.",
    notImplemented("Texts are in English; programs go by `type`, which is the same everywhere."),
  ),
  assertion("tdd-http-head", "MUST", "Where there is GET there is HEAD, which sends headers only.", async (world) => {
    const registry = await world.open();
    for (const path of await readable(registry)) {
      const abort = new AbortController();
      const get = await registry.send(path, { signal: abort.signal });
      abort.abort();
      const head = await registry.send(path, { method: "HEAD" });
      assert.equal(head.status, 200, path);
      assert.notEqual(head.headers.get("content-type"), null, path);
      assert.equal(head.headers.get("content-type"), get.headers.get("content-type"), path);
      assert.equal(head.headers.get("etag"), get.headers.get("etag"), path);
      assert.equal(await head.text(), "", path);
    }
    const missing = await registry.send("/things/urn:example:none", { method: "HEAD" });
    assert.equal(missing.status, 404);
  }),
  assertion(
    "tdd-http-unsupported-feature",
    "SHOULD",
    "A request for an optional feature that is absent is answered with a telling error.",
    async (world) => {
      const registry = await world.open();
      for (const [method, path] of [
        ["GET", "/search/xpath?query=%2F%2Ftitle"],
        ["GET", "/search/sparql?query=ASK%20%7B%7D"],
        ["POST", "/search/sparql"],
      ] as const) {
        await assertProblem(await registry.send(path, { method }), 404);
      }
      await assertProblem(await registry.send("/things?sort_by=title"), 501);
      await assertProblem(await registry.send("/things?page=2"), 400);
      const refused = await registry.send("/events", { method: "POST" });
      assert.equal(refused.headers.get("allow"), "GET, HEAD, OPTIONS");
      await assertProblem(refused, 405);
    },
  ),
  assertion("tdd-things-list-only", "MUST", "TDs can be listed, whatever else there is.", async (world) => {
    const registry = await world.guarded();
    assert.deepEqual(await arrayOf(await registry.send("/things")), []);
    assert.equal((await put(registry, newTd())).status, 401);
    const td = newTd();
    assert.equal((await put(registry, td, world.operator)).status, 201);
    const [listed] = await arrayOf(await registry.send("/things"));
    assert.equal(listed?.id, td.id);
    assert.equal((await registry.send(pathOf(td.id), { method: "DELETE", headers: world.operator })).status, 204);
  }),
  assertion("tdd-things-crud", "MAY", "TDs can be created, read, updated and deleted.", crudl),
  assertion("tdd-things-crudl", "SHOULD", "Who offers some of these operations offers all of them.", crudl),
  assertion(
    "tdd-things-default-representation",
    "MUST",
    "Bodies are JSON in the syntax of JSON-LD 1.1, both ways.",
    async (world) => {
      const registry = await world.open();
      for (const type of ["application/td+json", "application/ld+json", "application/json"]) {
        const td = newTd();
        assert.equal((await put(registry, td, { "content-type": type })).status, 201, type);
        const response = await registry.send(pathOf(td.id));
        assert.match(mediaTypeOf(response) ?? "", /json$/);
        assertTd(await objectOf(response));
      }
      assert.match(mediaTypeOf(await registry.send("/things")) ?? "", /json$/);
    },
  ),
  assertion(
    "tdd-things-representation-alternate-input",
    "MAY",
    "Other forms of input may be taken.",
    notImplemented("TDs are kept and signed as JSON; there is no other form of them.", async (world) => {
      const registry = await world.open();
      for (const headers of [{ "content-type": "text/turtle" }, { "content-encoding": "gzip" }]) {
        await assertProblem(await put(registry, newTd(), headers), 415);
      }
    }),
  ),
  assertion(
    "tdd-http-representation-alternate-output",
    "MAY",
    "Other forms of output may be negotiated.",
    notImplemented("TDs are kept and signed as JSON; there is no other form of them.", async (world) => {
      const registry = await world.open();
      for (const path of ["/things", pathOf((await register(registry)).id)]) {
        await assertProblem(await registry.send(path, { headers: { accept: "text/turtle" } }), 406);
      }
    }),
  ),
  assertion(
    "tdd-http-alternate-language",
    "MAY",
    "TDs may be served in another default language.",
    notImplemented("TDs are served as they were signed; they may hold several languages themselves."),
    "informative",
  ),
  assertion(
    "tdd-things-create-known-vs-anonymous",
    "MUST",
    "TDs with an id and TDs without one are registered by different operations.",
    async (world) => {
      const registry = await world.open();
      assert.equal((await put(registry, newTd())).status, 201);
      assert.equal((await post(registry, anonymousTd())).status, 201);
      await assertProblem(await post(registry, newTd()), 400);
      const nameless = await registry.send("/things/urn:example:nameless", {
        method: "PUT",
        headers: { "content-type": "application/td+json" },
        body: JSON.stringify(anonymousTd()),
      });
      await assertProblem(nameless, 400);
    },
  ),
  assertion(
    "tdd-things-create-known-td",
    "MUST",
    "A TD with an id is registered by PUT to /things/{id}, where both ids are the same.",
    async (world) => {
      const registry = await world.open();
      for (const id of [
        newTd().id,
        `https://things.example/${crypto.randomUUID()}?a=1#b`,
        `urn:example:ü:${Date.now()}`,
      ]) {
        await register(registry, { id });
        assert.equal((await read(registry, id)).id, id);
      }
      const other = newTd();
      const refused = await registry.send(pathOf(newTd().id), {
        method: "PUT",
        headers: { "content-type": "application/td+json" },
        body: JSON.stringify(other),
      });
      await assertProblem(refused, 400);
      assert.equal((await registry.send(pathOf(other.id))).status, 404);
    },
  ),
  assertion("tdd-things-create-known-td-resp", "MUST", "The first PUT is answered 201.", async (world) => {
    const registry = await world.open();
    const td = newTd();
    assert.equal((await put(registry, td)).status, 201);
    assert.notEqual((await put(registry, td)).status, 201);
  }),
  assertion(
    "tdd-things-create-anonymous-td",
    "MUST",
    "A TD without an id is registered by POST to /things.",
    async (world) => {
      const registry = await world.open();
      const title = `Anonymous ${crypto.randomUUID()}`;
      const { id } = await registerAnonymous(registry, { title });
      assert.equal((await read(registry, id)).title, title);
    },
  ),
  assertion("tdd-things-create-anonymous-id", "MUST", "Every TD without an id is given one.", async (world) => {
    const registry = await world.open();
    const first = await registerAnonymous(registry);
    const second = await registerAnonymous(registry);
    assert.notEqual(first.id, second.id);
    assert.equal((await read(registry, first.id)).id, first.id);
  }),
  assertion(
    "tdd-things-create-anonymous-td-resp",
    "MUST",
    "POST is answered 201 with the URL of the TD in Location.",
    async (world) => {
      const registry = await world.open();
      const response = await post(registry, anonymousTd({ title: "At its place" }));
      assert.equal(response.status, 201);
      const location = new URL(response.headers.get("location") ?? "", registry.origin).href;
      assert(location.startsWith(`${registry.origin}/things/`), location);
      assert.equal((await objectOf(await registry.send(location))).title, "At its place");
    },
  ),
  assertion("tdd-things-retrieve", "MUST", "One TD is read by GET of /things/{id}.", async (world) => {
    const registry = await world.open();
    const td = await register(registry);
    for (const path of [pathOf(td.id), `/things/${td.id}`]) {
      const { registration: _, ...shown } = await objectOf(await registry.send(path));
      assert.deepEqual(shown, { ...td, "@context": [td["@context"], "https://www.w3.org/2022/wot/discovery"] });
    }
  }),
  assertion("tdd-things-retrieve-resp", "MUST", "The answer is 200 with the TD.", async (world) => {
    const registry = await world.open();
    const td = await register(registry);
    const response = await registry.send(pathOf(td.id));
    assert.equal(response.status, 200);
    assertTd((await response.json()) as JsonObject);
    await assertProblem(await registry.send("/things/urn:example:none"), 404);
  }),
  assertion(
    "tdd-things-retrieve-resp-content-type",
    "MUST",
    "JSON is labelled application/td+json, or as the client would rather have it.",
    async (world) => {
      const registry = await world.open();
      const path = pathOf((await register(registry)).id);
      assert.equal(mediaTypeOf(await registry.send(path)), "application/td+json");
      for (const accept of ["application/json", "application/ld+json", "application/td+json"]) {
        assert.equal(mediaTypeOf(await registry.send(path, { headers: { accept } })), accept);
      }
    },
  ),
  assertion("tdd-things-update", "MUST", "PUT to an existing TD replaces it whole.", async (world) => {
    const registry = await world.open();
    const td = await register(registry, { description: "Gone soon" });
    const { description: _, ...rest } = td;
    assert.equal((await put(registry, { ...rest, id: td.id, title: "Replaced" })).status, 204);
    const shown = await read(registry, td.id);
    assert.equal(shown.title, "Replaced");
    assert(!("description" in shown));
  }),
  assertion("tdd-things-update-resp", "MUST", "A replacement is answered 204.", async (world) => {
    const registry = await world.open();
    const td = await register(registry);
    const response = await put(registry, { ...td, title: "Replaced" });
    assert.equal(response.status, 204);
    assert.equal(await response.text(), "");
    assert.equal((await read(registry, td.id)).title, "Replaced");
  }),
  assertion("tdd-things-update-partial", "MUST", "PATCH changes a part of an existing TD.", async (world) => {
    const registry = await world.open();
    const td = await register(registry, { description: "Stays" });
    assert.equal((await patch(registry, td.id, { title: "Patched" })).status, 204);
    const shown = await read(registry, td.id);
    assert.deepEqual([shown.title, shown.description], ["Patched", "Stays"]);
    await assertProblem(await patch(registry, "urn:example:none", { title: "Patched" }), 404);
  }),
  assertion(
    "tdd-things-update-partial-mergepatch",
    "MUST",
    "PATCH is a JSON Merge Patch: null deletes, objects merge, arrays are replaced.",
    async (world) => {
      const registry = await world.open();
      const td = await register(registry, {
        description: "Gone soon",
        tags: ["a", "b"],
        version: { instance: "1.0.0", model: "1.0.0" },
      });
      const changes = {
        description: null,
        tags: ["c"],
        version: { instance: "2.0.0" },
        support: "https://help.example",
      };
      assert.equal((await patch(registry, td.id, changes)).status, 204);
      const { description: _, "@context": __, ...rest } = td;
      const { registration: ___, "@context": ____, ...shown } = await read(registry, td.id);
      assert.deepEqual(shown, {
        ...rest,
        tags: ["c"],
        version: { instance: "2.0.0", model: "1.0.0" },
        support: "https://help.example",
      });
      const wrongType = await registry.send(pathOf(td.id), {
        method: "PATCH",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      await assertProblem(wrongType, 415);
    },
  ),
  assertion("tdd-things-update-partial-resp", "MUST", "A patch is answered 204.", async (world) => {
    const registry = await world.open();
    const td = await register(registry);
    const response = await patch(registry, td.id, { title: "Patched" });
    assert.equal(response.status, 204);
    assert.equal(await response.text(), "");
    assert.equal((await read(registry, td.id)).title, "Patched");
  }),
  assertion("tdd-things-delete", "MUST", "DELETE of /things/{id} removes a TD.", async (world) => {
    const registry = await world.open();
    const { id } = await register(registry);
    await registry.send(pathOf(id), { method: "DELETE" });
    await assertProblem(await registry.send(pathOf(id)), 404);
    await assertProblem(await registry.send(pathOf(id), { method: "DELETE" }), 404);
    assert(!(await arrayOf(await registry.send("/things"))).some((thing) => thing.id === id));
  }),
  assertion("tdd-things-delete-resp", "MUST", "A deletion is answered 204.", async (world) => {
    const registry = await world.open();
    const { id } = await register(registry);
    const response = await registry.send(pathOf(id), { method: "DELETE" });
    assert.equal(response.status, 204);
    assert.equal(await response.text(), "");
  }),
  assertion("tdd-validation-syntactic", "SHOULD", "TDs are checked before they are stored.", async (world) => {
    const registry = await world.open();
    const td = newTd({ security: "undefined_sc" });
    await assertProblem(await put(registry, td), 400);
    assert.equal((await registry.send(pathOf(td.id))).status, 404);
  }),
  assertion(
    "tdd-validation-jsonschema",
    "SHOULD",
    "They are held to the JSON Schema of the version that their context names, and to that of Discovery.",
    async (world) => {
      const registry = await world.open();
      const td10 = { "@context": "https://www.w3.org/2019/wot/td/v1" };
      await register(registry, td10);
      // TD 1.1 knows combinations of security schemes, TD 1.0 does not.
      const combined = {
        securityDefinitions: {
          nosec_sc: { scheme: "nosec" },
          basic_sc: { scheme: "basic" },
          either_sc: { scheme: "combo", oneOf: ["nosec_sc"] },
        },
      };
      const [fault] = faultsOf(await assertProblem(await put(registry, newTd(combined)), 400));
      assert.match(String(fault?.field), /^\/securityDefinitions\/either_sc/);
      await register(registry, { ...td10, ...combined });

      for (const [field, members] of [
        ["/title", { title: 5 }],
        ["/@context", { "@context": "https://example.com/other" }],
        ["/registration/created", { registration: { created: "yesterday" } }],
        ["/registration/ttl", { registration: { ttl: "a while" } }],
        ["/links", { "@type": "ThingLink" }],
      ] as const) {
        const [one] = faultsOf(await assertProblem(await put(registry, newTd(members)), 400));
        assert.equal(one?.field, field);
      }
    },
  ),
  assertion("tdd-validation-result", "MUST", "Who sent an invalid TD learns what to mend.", (world) =>
    eachInvalid(world, (problem) => {
      const faults = faultsOf(problem);
      assert.deepEqual(new Set(faults.map(({ field }) => field)), new Set(["/title", "/actions/act/forms/0/href"]));
      for (const { description } of faults) assert.match(String(description), /expected/i);
    }),
  ),
  assertion(
    "tdd-validation-response",
    "MUST",
    "It is a problem whose validationErrors have a field and a description each.",
    (world) =>
      eachInvalid(world, (problem) => {
        for (const { field, description } of faultsOf(problem)) {
          assert(typeof field === "string" && typeof description === "string" && description !== "");
        }
      }),
  ),
  assertion("tdd-validation-response-utf-8", "MUST", "Validation errors are in UTF-8.", async (world) => {
    const response = await put(await world.open(), newTd({ actions: { größe: { forms: [{}] } } }));
    const [fault] = faultsOf(await assertProblem(response, 400));
    assert.equal(fault?.field, "/actions/größe/forms/0/href");
  }),
  assertion(
    "tdd-validation-response-lang",
    "MAY",
    "Validation errors may be localised.",
    notImplemented("Texts are in English; `field` says where, without words."),
    "informative",
  ),
];
