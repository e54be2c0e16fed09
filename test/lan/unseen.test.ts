import { afterAll, beforeAll, expect, test } from "vitest";
import { type Avahi, startAvahi } from "../support/avahi.ts";
import { tdOf } from "../support/descriptions.ts";
import { type Capture, createNetwork } from "../support/network.ts";
import { describeOnNetworks, eventually } from "./on-networks.ts";
import { createHostDatabase } from "./place.ts";
import { type LanRegistry, startRegistry } from "./registry.ts";

const thingPort = 8090;

describeOnNetworks("a registry that should not be seen", () => {
  const stack = new AsyncDisposableStack();
  let avahi: Avahi;
  const lamp = tdOf({ title: "Lamp of the hall" });

  interface Quiet {
    registry: LanRegistry;
    /** Everything of mDNS that it sends. */
    sent: Capture;
    /** The same without questions. */
    said: Capture;
  }
  const registries = new Map<string, Quiet>();
  const quiet = (name: string) => registries.get(name) as Quiet;

  beforeAll(async () => {
    const network = stack.use(await createNetwork());
    const other = await network.host("other");
    await other.serve(thingPort, (_, response) => response.end(JSON.stringify(lamp)));
    const configurations: [string, Record<string, string>][] = [
      ["off", { LAN: "off" }],
      ["default", { HOST: "127.0.0.1" }],
      ["loopback", { HOST: "127.0.0.1", LAN: "on" }],
    ];
    const starting = configurations.map(async ([name, env]) => {
      const host = await network.host(name);
      const database = stack.use(await createHostDatabase(host));
      const sent = await host.capture(`src host ${host.address} and (udp port 5353 or igmp)`);
      // The highest bit of a DNS message's flags says that it is no question.
      const said = await host.capture(`src host ${host.address} and udp port 5353 and udp[10] & 0x80 != 0`);
      registries.set(name, { registry: await startRegistry(host, { ...database.env, ...env }), sent, said });
    });
    avahi = await startAvahi(other);
    await avahi.publish({ name: "Lamp", port: thingPort, txt: ["td=/", "type=Thing"] });
    await Promise.all(starting);
    // Whoever answers has been asked now.
    expect((await avahi.browse("_wot._tcp")).map(({ name }) => name)).toEqual(["Lamp"]);
  }, 120_000);
  afterAll(() => stack.disposeAsync());

  test.each([
    ["off", "LAN is off."],
    ["default", "HOST is 127.0.0.1, this machine only."],
  ])("is silent on the wire (%s), and says why", async (name, reason) => {
    const { registry, sent } = quiet(name);
    const report = await registry.lan();
    expect(report).toEqual({ enabled: false, reason, interfaces: [], announced: [], services: [] });
    expect(await registry.search("q=lamp")).toEqual([]);
    expect(await sent.text()).toBe("");
    const { stdout } = await registry.host.run("cat", ["/proc/net/udp", "/proc/net/udp6"]);
    expect(stdout, "nothing listens for mDNS").not.toContain(":14E9 ");
  });

  test("finds things but announces nothing where others cannot reach it, and says so", async () => {
    const { registry, sent, said } = quiet("loopback");
    const report = await registry.lan();
    expect(report).toMatchObject({
      enabled: true,
      reason: expect.stringContaining("HOST is 127.0.0.1"),
      announced: [],
    });
    expect(report.interfaces).toMatchObject([
      { name: "eth0", announced: false, error: expect.stringContaining("HOST") },
    ]);
    await eventually(async () => ((await registry.search("q=lamp")).length === 1 ? true : null), "the lamp");
    expect(await sent.text()).toContain("PTR (QM)? _wot._tcp.local.");
    expect(await said.text()).toBe("");
  });
});
