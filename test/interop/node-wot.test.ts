import { HttpClientFactory } from "@node-wot/binding-http";
import { ContentSerdes, JsonCodec, Servient } from "@node-wot/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newUuidUrn } from "../../src/base/ids.ts";
import { tdOf } from "../support/descriptions.ts";
import { adminToken, startTestService, type TestService } from "../support/service.ts";

type WoT = Awaited<ReturnType<Servient["start"]>>;
type ConsumedThing = Awaited<ReturnType<WoT["consume"]>>;

/** An affordance's value: what the TD's schema lets through. */
type Value = Record<string, unknown> & { id: string };

let registry: TestService;
let servient: Servient;
let wot: WoT;
let directory: ConsumedThing;

beforeAll(async () => {
  registry = await startTestService({ admission: "open" });
  servient = new Servient();
  servient.addClientFactory(new HttpClientFactory(null));
  // node-wot reads and writes the JSON types that it knows, and lets clients add others.
  ContentSerdes.get().addCodec(new JsonCodec("application/merge-patch+json"));
  wot = await servient.start();
  directory = await wot.consume(await wot.requestThingDescription(`${registry.url}/.well-known/wot`));
});
afterAll(async () => {
  await servient?.shutdown();
  await registry?.close();
});

async function invoke(action: string, input?: object, id?: string): Promise<unknown> {
  const output = await directory.invokeAction(
    action,
    input as never,
    id === undefined ? undefined : { uriVariables: { id } },
  );
  return output?.value();
}
const retrieve = async (id: string) => (await invoke("retrieveThing", undefined, id)) as Value;
const read = async (uriVariables?: object) =>
  (await (
    await directory.readProperty("things", uriVariables === undefined ? undefined : { uriVariables })
  ).value()) as unknown;

describe("node-wot, by the directory's own description,", () => {
  test("creates, retrieves, replaces, changes and deletes a thing with an id", async () => {
    const td = tdOf({ id: "https://agents.example/lamps/1?room=2#a", title: "Lamp" });
    const id = String(td["id"]);
    await invoke("createThing", td, id);
    expect(await retrieve(id)).toMatchObject({ id, title: "Lamp", registration: { created: expect.any(String) } });

    await invoke("updateThing", { ...td, title: "Lamp, replaced" }, id);
    expect(await retrieve(id)).toMatchObject({ id, title: "Lamp, replaced" });

    await invoke("partiallyUpdateThing", { title: "Lamp, patched", description: "New" }, id);
    expect(await retrieve(id)).toMatchObject({ id, title: "Lamp, patched", description: "New" });
    await invoke("partiallyUpdateThing", { description: null }, id);
    expect(await retrieve(id)).not.toHaveProperty("description");

    await invoke("deleteThing", undefined, id);
    await expect(retrieve(id)).rejects.toThrow("Client error: Not Found");
  });

  test("creates an anonymous thing and learns its id", async () => {
    const { id: _, ...anonymous } = tdOf({ title: "Nameless" });
    const { id, href } = (await invoke("createAnonymousThing", anonymous)) as { id: string; href: string };
    expect(id).toMatch(/^urn:uuid:/);
    expect(await retrieve(id)).toMatchObject({ id, title: "Nameless" });
    expect(await (await fetch(href)).json()).toMatchObject({ id });
  });

  test("is told why a description is refused", async () => {
    await expect(invoke("createThing", { title: "No thing" }, "urn:example:none")).rejects.toThrow("Bad Request");
  });

  test("reads things: all, a page, and as a collection", async () => {
    for (const name of ["a", "b", "c"]) {
      const id = `urn:example:read-${name}`;
      await invoke("createThing", tdOf({ id }), id);
    }
    const all = (await read()) as Value[];
    const position = all.findIndex(({ id }) => id === "urn:example:read-a");
    expect(position).toBeGreaterThanOrEqual(0);
    const page = (await read({ offset: position, limit: 2 })) as Value[];
    expect(page.map(({ id }) => id)).toEqual(["urn:example:read-a", "urn:example:read-b"]);
    expect(await read({ limit: 1, format: "collection" })).toMatchObject({
      total: all.length,
      members: [{ id: all[0]?.id }],
    });
  });

  test("explores the directory with its own discovery", async () => {
    await invoke("createThing", tdOf({ id: "urn:example:explored" }), "urn:example:explored");
    const found: (string | undefined)[] = [];
    for await (const td of await wot.exploreDirectory(`${registry.url}/.well-known/wot`)) found.push(td.id);
    expect(found).toContain("urn:example:explored");
  });

  test("searches by words, and by JSONPath", async () => {
    const id = newUuidUrn();
    await invoke("createThing", tdOf({ id, title: "Zebrafinch counter" }), id);
    const search = async (action: string, uriVariables: object) =>
      (await directory.invokeAction(action, undefined, { uriVariables }))?.value();
    expect(await search("search", { q: "zebrafinch", limit: 5 })).toMatchObject({ items: [{ id }] });
    expect(await search("searchJSONPath", { query: "$[?@.title == 'Zebrafinch counter'].id" })).toEqual([id]);
  });

  test("subscribes to an event, and its event source hears it by its name", async () => {
    const options = { uriVariables: { diff: true } };
    const heard: unknown[] = [];
    const subscription = await directory.subscribeEvent("thingCreated", () => {}, undefined, options);
    expect(await openStreams()).toBe(1);
    // Of an event stream, node-wot hands on the events that have no name. Those of WoT Discovery have one, so that the
    // event source that it opened has to be asked for them.
    eventSourceOf(subscription).addEventListener("thing_created", ({ data }) => heard.push(JSON.parse(data)));
    const td = tdOf({ title: "Announced" });
    await invoke("createThing", td, String(td["id"]));
    await expect.poll(() => heard).toMatchObject([{ id: td["id"], title: "Announced" }]);

    // It finds the stream to close by the address, which has the variables in it.
    await subscription.stop(options);
    await expect.poll(openStreams, { timeout: 5_000 }).toBe(0);
  });

  test("takes a token from its credentials where everything asks for one", async () => {
    await using closed = await startTestService({ admission: "token", readAccess: "token" });
    const wellKnown = `${closed.url}/.well-known/wot`;
    await expect(wot.requestThingDescription(wellKnown)).rejects.toThrow("Unauthorized");
    const answer = await fetch(wellKnown, { headers: { authorization: `Bearer ${adminToken}` } });
    const description = (await answer.json()) as Parameters<WoT["consume"]>[0];
    servient.addCredentials({ [String(description.id)]: { token: adminToken } });
    const consumed = await wot.consume(description);
    const td = tdOf();
    await consumed.invokeAction("createThing", td as never, { uriVariables: { id: String(td["id"]) } });
    expect(await (await consumed.readProperty("things")).value()).toMatchObject([{ id: td["id"] }]);
  });
});

/** The EventSource that node-wot opened for a subscription. */
function eventSourceOf(subscription: object): {
  addEventListener(type: string, listener: (event: { data: string }) => void): void;
} {
  type Source = ReturnType<typeof eventSourceOf>;
  const { client } = subscription as { client: { activeSubscriptions: Map<string, { eventSource: Source }> } };
  const [active] = client.activeSubscriptions.values();
  if (active === undefined) throw new Error("node-wot has no subscription");
  return active.eventSource;
}

/** How many event streams the registry serves at this moment. */
async function openStreams(): Promise<number> {
  const metrics = await (await registry.request("/metrics")).text();
  return Number(/^thingstead_event_streams (\d+)$/m.exec(metrics)?.[1]);
}
