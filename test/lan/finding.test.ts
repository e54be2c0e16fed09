import { afterAll, beforeAll, expect, test } from "vitest";
import { type Publication, startAvahi } from "../support/avahi.ts";
import { signedTd, tdOf } from "../support/descriptions.ts";
import { createNetwork, type Host } from "../support/network.ts";
import { describeOnNetworks, eventually } from "./on-networks.ts";
import { createHostDatabase, type HostDatabase } from "./place.ts";
import { type LanRegistry, startRegistry, thingPath } from "./registry.ts";

const thingPort = 8090;

describeOnNetworks("what is announced with Avahi", () => {
  const stack = new AsyncDisposableStack();
  let database: HostDatabase;
  let registry: LanRegistry;
  let agent: Agent;
  let yard: Agent;

  const start = (host: Host) => startRegistry(host, { ...database.env, LAN: "on", LAN_TTL: "2" });

  beforeAll(async () => {
    const network = stack.use(await createNetwork());
    const host = await network.host("registry");
    const agentHosts = [await network.host("agent"), await network.host("yard")];
    database = stack.use(await createHostDatabase(host));
    const starting = start(host);
    [agent, yard] = (await Promise.all(agentHosts.map(startAgent))) as [Agent, Agent];
    registry = await starting;
  });
  afterAll(() => stack.disposeAsync());

  const found = (id: string) =>
    eventually(async () => ((await registry.search("limit=100")).includes(id) ? true : null), id);
  const gone = (id: string, msMax?: number) =>
    eventually(
      async () => ((await registry.search("limit=100")).includes(id) ? null : true),
      `the end of ${id}`,
      msMax,
    );

  test.concurrent("is found by search, marked as unsigned and as local, and gone after the goodbye", async () => {
    const td = tdOf({
      title: "Lamp of the hall",
      actions: { toggleLamp: { forms: [{ href: "http://10.77.0.2:8090/toggle" }] } },
    });
    const id = String(td["id"]);
    const lamp = await agent.publish("Lamp", "/lamp", JSON.stringify(td));

    await found(id);
    expect(await registry.search("q=hall+lamp&capability=toggleLamp")).toEqual([id]);
    expect(await registry.registration(id)).toMatchObject({
      provenance: { door: "lan" },
      verification: { verified: false, state: "unsigned" },
    });
    const { services } = await registry.lan();
    expect(services.find(({ instance }) => instance.startsWith("Lamp."))).toMatchObject({
      type: "Thing",
      address: agent.host.address,
      port: thingPort,
      state: "admitted",
      ids: [id],
      title: "Lamp of the hall",
      error: null,
    });

    await lamp.end();
    await gone(id);
    expect((await registry.fetch(thingPath(id))).status).toBe(404);
  });

  test.concurrent("is verified where it is signed, and served byte for byte as it was announced", async () => {
    const { id, text } = signedTd({ members: { title: "Heating of the hall" } });
    const heating = await agent.publish("Heating", "/heating", text);

    await found(id);
    expect((await registry.fetch(thingPath(id))).text).toBe(text);
    expect(await registry.registration(id)).toMatchObject({
      provenance: { door: "lan" },
      verification: { verified: true },
    });
    await heating.end();
    await gone(id);
    // And it may come back: what ended was its stay on the network.
    const again = await agent.publish("Heating", "/heating", text);
    await found(id);
    await again.end();
  });

  test.concurrent("may be several things in one array, as agents of LMOS have them at their root", async () => {
    const tds = ["billing", "contracts", "faults"].map((name) => tdOf({ title: `Agent for ${name}` }));
    const agents = await agent.publish("Arc agents", "/", JSON.stringify(tds));
    const ids = tds.map((td) => String(td["id"]));
    for (const id of ids) await found(id);
    const { services } = await registry.lan();
    expect(services.find(({ instance }) => instance.startsWith("Arc"))?.ids.toSorted()).toEqual(ids.toSorted());
    await agents.end();
    for (const id of ids) await gone(id);
  });

  test.concurrent("ends by silence when its host is switched off", async () => {
    const td = tdOf({ title: "Camera of the yard" });
    await yard.publish("Camera", "/camera", JSON.stringify(td));
    await found(String(td["id"]));
    await yard.host.kill();
    await gone(String(td["id"]), 60_000);
  }, 90_000);

  test("ends also if it goes while the registry is down", async () => {
    const [stays, goes] = [tdOf({ title: "Door of the hall" }), tdOf({ title: "Window of the hall" })];
    await agent.publish("Door", "/door", JSON.stringify(stays));
    const window = await agent.publish("Window", "/window", JSON.stringify(goes));
    await found(String(stays["id"]));
    await found(String(goes["id"]));
    await registry.process.end("SIGKILL");
    await window.end();
    registry = await start(registry.host);
    await gone(String(goes["id"]), 60_000);
    await found(String(stays["id"]));
    expect(await registry.process.end()).toBe(0);
  }, 90_000);
});

/** A host with Avahi, and a web server for what it announces. */
interface Agent {
  host: Host;
  /** Serves `document` at `path`, and announces that. */
  publish(name: string, path: string, document: string): Promise<Publication>;
}

async function startAgent(host: Host): Promise<Agent> {
  const documents = new Map<string, string>();
  await host.serve(thingPort, (request, response) => {
    const document = documents.get(request.url ?? "");
    response.writeHead(document === undefined ? 404 : 200, { "content-type": "application/td+json" });
    response.end(document);
  });
  const avahi = await startAvahi(host);
  return {
    host,
    publish(name, path, document) {
      documents.set(path, document);
      return avahi.publish({ name, port: thingPort, txt: [`td=${path}`, "type=Thing", "scheme=http"] });
    },
  };
}
