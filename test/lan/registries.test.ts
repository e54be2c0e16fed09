import os from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Avahi, startAvahi } from "../support/avahi.ts";
import { bin } from "../support/cli.ts";
import { signedTd, signedTombstone, tdOf } from "../support/descriptions.ts";
import { createNetwork, type Host } from "../support/network.ts";
import { describeOnNetworks, eventually } from "./on-networks.ts";
import { createHostDatabase, type HostDatabase } from "./place.ts";
import { type LanRegistry, registryPort, startRegistry, thingPath } from "./registry.ts";

/*
 * Network namespaces do not divide the machine's name: all these registries run on hosts of one name, and the Avahi
 * here has it too.
 */
describeOnNetworks("three registries on hosts of one name, one of them without a default route", () => {
  const stack = new AsyncDisposableStack();
  const registries: LanRegistry[] = [];
  const databases: HostDatabase[] = [];
  let other: Host;
  let avahi: Avahi;

  const start = (host: Host, database: HostDatabase) =>
    startRegistry(host, { ...database.env, LAN: "on", LAN_PROXY: "on" });

  beforeAll(async () => {
    const network = stack.use(await createNetwork());
    other = await network.host("other");
    const hosts = [
      await network.host("first"),
      await network.host("second", { hasDefaultRoute: false }),
      await network.host("third"),
    ];
    for (const host of hosts) databases.push(stack.use(await createHostDatabase(host)));
    avahi = await startAvahi(other, os.hostname().split(".")[0]);
    registries.push(...(await Promise.all(hosts.map((host, index) => start(host, databases[index] as HostDatabase)))));
  }, 120_000);
  afterAll(() => stack.disposeAsync());

  const addresses = () => registries.map(({ host }) => host.address);

  test("are all seen by Avahi, each under a name of its own at its own address", async () => {
    // They may have taken the same name at first, until one of them gives way.
    const directories = await eventually(async () => {
      const found = await avahi.browse("_directory._sub._wot._tcp");
      return sameAddresses(found, addresses()) ? found : null;
    }, "three directories");
    expect(new Set(directories.map(({ name }) => name)).size).toBe(3);
    expect(directories.map(({ port }) => port)).toEqual([registryPort, registryPort, registryPort]);
  });

  test("see each other as neighbours, and take none of them for a thing", async () => {
    for (const registry of registries) {
      const others = addresses().filter((address) => address !== registry.host.address);
      const neighbours = await eventually(async () => {
        const directories = (await registry.lan()).services.filter(({ type }) => type === "Directory");
        return sameAddresses(directories, others) ? directories : null;
      }, `the neighbours of ${registry.host.name}`);
      expect(neighbours.flatMap(({ ids }) => ids)).toEqual([]);
      expect(await registry.search("limit=100")).toEqual([]);
    }
  });

  test("all find a thing on a fourth host", async () => {
    const td = tdOf({ title: "Lamp of the hall" });
    await other.serve(8090, (_, response) => response.end(JSON.stringify(td)));
    const lamp = await avahi.publish({ name: "Lamp", port: 8090, txt: ["td=/", "type=Thing"] });
    for (const registry of registries) {
      await eventually(
        async () => ((await registry.search("q=lamp")).includes(String(td["id"])) ? true : null),
        `the lamp at ${registry.host.name}`,
      );
    }
    await lamp.end();
  });

  test("pass on what is registered at one of them, once, and only while it is there", async () => {
    const [first, ...others] = registries as [LanRegistry, ...LanRegistry[]];
    const { id, text, key } = signedTd({ members: { title: "Window of the hall" } });
    await first.put(id, text);
    for (const registry of others) {
      await eventually(
        async () => ((await registry.search("q=window")).includes(id) ? true : null),
        `the window at ${registry.host.name}`,
      );
      expect((await registry.fetch(thingPath(id))).text).toBe(text);
      expect(await registry.registration(id)).toMatchObject({
        provenance: { door: "lan" },
        verification: { verified: true },
      });
    }
    const windows = (await avahi.browse("_wot._tcp")).filter(({ txt }) => txt.includes("type=Thing"));
    expect(windows.map(({ address }) => address)).toEqual([first.host.address]);

    const tombstone = signedTombstone(id, key, new Date(Date.now() + 1_000));
    await first.put(id, tombstone.text, "application/ld+json");
    for (const registry of others) {
      await eventually(
        async () => ((await registry.search("q=window")).length === 0 ? true : null),
        `the end of the window at ${registry.host.name}`,
      );
    }
  });

  test("tell the command line what there is", async () => {
    const [registry] = registries as [LanRegistry];
    const args = [bin, "lan", "--json", "--registry", `http://127.0.0.1:${registryPort}`];
    const { code, stdout } = await registry.host.run(process.execPath, args);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Awaited<ReturnType<LanRegistry["lan"]>>;
    expect(report).toMatchObject({ enabled: true, interfaces: [{ name: "eth0", address: registry.host.address }] });
    expect(report.services.filter(({ type }) => type === "Directory")).toHaveLength(2);
  });

  test("are seen beside a service that has taken the name of one of them meanwhile", async () => {
    const [registry] = registries as [LanRegistry];
    const { address } = registry.host;
    const own = async () => (await avahi.browse("_wot._tcp")).find((service) => service.address === address);
    const before = await eventually(own, "the first registry");
    await registry.process.end("SIGTERM");
    await eventually(async () => ((await own()) === undefined ? true : null), "its end");

    await other.serve(8091, (_, response) => response.end(JSON.stringify(tdOf({ title: "Namesake" }))));
    const namesake = await avahi.publish({ name: before.name, port: 8091, txt: ["td=/", "type=Thing"] });
    registries[0] = await start(registry.host, databases[0] as HostDatabase);
    const after = await eventually(own, "the first registry again");
    const taken = (await avahi.browse("_wot._tcp")).find(({ port }) => port === 8091);
    expect(taken?.name).toBe(before.name);
    expect(after.name).not.toBe(before.name);
    expect(after.port).toBe(registryPort);
    await eventually(
      async () => ((await registries[1]?.search("q=namesake"))?.length === 1 ? true : null),
      "the namesake at another registry",
    );
    await namesake.end();
  }, 60_000);
});

function sameAddresses(services: readonly { address: string }[], wanted: readonly string[]): boolean {
  const found = services.map(({ address }) => address);
  return found.toSorted().join() === wanted.toSorted().join();
}
