import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase, rowsOf } from "../../src/db/client.ts";
import { type Avahi, startAvahi } from "../support/avahi.ts";
import { tdOf } from "../support/descriptions.ts";
import { type Capture, createNetwork, type Host, type HostServer, type Network } from "../support/network.ts";
import { describeOnNetworks, eventually } from "./on-networks.ts";
import { createHostDatabase, type HostDatabase } from "./place.ts";
import { type LanRegistry, startRegistry } from "./registry.ts";

const forgedPort = 8090;
const canaryPort = 8099;
const sendMdns = fileURLToPath(new URL("send-mdns.ts", import.meta.url));

describeOnNetworks("a registry among hosts that it cannot trust", () => {
  const stack = new AsyncDisposableStack();
  let network: Network;
  let database: HostDatabase;
  let registry: LanRegistry;
  let forger: { host: Host; avahi: Avahi; server: HostServer };
  let canary: { host: Host; avahi: Avahi; server: HostServer; capture: Capture };
  const thing = tdOf({ title: "Lamp of the hall" });
  const bird = tdOf({ title: "Canary" });

  beforeAll(async () => {
    network = stack.use(await createNetwork());
    const host = await network.host("registry");
    const [forgerHost, canaryHost] = [await network.host("forger"), await network.host("canary")];
    database = stack.use(await createHostDatabase(host));
    const starting = startRegistry(host, { ...database.env, LAN: "on", LAN_TTL: "60" });
    const avahis = await Promise.all([startAvahi(forgerHost), startAvahi(canaryHost)]);
    const canaryOrigin = `http://${canaryHost.address}:${canaryPort}`;
    const forgerServer = await forgerHost.serve(forgedPort, (request, response) => {
      const path = request.url ?? "";
      if (path === "/thing") response.end(JSON.stringify(thing));
      else if (path.startsWith("/redirect")) response.writeHead(302, { location: `${canaryOrigin}/` }).end();
      else if (path.startsWith("/port"))
        response.writeHead(307, { location: `http://${forgerHost.address}:${canaryPort}/` }).end();
      else response.writeHead(404).end();
    });
    const canaryServer = await canaryHost.serve(canaryPort, (_, response) => response.end(JSON.stringify(bird)));
    const capture = await canaryHost.capture(`tcp and src host ${host.address}`);
    forger = { host: forgerHost, avahi: avahis[0], server: forgerServer };
    canary = { host: canaryHost, avahi: avahis[1], server: canaryServer, capture };
    registry = await starting;
  });
  afterAll(() => stack.disposeAsync());

  const serviceOf = (name: string) => async () =>
    (await registry.lan()).services.find(
      ({ instance, error, ids }) => instance.startsWith(name) && (error !== null || ids.length > 0),
    );

  test("connects to nobody but the host that an announcement leads to, whatever the announcement says", async () => {
    const elsewhere = `${canary.host.address}:${canaryPort}`;
    const forged = {
      "an absolute address": `http://${elsewhere}/`,
      "another authority": `//${elsewhere}/`,
      "user information": `@${elsewhere}/`,
      backslashes: `\\\\${elsewhere}\\`,
      "dots and an authority": `/..//${elsewhere}/`,
      "a redirect": "/redirect",
      "a redirect to another port": "/port",
      "a line break": `/x\r\nHost: ${elsewhere}`,
    };
    const otherPort = await forger.host.serve(canaryPort, (_, response) => response.end("{}"));
    const publications = await Promise.all(
      Object.entries(forged).map(([name, td]) =>
        forger.avahi.publish({ name, port: forgedPort, txt: [`td=${td}`, "type=Thing"] }),
      ),
    );
    for (const name of Object.keys(forged)) {
      const service = await eventually(serviceOf(name), name);
      expect(service, name).toMatchObject({ ids: [], error: expect.any(String) });
    }
    expect(canary.server.connections()).toBe(0);
    expect(otherPort.connections()).toBe(0);
    expect(await canary.capture.text()).toBe("");
    await Promise.all(publications.map((publication) => publication.end()));

    // The canary would have told: it does where it announces something itself.
    const honest = await canary.avahi.publish({ name: "Canary", port: canaryPort, txt: ["td=/", "type=Thing"] });
    expect((await eventually(serviceOf("Canary"), "the canary")).ids).toHaveLength(1);
    expect(canary.server.connections()).toBeGreaterThan(0);
    await honest.end();
  });

  test("connects to no address that is not on the network it is announced on, and to none of its own", async () => {
    // Both lead to the canary, so that a connection would be seen.
    const [beyond, metadata] = ["192.0.2.10", "169.254.169.254"];
    for (const address of [beyond, metadata]) {
      await canary.host.run("ip", ["addr", "add", `${address}/32`, "dev", "eth0"]);
      await registry.host.run("ip", ["route", "add", address, "via", canary.host.address]);
      expect((await registry.host.fetch(`http://${address}:${canaryPort}/`)).status).toBe(200);
    }
    const own = await registry.host.serve(canaryPort, (_, response) => response.end("{}"));
    const before = canary.server.connections();

    const forged = { beyond, metadata, loopback: "127.0.0.1", own: registry.host.address, every: "0.0.0.0" };
    const publications = await Promise.all(
      Object.entries(forged).flatMap(([name, address]) => [
        forger.avahi.publishAddress(`${name}.local`, address),
        forger.avahi.publish({ name, host: `${name}.local`, port: canaryPort, txt: ["td=/", "type=Thing"] }),
      ]),
    );
    for (const name of Object.keys(forged)) {
      const service = await eventually(serviceOf(name), name);
      expect(service, name).toMatchObject({ ids: [], error: expect.any(String) });
    }
    expect(own.connections()).toBe(0);
    expect(canary.server.connections()).toBe(before);
    await Promise.all(publications.map((publication) => publication.end()));
  });

  test("does not believe a goodbye that another host says", async () => {
    const id = String(bird["id"]);
    const steady = await canary.avahi.publish({ name: "Steady", port: canaryPort, txt: ["td=/", "type=Thing"] });
    await eventually(async () => ((await registry.search("q=canary")).includes(id) ? true : null), "the canary");
    const before = await registry.registration(id);

    const name = "_wot._tcp.local";
    const goodbye = { answers: [{ name, type: "PTR", ttl: 0, data: `Steady.${name}` }] };
    const capture = await registry.host.capture("udp port 5353");
    const sender = [sendMdns, forger.host.address, JSON.stringify(goodbye)];
    expect(await forger.host.run(process.execPath, sender)).toMatchObject({ code: 0, stderr: "" });
    await eventually(
      async () => ((await capture.text()).includes(`[0s] PTR Steady.${name}`) ? true : null),
      "the false goodbye on the wire",
    );

    // What was heard before this one has had its effect when this one is found.
    const later = await forger.avahi.publish({ name: "Later", port: forgedPort, txt: ["td=/thing", "type=Thing"] });
    await eventually(serviceOf("Later"), "a later thing");
    await later.end();
    expect(await registry.registration(id)).toEqual(before);
    await steady.end();
  });

  test("writes little of a thing that comes and goes ten times", async () => {
    const id = String(thing["id"]);
    for (let round = 0; round < 10; round += 1) {
      const flapping = await forger.avahi.publish({
        name: "Flapping",
        port: forgedPort,
        txt: ["td=/thing", "type=Thing"],
      });
      await eventually(async () => {
        if ((await registry.search("q=lamp")).includes(id)) return true;
        const { services } = await registry.lan();
        return services.find(({ instance }) => instance.startsWith("Flapping"))?.state === "flapping" ? true : null;
      }, "the thing, or that it is held back");
      await flapping.end();
    }
    await eventually(async () => ((await registry.search("q=lamp")).length === 0 ? true : null), "its end");
    expect(await registry.process.end()).toBe(0);

    await using db = await openDatabase(database.place.options);
    const [row] = await rowsOf<{ count: string }>(db.orm, sql`select count(*) from journal where thing_id = ${id}`);
    expect(Number(row?.count)).toBeGreaterThan(0);
    expect(Number(row?.count)).toBeLessThan(10);
  }, 60_000);
});
