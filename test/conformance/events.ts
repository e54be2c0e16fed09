import assert from "node:assert/strict";
import { type Assertion, assertion, notApplicable } from "./assertion.ts";
import { eventsOf, mediaTypeOf, patch, pathOf, put, register, type Registry, type World } from "./world.ts";

const types = ["thing_created", "thing_updated", "thing_deleted"];

/** Creates, changes and deletes a thing; returns its id. */
async function oneLife(registry: Registry): Promise<string> {
  const td = await register(registry);
  assert.equal((await put(registry, { ...td, title: "Changed" })).status, 204);
  assert.equal((await registry.send(pathOf(td.id), { method: "DELETE" })).status, 204);
  return td.id;
}

/** The events of one life, and of which thing it was. */
async function eventsOfLife(world: World, path: string, count: number, headers: Record<string, string> = {}) {
  const registry = await world.open();
  let id = "";
  const cause = async () => {
    id = await oneLife(registry);
  };
  const events = await eventsOf(registry, path, count, cause, headers);
  return { id, events };
}

/** WoT Discovery §7.3.2.2. */
export const events: Assertion[] = [
  assertion("tdd-notification", "MAY", "A directory may notify of changes.", async (world) => {
    assert.equal((await eventsOfLife(world, "/events", 3)).events.length, 3);
  }),
  assertion("tdd-notification-sse", "MUST", "Notifications are server-sent events at /events.", async (world) => {
    const registry = await world.open();
    const head = await registry.send("/events", { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(mediaTypeOf(head), "text/event-stream");
    assert((await eventsOfLife(world, "/events", 3)).events.length === 3, "not all that happened was told");
  }),
  assertion(
    "tdd-notification-event-id",
    "SHOULD",
    "Events have ids, and who comes back with the last one is sent what it missed.",
    async (world) => {
      const registry = await world.open();
      const { events: first } = await eventsOfLife(world, "/events", 3);
      assert.equal(new Set(first.map(({ id }) => id)).size, 3);
      const missed = await oneLife(registry);
      const nothing = () => Promise.resolve();
      const replayed = await eventsOf(registry, "/events", 4, nothing, { "last-event-id": first[1]?.id ?? "" });
      assert.deepEqual(replayed[0], first[2]);
      assert.deepEqual(
        replayed.slice(1).map(({ type, data }) => [type, data["id"]]),
        types.map((type) => [type, missed]),
      );
    },
  ),
  assertion(
    "tdd-notification-event-types",
    "MUST",
    "The types are thing_created, thing_updated and thing_deleted.",
    async (world) => {
      const { events: all } = await eventsOfLife(world, "/events", 3);
      assert.deepEqual(
        all.map(({ type }) => type),
        types,
      );
    },
  ),
  assertion("tdd-notification-filter-type", "MUST", "/events/{type} has the events of one type.", async (world) => {
    for (const type of types) {
      const { events: two } = await eventsOfLife(world, `/events/${type}`, 1);
      assert.deepEqual(
        two.map((event) => event.type),
        [type],
      );
    }
    assert.equal((await (await world.open()).send("/events/thing_imagined")).status, 404);
  }),
  assertion("tdd-notification-data", "MUST", "The data of an event is a JSON object.", async (world) => {
    for (const query of ["", "?diff=true"]) {
      const { events: all } = await eventsOfLife(world, `/events${query}`, 3);
      for (const { data } of all) assert(typeof data === "object" && data !== null && !Array.isArray(data));
    }
  }),
  assertion("tdd-notification-data-td-id", "MUST", "The data has at least the TD's id.", async (world) => {
    for (const query of ["", "?diff=true"]) {
      const { events: all, id } = await eventsOfLife(world, `/events${query}`, 3);
      assert.deepEqual(
        all.map(({ data }) => data["id"]),
        [id, id, id],
      );
    }
  }),
  assertion(
    "tdd-notification-data-create-full",
    "MAY",
    "With diff=true, thing_created may carry the TD.",
    async (world) => {
      const registry = await world.open();
      let title: unknown = null;
      const [event] = await eventsOf(registry, "/events/thing_created?diff=true", 1, async () => {
        title = (await register(registry)).title;
      });
      assert.equal(event?.data["title"], title);
      assert("actions" in (event?.data ?? {}));
    },
  ),
  assertion(
    "tdd-notification-data-update-diff",
    "MAY",
    "With diff=true, thing_updated may carry a merge patch.",
    async (world) => {
      const registry = await world.open();
      const td = await register(registry, { description: "Gone soon" });
      const cause = () => patch(registry, td.id, { title: "Changed", description: null });
      const [event] = await eventsOf(registry, "/events/thing_updated?diff=true", 1, cause);
      assert.equal(event?.data["title"], "Changed");
      assert.equal(event?.data["description"], null);
      assert(!("actions" in (event?.data ?? {})), "what did not change is not in a patch");
    },
  ),
  assertion("tdd-notification-data-update-id", "MUST", "Such a patch has the TD's id.", async (world) => {
    const registry = await world.open();
    const td = await register(registry);
    const cause = () => patch(registry, td.id, { title: "Changed" });
    const [event] = await eventsOf(registry, "/events/thing_updated?diff=true", 1, cause);
    assert.equal(event?.data["title"], "Changed");
    assert.equal(event?.data["id"], td.id);
  }),
  assertion("tdd-notification-data-delete-diff", "MUST", "diff changes nothing about thing_deleted.", async (world) => {
    const { events: all, id } = await eventsOfLife(world, "/events/thing_deleted?diff=true", 1);
    assert.deepEqual(all[0]?.data, { id });
  }),
  assertion(
    "tdd-notification-data-diff-unsupported",
    "SHOULD",
    "A directory without diff refuses a request for it.",
    notApplicable("This registry has diff."),
    "informative",
  ),
];
