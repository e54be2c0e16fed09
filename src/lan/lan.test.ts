import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { runCli } from "../../test/support/cli.ts";
import { createDatabasePlace, testDatabaseKind } from "../../test/support/database.ts";
import { signedTd, signedTombstone, tdOf } from "../../test/support/descriptions.ts";
import { createWire, machineWith, serviceRecords, type Wire } from "../../test/support/mdns-wire.ts";
import { startTestService, type TestService, thingPath } from "../../test/support/service.ts";
import { type Config, loadConfig } from "../config.ts";
import { limits } from "../base/limits.ts";
import type { ServiceParts } from "../main.ts";
import { thingIdOfInstance } from "./instance-name.ts";
import type { LanReport } from "./lan.ts";

/*
 * The whole door: a real registry, real devices that serve HTTP on the loopback interface, and real packets of multicast
 * DNS, which go over a network in memory.
 */

const name = "Lamp._wot._tcp.local";
const host = "127.0.0.1";
const stranger = "127.0.0.66";

let wire: Wire;
const ends: (() => Promise<unknown> | unknown)[] = [];

beforeEach(() => {
  wire = createWire();
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  wire.close();
});

/** What takes seconds and minutes on a real network. */
const settings = {
  pollMs: 20,
  selfHearMs: 1_000,
  retryMs: 100,
  tickMs: 10,
  queryMs: 200,
  checkMs: 50,
  refreshMs: 150,
  changeMs: 10,
  followMs: 20,
};

async function startRegistry(
  overrides: Partial<Config> = {},
  options: { place?: TestService["place"]; lan?: ServiceParts["lan"] } = {},
): Promise<TestService> {
  const registry = await startTestService(
    { lan: true, lanInterfaces: ["lo"], lanTtlSeconds: 2, ...overrides },
    {
      ...(options.place === undefined ? {} : { place: options.place }),
      lan: {
        interfaces: () => machineWith({ lo: `${host}/8` }),
        createSocket: wire.socketsOf(host),
        settings,
        random: () => 0.25,
        ...options.lan,
      },
    },
  );
  ends.push(() => registry.close());
  return registry;
}

interface Device {
  port: number;
  /** Paths that were asked for. */
  requests: string[];
  close(): Promise<void>;
}

async function startDevice(answer: (path: string) => unknown): Promise<Device> {
  const requests: string[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(request.url ?? "");
    const body = answer(request.url ?? "");
    if (body === undefined) response.writeHead(404).end();
    else response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
  const server = createServer(listener).listen(0, host);
  await once(server, "listening");
  const close = async () => {
    server.closeAllConnections();
    server.close();
  };
  ends.push(close);
  return { port: (server.address() as AddressInfo).port, requests, close };
}

/** Announces a service, or with `ttl: 0` withdraws it. */
function announce(
  port: number,
  changes: Partial<Parameters<typeof serviceRecords>[0]> = {},
  from = host,
  fromPort = 5353,
): void {
  wire.send(serviceRecords({ name, host: "lamp.local", port, addresses: [host], ...changes }), from, fromPort);
}

async function reportOf(registry: TestService): Promise<LanReport> {
  return (await (await registry.request("/lan")).json()) as LanReport;
}

/** Waits until `check` passes, and returns what it does. */
function eventually<Result>(check: () => Result | Promise<Result>): Promise<Result> {
  return vi.waitFor(check, { timeout: 20_000, interval: 20 });
}

/** Waits until the service is as expected, and returns what is said of it. */
function untilState(registry: TestService, state: string | null, instance = name) {
  return eventually(async () => {
    const { services } = await reportOf(registry);
    const service = services.find((one) => one.instance === instance);
    expect(service?.state ?? null).toBe(state);
    return service;
  });
}

const statusOf = async (registry: TestService, id: unknown) => (await registry.request(thingPath(String(id)))).status;
const announcedBy = (from: string) =>
  wire.packets
    .filter((one) => one.from === from && one.packet.type === "response")
    .flatMap(({ packet }) => packet.answers.filter(({ type, ttl }) => type === "PTR" && ttl !== 0))
    .map(({ data }) => String(data));

describe("a Thing on the network", () => {
  test("is registered without proof while it is announced, and leaves with its goodbye", async () => {
    const registry = await startRegistry();
    const td = tdOf({ title: "Lamp\u202e" });
    const device = await startDevice(() => td);
    announce(device.port);
    expect(await untilState(registry, "admitted")).toMatchObject({
      type: "Thing",
      host: "lamp.local",
      address: host,
      port: device.port,
      url: `http://${host}:${device.port}/td`,
      ids: [td.id],
      title: "Lamp",
      error: null,
    });
    const facts = (await (await registry.request(`${thingPath(String(td.id))}/registration`)).json()) as object;
    expect(JSON.stringify(facts)).toContain(name);
    announce(device.port, { ttl: 0 });
    await untilState(registry, null);
    await eventually(async () => expect(await statusOf(registry, td.id)).toBe(404));
  });

  test("that is signed keeps its bytes and its proof, and comes back with the same version", async () => {
    const registry = await startRegistry();
    const signed = signedTd();
    const device = await startDevice(() => signed.text);
    for (let times = 0; times < 2; times += 1) {
      announce(device.port);
      await untilState(registry, "admitted");
      expect(await (await registry.request(thingPath(signed.id))).text()).toBe(signed.text);
      announce(device.port, { ttl: 0 });
      await untilState(registry, null);
      await eventually(async () => expect(await statusOf(registry, signed.id)).not.toBe(200));
    }
  });

  test("without an id gets one that stays the same", async () => {
    const registry = await startRegistry();
    const { id: _, ...td } = tdOf();
    const device = await startDevice(() => td);
    announce(device.port);
    const id = thingIdOfInstance(name);
    expect((await untilState(registry, "admitted"))?.ids).toEqual([id]);
    await eventually(() => expect(device.requests.length).toBeGreaterThan(3));
    const versions = await (await registry.request(`${thingPath(id)}/versions`)).json();
    expect((versions as { versions: unknown[] }).versions).toHaveLength(1);
  });

  test("among several in one array is one entry each, as LMOS agents serve them", async () => {
    const registry = await startRegistry();
    const signed = signedTd();
    const agent = tdOf({ id: "weather agent", "@type": "lmos:Agent" });
    const tds = [tdOf({ title: "First" }), tdOf(), agent, signed.json, { title: "no thing" }];
    const device = await startDevice(() => [...tds, tds[0]]);
    announce(device.port, { txt: ["td=/"] });
    const service = await untilState(registry, "admitted");
    expect(service).toMatchObject({ url: `http://${host}:${device.port}/`, title: "First" });
    expect(service?.ids).toHaveLength(4);
    expect(service?.ids).toEqual(expect.arrayContaining([tds[0]?.id, tds[1]?.id, signed.id]));
    expect(service?.error).toContain("@context");
    expect(await statusOf(registry, "weather agent")).toBe(200);
  });

  test("is one of so many that a service may describe", async () => {
    const registry = await startRegistry();
    const tds = Array.from({ length: limits.lanDescriptionsPerServiceMax + 1 }, () => tdOf());
    const device = await startDevice(() => tds);
    announce(device.port, { txt: ["td=/"] });
    const service = await untilState(registry, "admitted");
    expect(service?.ids).toHaveLength(limits.lanDescriptionsPerServiceMax);
    expect(service?.error).toContain(String(limits.lanDescriptionsPerServiceMax));
  });

  test("whose description changes is updated; one that stays the same writes nothing", async () => {
    const registry = await startRegistry();
    const td = tdOf({ title: "Old" });
    let current = td;
    const device = await startDevice(() => current);
    announce(device.port);
    await untilState(registry, "admitted");
    const log = async () => ((await (await registry.request("/log/head")).json()) as { seq: number }).seq;
    await eventually(async () => expect(await log()).toBe(1));
    const asked = device.requests.length;
    await eventually(() => expect(device.requests.length).toBeGreaterThan(asked + 3));
    expect(await log()).toBe(1);
    current = { ...td, title: "New" };
    await eventually(async () => expect((await reportOf(registry)).services[0]?.title).toBe("New"));
    expect(await (await registry.request(thingPath(String(td.id)))).json()).toMatchObject({ title: "New" });
  });

  test("is taken up again if somebody has removed it here", async () => {
    const registry = await startRegistry({ admission: "open" });
    const td = tdOf();
    const device = await startDevice(() => td);
    announce(device.port);
    await untilState(registry, "admitted");
    expect((await registry.request(thingPath(String(td.id)), { method: "DELETE" })).status).toBe(204);
    await eventually(async () => expect(await statusOf(registry, td.id)).toBe(200));
  });

  test("does not replace an unsigned entry that came another way, nor end it", async () => {
    const registry = await startRegistry({ admission: "open" });
    const td = tdOf({ title: "Registered" });
    await registry.put({ id: String(td.id), text: JSON.stringify(td) });
    const device = await startDevice(() => ({ ...td, title: "Announced" }));
    announce(device.port);
    expect((await untilState(registry, "refused"))?.error).toContain("another way");
    announce(device.port, { ttl: 0 });
    await untilState(registry, null);
    expect(await (await registry.request(thingPath(String(td.id)))).json()).toMatchObject({ title: "Registered" });
  });

  test("that its controller retracts is gone, whatever is announced", async () => {
    const registry = await startRegistry();
    const signed = signedTd({ created: new Date(Date.now() - 60_000) });
    const device = await startDevice(() => signed.text);
    announce(device.port);
    await untilState(registry, "admitted");
    const tombstone = signedTombstone(signed.id, signed.key);
    expect((await registry.put(tombstone, { "content-type": "application/activity+json" })).ok).toBe(true);
    await untilState(registry, "refused");
    expect(await statusOf(registry, signed.id)).toBe(410);
  });

  test("that dies without a word is checked and ends; one that is only silent stays", async () => {
    const registry = await startRegistry({ lanTtlSeconds: 1 });
    const [dead, silent] = [tdOf(), tdOf()];
    const [one, other] = [await startDevice(() => dead), await startDevice(() => silent)];
    announce(one.port);
    announce(other.port, { name: "Desk._wot._tcp.local" });
    await untilState(registry, "admitted");
    await untilState(registry, "admitted", "Desk._wot._tcp.local");
    await one.close();
    await untilState(registry, null);
    await eventually(async () => expect(await statusOf(registry, dead.id)).toBe(404));
    expect(await statusOf(registry, silent.id)).toBe(200);
  });

  test("that comes and goes is held back", async () => {
    const registry = await startRegistry();
    const device = await startDevice(() => tdOf({ id: "urn:x:flapping" }));
    for (let times = 0; times < limits.lanDeparturesMax; times += 1) {
      announce(device.port);
      await untilState(registry, "admitted");
      announce(device.port, { ttl: 0 });
      await eventually(async () => expect((await reportOf(registry)).services[0]?.state).not.toBe("admitted"));
    }
    announce(device.port);
    expect((await untilState(registry, "flapping"))?.error).toContain("held back until");
    expect(await statusOf(registry, "urn:x:flapping")).toBe(404);
  });
});

describe("another directory", () => {
  test("is a neighbour with its title, and its things are left with it", async () => {
    const registry = await startRegistry();
    const device = await startDevice((path) => (path === "/.well-known/wot" ? tdOf({ title: "Other" }) : undefined));
    announce(device.port, { txt: ["type=Directory"] });
    expect(await untilState(registry, "neighbour")).toMatchObject({ type: "Directory", title: "Other", ids: [] });
    expect(await (await registry.request("/things")).json()).toEqual([]);
    expect(new Set(device.requests)).toEqual(new Set(["/.well-known/wot"]));
  });
});

describe("what a spoofer can do", () => {
  test("with a place that is none, or not on the network: nothing is fetched, and /lan says why", async () => {
    const registry = await startRegistry();
    const device = await startDevice(() => tdOf());
    const spoofed = {
      url: { txt: ["td=http://evil.example/td"] },
      authority: { txt: ["td=//evil.example/td"] },
      segments: { txt: ["td=/a/../td"] },
      port: { port: 0 },
      metadata: { addresses: ["169.254.169.254"] },
      public: { addresses: ["203.0.113.7"] },
      multicast: { addresses: ["224.0.0.251"] },
      text: { txt: Array.from({ length: 8 }, () => "x".repeat(250)) },
    };
    for (const [label, changes] of Object.entries(spoofed)) {
      announce(device.port, { name: `${label}._wot._tcp.local`, host: `${label}.local`, ...changes });
    }
    for (const label of Object.keys(spoofed)) {
      expect((await untilState(registry, "refused", `${label}._wot._tcp.local`))?.error, label).toBeTruthy();
    }
    expect(device.requests).toEqual([]);
  });

  test("with this machine's own address, from elsewhere: nothing is fetched", async () => {
    const registry = await startRegistry();
    const device = await startDevice(() => tdOf());
    announce(device.port, {}, stranger);
    await untilState(registry, "refused");
    expect(device.requests).toEqual([]);
  });

  test("from another network, or another port: is not heard", async () => {
    const registry = await startRegistry();
    const device = await startDevice(() => tdOf());
    announce(device.port, { name: "Far._wot._tcp.local" }, "10.0.0.7");
    announce(device.port, { name: "Odd._wot._tcp.local" }, host, 40_000);
    announce(device.port);
    await untilState(registry, "admitted");
    expect((await reportOf(registry)).services.map(({ instance }) => instance)).toEqual([name]);
  });

  test("with a goodbye for another's service: it is asked, and stays", async () => {
    const registry = await startRegistry();
    const td = tdOf();
    const device = await startDevice(() => td);
    announce(device.port);
    await untilState(registry, "admitted");
    const asked = device.requests.length;
    announce(device.port, { ttl: 0 }, stranger);
    await eventually(() => expect(device.requests.length).toBeGreaterThan(asked));
    expect(await statusOf(registry, td.id)).toBe(200);
    await untilState(registry, "admitted");
  });

  test("with a redirect to elsewhere: it is not followed", async () => {
    const registry = await startRegistry();
    const canary = await startDevice(() => tdOf());
    const server = createServer((_, response) => {
      response.writeHead(302, { location: `http://${host}:${canary.port}/td` }).end();
    }).listen(0, host);
    await once(server, "listening");
    ends.push(() => server.close());
    announce((server.address() as AddressInfo).port);
    expect((await untilState(registry, "failing"))?.error).toContain("only 127.0.0.1");
    expect(canary.requests).toEqual([]);
  });

  test("with what is no JSON, or is no Thing: it is not registered", async () => {
    const registry = await startRegistry();
    const [text, other] = [await startDevice(() => "<html>"), await startDevice(() => ({ a: 1 }))];
    announce(text.port);
    announce(other.port, { name: "Desk._wot._tcp.local" });
    await untilState(registry, "failing");
    await untilState(registry, "refused", "Desk._wot._tcp.local");
    expect(await (await registry.request("/things")).json()).toEqual([]);
  });

  test("with an answer that never comes: it is waited for so long, and others are asked meanwhile", async () => {
    const registry = await startRegistry();
    const td = tdOf();
    const slow = createServer(() => {}).listen(0, host);
    await once(slow, "listening");
    ends.push(() => (slow.closeAllConnections(), slow.close()));
    const device = await startDevice(() => td);
    announce((slow.address() as AddressInfo).port);
    await untilState(registry, "fetching");
    announce(device.port, { name: "Desk._wot._tcp.local" });
    await untilState(registry, "admitted", "Desk._wot._tcp.local");
    expect((await untilState(registry, "failing"))?.error).toContain(`${limits.lanFetchMsMax} ms`);
  });

  test("with a protocol that is not spoken: it is listed, and not fetched", async () => {
    const registry = await startRegistry();
    const device = await startDevice(() => tdOf());
    announce(device.port, { txt: ["td=/td", "scheme=coap+tcp"] });
    expect((await untilState(registry, "not-fetched"))?.error).toContain("coap+tcp");
    expect(device.requests).toEqual([]);
  });
});

describe("the registry itself", () => {
  test("is announced, hears that it is, does not find itself, and says goodbye when it stops", async () => {
    const registry = await startRegistry();
    const report = await eventually(async () => {
      const found = await reportOf(registry);
      expect(found.interfaces).toEqual([{ name: "lo", address: host, announced: true, error: null }]);
      return found;
    });
    expect(report).toMatchObject({ enabled: true, services: [] });
    expect(report.announced).toEqual([
      { instance: expect.stringMatching(/^Thingstead on /) as string, type: "Directory", td: "/.well-known/wot" },
    ]);
    const before = wire.packets.length;
    await registry.close();
    const goodbyes = wire.packets.slice(before).flatMap(({ packet }) => packet.answers.filter(({ ttl }) => ttl === 0));
    expect(goodbyes.map(({ type }) => type)).toEqual(["PTR", "PTR", "SRV", "TXT"]);
  });

  test("is not announced where HOST cannot be reached, and finds what is there all the same", async () => {
    const registry = await startRegistry(
      { host: "localhost", lanInterfaces: ["eth0"] },
      { lan: { interfaces: () => machineWith({ eth0: "127.0.0.9/8" }), createSocket: wire.socketsOf("127.0.0.9") } },
    );
    const device = await startDevice(() => tdOf());
    announce(device.port);
    await untilState(registry, "admitted");
    const { interfaces, announced, reason } = await reportOf(registry);
    expect(announced).toEqual([]);
    expect(interfaces[0]).toMatchObject({
      announced: false,
      error: expect.stringContaining("HOST is localhost") as string,
    });
    expect(reason).toContain("localhost");
  });

  test("says so if it does not hear itself, tries again, and serves meanwhile", async () => {
    wire.cut();
    const registry = await startRegistry({}, { lan: { settings: { ...settings, selfHearMs: 1_500, retryMs: 2_000 } } });
    await eventually(async () => {
      expect((await reportOf(registry)).interfaces).toEqual([
        { name: "lo", address: host, announced: false, error: expect.stringContaining("not heard again") as string },
      ]);
    });
    expect((await registry.request("/health/ready")).status).toBe(200);
    wire.mend();
    await eventually(async () => {
      expect((await reportOf(registry)).interfaces).toEqual([
        { name: "lo", address: host, announced: true, error: null },
      ]);
    });
  });

  test("says so if the port is taken, or an interface is missing", async () => {
    const createSocket = () => {
      const socket = wire.socketsOf(host)();
      const error = Object.assign(new Error("bind EADDRINUSE"), { code: "EADDRINUSE", syscall: "bind" });
      socket.bind = () => (setImmediate(() => socket.emit("error", error)), socket);
      return socket;
    };
    const registry = await startRegistry({ lanInterfaces: ["lo", "wlan7"] }, { lan: { createSocket } });
    await eventually(async () => {
      const errors = (await reportOf(registry)).interfaces.map(({ name: of, error }) => [of, error]);
      expect(errors).toEqual([
        ["lo", expect.stringContaining("5353 is in use") as string],
        ["wlan7", expect.stringContaining("no such interface") as string],
      ]);
    });
    expect((await registry.request("/health/ready")).status).toBe(200);
  });

  test("follows interfaces and addresses that change", async () => {
    let machine = machineWith({});
    const registry = await startRegistry(
      { host: "0.0.0.0", lanInterfaces: null },
      { lan: { interfaces: () => machine, createSocket: wire.socketsOf("10.0.0.2") } },
    );
    expect((await reportOf(registry)).interfaces).toEqual([]);
    const addresses = () =>
      wire.packets.flatMap(({ packet }) =>
        packet.additionals.filter(({ type }) => type === "A").map(({ data }) => data),
      );
    for (const address of ["10.0.0.2", "10.0.0.3"]) {
      machine = machineWith({ eth0: `${address}/24` });
      await eventually(async () => {
        expect((await reportOf(registry)).interfaces).toMatchObject([{ address }]);
        expect(addresses()).toContain(address);
      });
    }
    machine = machineWith({});
    await eventually(async () => expect((await reportOf(registry)).interfaces).toEqual([]));
  });

  test("keeps the entries over a restart, and ends those whose service is not heard any more", async () => {
    await using place = await createDatabasePlace();
    const first = await startRegistry({}, { place });
    const [lamp, desk] = [tdOf(), tdOf()];
    const devices = [await startDevice(() => lamp), await startDevice(() => desk)] as const;
    announce(devices[0].port);
    announce(devices[1].port, { name: "Desk._wot._tcp.local" });
    await untilState(first, "admitted");
    await untilState(first, "admitted", "Desk._wot._tcp.local");
    await first.close();

    const second = await startRegistry({ lanTtlSeconds: 1 }, { place });
    expect([await statusOf(second, lamp.id), await statusOf(second, desk.id)]).toEqual([200, 200]);
    announce(devices[0].port);
    await eventually(async () => expect(await statusOf(second, desk.id)).toBe(404));
    expect(await statusOf(second, lamp.id)).toBe(200);
    await second.close();

    const third = await startRegistry({ lan: false }, { place });
    // Another process on the same Postgres may still hear it.
    expect(await statusOf(third, lamp.id)).toBe(testDatabaseKind() === "pglite" ? 404 : 200);
    await third.close();
  });
});

describe("things that are announced for others", () => {
  test("are those that anybody may find, kept in step, but for what came from the network", async () => {
    const registry = await startRegistry({ lanProxy: true });
    const instances = () => announcedBy(host).filter((one) => one.endsWith("._wot._tcp.local"));
    const lamp = signedTd({ members: { title: "Lamp.1" } });
    await registry.put(lamp);
    const announced = await eventually(async () => {
      const found = (await reportOf(registry)).announced.find(({ type }) => type === "Thing");
      expect(found?.td).toBe(thingPath(lamp.id));
      return found;
    });
    expect(announced?.instance).toMatch(/^Lamp-1 \([0-9a-f]{6}\)\._wot\._tcp\.local$/);
    await eventually(() => expect(instances()).toContain(announced?.instance));

    // As another registry announces what it has.
    const found = tdOf();
    const device = await startDevice(() => found);
    announce(device.port, { name: "Found._wot._tcp.local", txt: [`td=${thingPath(String(found.id))}`] });
    await untilState(registry, "admitted", "Found._wot._tcp.local");
    const tombstone = signedTombstone(lamp.id, lamp.key, new Date(Date.now() + 1_000));
    await registry.put(tombstone, { "content-type": "application/activity+json" });
    await eventually(async () => {
      expect((await reportOf(registry)).announced.map(({ type }) => type)).toEqual(["Directory"]);
    });
  });

  test("are found after a start as well, and left out once they announce themselves", async () => {
    await using place = await createDatabasePlace();
    const first = await startTestService({}, { place });
    const [lamp, desk] = [signedTd(), signedTd()];
    await first.put(lamp);
    await first.put(desk);
    await eventually(async () => {
      expect(await (await first.request("/log/head")).json()).toMatchObject({ seq: 2 });
    });
    await first.close();

    const registry = await startRegistry({ lanProxy: true }, { place });
    const paths = async () =>
      (await reportOf(registry)).announced.flatMap(({ type, td }) => (type === "Thing" ? [td] : [])).toSorted();
    await eventually(async () => expect(await paths()).toEqual([lamp, desk].map(({ id }) => thingPath(id)).toSorted()));
    const device = await startDevice(() => lamp.text);
    announce(device.port);
    await untilState(registry, "admitted");
    await eventually(async () => expect(await paths()).toEqual([thingPath(desk.id)]));
    await registry.close();
  });
});

test("so many things are announced for others, those that changed last", async () => {
  await using place = await createDatabasePlace();
  const first = await startTestService({ admission: "open" }, { place });
  const idOf = (index: number) => `urn:x:${index}`;
  const register = async (to: TestService, index: number) => {
    const json = tdOf({ id: idOf(index) });
    expect((await to.put({ id: idOf(index), text: JSON.stringify(json) })).ok).toBe(true);
  };
  for (let index = 0; index <= limits.lanAnnouncedThingsMax; index += 1) await register(first, index);
  await eventually(async () => {
    const head = await (await first.request("/log/head")).json();
    expect(head).toMatchObject({ seq: limits.lanAnnouncedThingsMax + 1 });
  });
  await first.close();

  const registry = await startRegistry({ admission: "open", lanProxy: true }, { place });
  const paths = async () =>
    new Set((await reportOf(registry)).announced.flatMap(({ type, td }) => (type === "Thing" ? [td] : [])));
  await eventually(async () => expect((await paths()).size).toBe(limits.lanAnnouncedThingsMax));
  expect((await paths()).has(thingPath(idOf(0)))).toBe(false);
  await register(registry, 1_000);
  await eventually(async () => expect((await paths()).has(thingPath(idOf(1_000)))).toBe(true));
  expect((await paths()).size).toBe(limits.lanAnnouncedThingsMax);
  expect((await paths()).has(thingPath(idOf(1)))).toBe(false);
  await registry.close();
});

describe("the configuration", () => {
  test.each([
    [{}, false],
    [{ HOST: "localhost" }, false],
    [{ HOST: "127.0.1.1" }, false],
    [{ HOST: "::1" }, false],
    [{ HOST: "0.0.0.0" }, true],
    [{ HOST: "192.168.1.5" }, true],
    [{ HOST: "0.0.0.0", LAN: "off" }, false],
    [{ LAN: "on" }, true],
  ])("%j: the door is open: %s", (env, isOpen) => {
    expect(loadConfig(env).lan).toBe(isOpen);
  });

  test("has names of interfaces, a lifetime, and no announcements of what not everybody may read", () => {
    expect(loadConfig({})).toMatchObject({ lanProxy: false, lanInterfaces: null, lanTtlSeconds: 120 });
    const env = { LAN_INTERFACES: "eth0, wlan0", LAN_TTL: "30", LAN_PROXY: "on" };
    expect(loadConfig(env)).toMatchObject({ lanProxy: true, lanInterfaces: ["eth0", "wlan0"], lanTtlSeconds: 30 });
    expect(() => loadConfig({ LAN_TTL: "0" })).toThrow("LAN_TTL");
    const closed = { LAN_PROXY: "on", READ_ACCESS: "token", ADMIN_TOKEN: "0123456789abcdef" };
    expect(() => loadConfig(closed)).toThrow("LAN_PROXY: must be off");
  });
});

describe("GET /lan and `thingstead lan`", () => {
  test("say that the door is closed where it is", async () => {
    const registry = await startTestService();
    ends.push(() => registry.close());
    expect(await reportOf(registry)).toEqual({
      enabled: false,
      reason: "HOST is 127.0.0.1, this machine only.",
      interfaces: [],
      announced: [],
      services: [],
    });
    const { code, stdout } = await runCli(["lan", "--registry", registry.url]);
    expect([code, stdout]).toEqual([0, "LAN off: HOST is 127.0.0.1, this machine only.\n"]);
  });

  test("list what is there, and the table shows nothing that could steer a terminal", async () => {
    const registry = await startRegistry();
    const device = await startDevice(() => tdOf({ title: "\u001b[31mLamp\u001b[0m\u202e\nbright", id: "urn:x:lamp" }));
    announce(device.port, { name: "La\u202emp \u200b1._wot._tcp.local" });
    await eventually(async () => expect((await reportOf(registry)).services[0]?.state).toBe("admitted"));
    await eventually(async () => expect((await reportOf(registry)).interfaces[0]?.announced).toBe(true));
    const { stdout } = await runCli(["lan", "--watch", "--registry", registry.url]);
    const place = `${host}:${device.port}`;
    expect(stdout).toContain(`lo ${host} announced`);
    expect(stdout).toMatch(/^STATE +TYPE +NAME +TITLE +ADDRESS +THINGS$/m);
    expect(stdout).toMatch(new RegExp(`^admitted +Thing +Lamp 1 +\\S*Lamp\\S* bright +${place} +urn:x:lamp$`, "m"));
    expect(stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
    const { stdout: json } = await runCli(["lan", "--json", "--registry", registry.url]);
    expect(JSON.parse(json)).toMatchObject({ enabled: true, services: [{ ids: ["urn:x:lamp"] }] });
  });

  test("show nothing that could steer a terminal of a hostile registry either", async () => {
    const evil = "\u001b[2J\u202eevil\u0007\n";
    const service = {
      instance: evil,
      type: evil,
      address: evil,
      port: 1,
      state: evil,
      ids: [evil],
      title: evil,
      error: evil,
    };
    const answer = {
      enabled: true,
      reason: evil,
      interfaces: [{ name: evil, address: evil, announced: false, error: evil }],
      announced: [{ instance: evil, type: evil, td: evil }],
      services: [service],
    };
    const { port } = await startDevice((path) => (path === "/lan" ? answer : undefined));
    const { code, stdout } = await runCli(["lan", "--registry", `http://${host}:${port}`]);
    expect(code).toBe(0);
    expect(stdout.match(/evil/g)).toHaveLength(13);
    expect(stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
    expect(stdout.trimEnd().split("\n")).toHaveLength(6);
  });
});
