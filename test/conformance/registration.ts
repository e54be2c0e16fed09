import assert from "node:assert/strict";
import type { JsonObject } from "../../src/base/json.ts";
import { type Assertion, assertion, notImplemented } from "./assertion.ts";
import {
  arrayOf,
  eventsOf,
  patch,
  pathOf,
  put,
  read,
  register,
  registerAnonymous,
  type Registry,
  type World,
} from "./world.ts";

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const uuid = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

async function registrationOf(registry: Registry, id: string): Promise<JsonObject> {
  const { registration } = await read(registry, id);
  assert(typeof registration === "object" && registration !== null, "there is no registration");
  return registration as JsonObject;
}

const instantOf = (value: unknown): number => {
  assert.match(String(value), instant);
  return Date.parse(String(value));
};

/** How a thing with the id of one without is shown, wherever it is shown. */
async function shownEverywhere(world: World, see: (id: unknown) => void): Promise<void> {
  const registry = await world.open();
  const title = `Anonymous ${crypto.randomUUID()}`;
  const { id, location } = await registerAnonymous(registry, { title });
  const titled = async (path: string, isIt: (item: JsonObject) => boolean) => {
    const found = (await arrayOf(await registry.send(path))).filter(isIt);
    assert.equal(found.length, 1, path);
    see(found[0]?.id);
    assert.equal(found[0]?.id, id);
  };
  see(((await (await registry.send(location)).json()) as JsonObject).id);
  await titled("/things", (item) => item.title === title);
  await titled(`/search/jsonpath?query=${encodeURIComponent(`$[?@.title=='${title}']`)}`, () => true);
  const { items } = (await (await registry.send(`/search?q=${encodeURIComponent(title)}&limit=1`)).json()) as {
    items: JsonObject[];
  };
  see(items.find((item) => item.title === title)?.id);
}

/** WoT Discovery §7.3.1. */
export const registration: Assertion[] = [
  assertion(
    "tdd-context-injection",
    "MUST",
    "An enriched TD has the context of Discovery, added where it was missing.",
    async (world) => {
      const registry = await world.open();
      const discovery = "https://www.w3.org/2022/wot/discovery";
      for (const context of [
        "https://www.w3.org/2022/wot/td/v1.1",
        ["https://www.w3.org/2022/wot/td/v1.1", discovery],
      ]) {
        const { id } = await register(registry, { "@context": context });
        const shown = await read(registry, id);
        assert("registration" in shown);
        assert.equal((shown["@context"] as unknown[]).filter((item) => item === discovery).length, 1);
      }
    },
  ),
  assertion("tdd-absolute-time", "MUST", "Instants are RFC 3339 date-times with an offset.", async (world) => {
    const registry = await world.open();
    const { id } = await register(registry, { registration: { expires: "2999-01-01T00:00:00Z" } });
    const shown = await registrationOf(registry, id);
    for (const member of ["created", "modified", "expires", "retrieved"]) assert.match(String(shown[member]), instant);
    const local = { ...(await read(registry, id)), registration: { expires: "2999-01-01T00:00:00" } };
    assert.equal((await put(registry, { ...local, id })).status, 400);
  }),
  assertion(
    "tdd-registrationinfo-vocab-created",
    "MAY",
    "registration.created is when the directory got the TD; only the directory sets it.",
    async (world) => {
      const registry = await world.timed();
      const td = await register(registry, { registration: { created: "2000-01-01T00:00:00Z" } });
      const created = instantOf((await registrationOf(registry, td.id)).created);
      assert(created > Date.parse("2020-01-01T00:00:00Z"), "the client's value was taken");
      world.advance(1_000);
      assert.equal((await put(registry, { ...td, title: "Changed" })).status, 204);
      assert.equal(instantOf((await registrationOf(registry, td.id)).created), created);
    },
  ),
  assertion(
    "tdd-registrationinfo-vocab-modified",
    "MAY",
    "registration.modified is when the TD last changed here; only the directory sets it.",
    async (world) => {
      const registry = await world.timed();
      const td = await register(registry, { registration: { modified: "2000-01-01T00:00:00Z" } });
      const first = await registrationOf(registry, td.id);
      assert.equal(first.modified, first.created);
      world.advance(1_000);
      assert.equal((await put(registry, { ...td, title: "Changed" })).status, 204);
      assert(instantOf((await registrationOf(registry, td.id)).modified) >= instantOf(first.modified) + 1_000);
    },
  ),
  assertion(
    "tdd-registrationinfo-vocab-expires",
    "MUST",
    "registration.expires is when it runs out; a ttl goes before what the producer wrote there.",
    async (world) => {
      const registry = await world.open();
      const expires = "2999-01-01T00:00:00Z";
      const kept = await register(registry, { registration: { expires } });
      assert.equal(instantOf((await registrationOf(registry, kept.id)).expires), Date.parse(expires));
      const overridden = await register(registry, { registration: { expires, ttl: 600 } });
      assert(instantOf((await registrationOf(registry, overridden.id)).expires) < Date.now() + 700_000);
    },
  ),
  assertion(
    "tdd-registrationinfo-vocab-ttl",
    "MUST",
    "registration.ttl is a lifetime in seconds, counted from every registration and update.",
    async (world) => {
      const registry = await world.timed();
      const td = await register(registry, { registration: { ttl: 600 } });
      const shown = await registrationOf(registry, td.id);
      assert.equal(shown.ttl, 600);
      assert.equal(instantOf(shown.expires) - instantOf(shown.modified), 600_000);
      world.advance(10_000);
      assert.equal((await patch(registry, td.id, {})).status, 204);
      assert(instantOf((await registrationOf(registry, td.id)).expires) >= instantOf(shown.expires) + 10_000);
      world.advance(20_000);
      assert.equal((await put(registry, { ...td, registration: { ttl: 600 } })).status, 204);
      assert(instantOf((await registrationOf(registry, td.id)).expires) >= instantOf(shown.expires) + 30_000);
    },
  ),
  assertion(
    "tdd-registrationinfo-vocab-retrieved",
    "MAY",
    "registration.retrieved is the directory's time when the TD was read.",
    async (world) => {
      const registry = await world.timed();
      const { id } = await register(registry);
      const first = instantOf((await registrationOf(registry, id)).retrieved);
      world.advance(5_000);
      assert(instantOf((await registrationOf(registry, id)).retrieved) >= first + 5_000);
    },
  ),
  assertion("tdd-registrationinfo-expiry-purge", "SHOULD", "Expired TDs are removed now and then.", async (world) => {
    const registry = await world.timed();
    const { id } = await register(registry, { registration: { ttl: 60 } });
    const expire = async () => {
      world.advance(61_000);
      assert.equal((await registry.send(pathOf(id))).status, 404);
    };
    const events = await eventsOf(registry, "/events/thing_deleted", 1, expire, {}, 15_000);
    // The event is of the removal, and not of the instant from which nobody sees the thing.
    assert.equal(events[0]?.data["id"], id);
  }),
  assertion(
    "tdd-registrationinfo-expiry-config",
    "MAY",
    "A directory may demand, or bound, an expiry.",
    notImplemented("Who registers decides how long; a ttl is bounded only by what a number can hold."),
    "informative",
  ),
  assertion(
    "tdd-anonymous-td-identifier",
    "MUST",
    "A TD that came without an id is shown with its local one, wherever it is shown.",
    (world) => shownEverywhere(world, (id) => assert.equal(typeof id, "string")),
  ),
  assertion("tdd-anonymous-td-local-uuid", "SHOULD", "The local id is a urn:uuid of version 4.", (world) =>
    shownEverywhere(world, (id) => assert.match(String(id), uuid)),
  ),
];
