import { afterAll, beforeAll, expect, test } from "vitest";
import { type Avahi, startAvahi } from "../support/avahi.ts";
import { signedTd, signedTombstone } from "../support/descriptions.ts";
import { type Capture, createNetwork, type Host } from "../support/network.ts";
import { describeOnNetworks, eventually } from "./on-networks.ts";
import { createHostDatabase } from "./place.ts";
import { type LanRegistry, registryPort, startRegistry, thingPath } from "./registry.ts";

describeOnNetworks("a registry on a network, as Avahi on another host sees it", () => {
  const stack = new AsyncDisposableStack();
  let registry: LanRegistry;
  let watcher: Host;
  let avahi: Avahi;
  let capture: Capture;

  beforeAll(async () => {
    const network = stack.use(await createNetwork());
    const host = await network.host("registry");
    watcher = await network.host("watcher");
    const database = stack.use(await createHostDatabase(host));
    // What follows are the registry's own words on the wire.
    capture = await watcher.capture(`udp port 5353 and ether src ${await macOf(host)}`);
    const starting = startRegistry(host, { ...database.env, LAN: "on", LAN_PROXY: "on" });
    [registry, avahi] = await Promise.all([starting, startAvahi(watcher)]);
  });
  afterAll(() => stack.disposeAsync());

  /** The directory as Avahi has it, once it has it at `address`. */
  const directoryAt = (address: string, type = "_wot._tcp") =>
    eventually(
      async () =>
        (await avahi.browse(type)).find((one) => one.txt.includes("type=Directory") && one.address === address),
      `a directory at ${address}`,
    );

  test("is found by its type and by its subtype, with where its own description is", async () => {
    const byType = await directoryAt(registry.host.address);
    const bySubtype = await directoryAt(registry.host.address, "_directory._sub._wot._tcp");
    expect(byType.port).toBe(registryPort);
    expect(byType.txt).toEqual(["scheme=http", "td=/.well-known/wot", "type=Directory"]);
    expect(bySubtype).toEqual(byType);

    const { status, text } = await watcher.fetch(`http://${byType.address}:${byType.port}/.well-known/wot`);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ "@type": "ThingDirectory" });
  });

  test("says on the wire what it announces, unasked", async () => {
    const { name } = await directoryAt(registry.host.address);
    const said = await capture.text();
    expect(said).toContain(`PTR ${name}._wot._tcp.local.`);
    expect(said).toContain(`_directory._sub._wot._tcp.local.`);
    expect(said).toContain(`"td=/.well-known/wot"`);
    expect(said).toContain(` A ${registry.host.address}`);
  });

  test("announces registered things for those who only know mDNS, until they are retracted", async () => {
    const { id, text, key } = signedTd({ members: { id: "urn:example:lamp:1", title: "Lamp of the hall" } });
    await registry.put(id, text);

    const lampOf = async () => (await avahi.browse("_wot._tcp")).find(({ txt }) => txt.includes("type=Thing"));
    const lamp = await eventually(lampOf, "the lamp");
    expect(lamp).toMatchObject({ address: registry.host.address, port: registryPort });
    expect(lamp.txt).toContain(`td=${thingPath(id)}`);
    expect((await watcher.fetch(`http://${lamp.address}:${lamp.port}${thingPath(id)}`)).text).toBe(text);

    const tombstone = signedTombstone(id, key, new Date(Date.now() + 1_000));
    await registry.put(id, tombstone.text, "application/ld+json");
    await eventually(async () => ((await lampOf()) === undefined ? true : null), "the end of the lamp");
  });

  test("is announced at its new address when that changes", async () => {
    const [before, after] = [registry.host.address, "10.77.0.99"];
    await directoryAt(before);
    await registry.host.setAddress(after);
    expect((await directoryAt(after)).port).toBe(registryPort);
    const { interfaces } = await registry.lan();
    expect(interfaces).toMatchObject([{ name: "eth0", address: after, announced: true, error: null }]);
  });

  test("says goodbye when it is told to stop, and is gone", async () => {
    const { name } = await directoryAt(registry.host.address);
    expect(await registry.process.end("SIGTERM")).toBe(0);
    await eventually(async () => ((await avahi.browse("_wot._tcp")).length === 0 ? true : null), "the end");
    expect(await capture.text()).toContain(`[0s] PTR ${name}._wot._tcp.local.`);
  });
});

async function macOf(host: Host): Promise<string> {
  const { stdout } = await host.run("cat", ["/sys/class/net/eth0/address"]);
  return stdout.trim();
}
