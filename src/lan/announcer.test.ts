import type { OutgoingPacket } from "multicast-dns";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createWire, machineWith, serviceRecords, type Wire } from "../../test/support/mdns-wire.ts";
import { limits } from "../base/limits.ts";
import { type Announcer, createAnnouncer } from "./announcer.ts";
import { type Channel, openChannel } from "./channel.ts";
import { usableInterfaces } from "./interfaces.ts";
import type { Announcement } from "./records.ts";
import { createTimers, type Timers } from "./timers.ts";

const name = "Thingstead on box._wot._tcp.local";
let wire: Wire;
const ends: (() => void)[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
  wire = createWire();
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
  wire.close();
  vi.useRealTimers();
});

/** Lets time pass, and packets with it. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    await vi.advanceTimersByTimeAsync(10);
    for (let turns = 0; turns < 3; turns += 1) await new Promise(setImmediate);
  }
}

interface Host {
  announcer: Announcer;
  channel: Channel;
  timers: Timers;
}

/** A registry that announces itself from an address. */
function startHost(address: string, options: { seed?: string; random?: number } = {}): Host {
  const timers = createTimers();
  const now = () => performance.now();
  const announcer = createAnnouncer({
    place: { host: `host-${address.replaceAll(".", "-")}.local`, port: 8080 },
    label: "Thingstead on box",
    seed: options.seed ?? address,
    td: "/.well-known/wot",
    timers,
    random: () => options.random ?? 0,
    now,
  });
  const [link] = usableInterfaces(machineWith({ eth0: `${address}/24` }), null);
  if (link === undefined) throw new Error("no interface");
  const channel = openChannel(link, {
    now,
    createSocket: wire.socketsOf(address),
    onPacket: (packet) => announcer.hear(channel, packet),
    onFault: (fault) => {
      throw new Error(fault);
    },
  });
  announcer.join(channel);
  ends.push(() => {
    timers.stop();
    void channel.close();
  });
  return { announcer, channel, timers };
}

/** Records that an address has sent since packet number `since`, as `TYPE name ttl data`. */
function recordsBy(from: string, since = 0): string[] {
  return wire.packets
    .slice(since)
    .filter((one) => one.from === from && one.packet.type === "response")
    .flatMap(({ packet }) => packet.answers)
    .map(({ type, name: of, ttl, data }) => {
      const shown = Array.isArray(data) ? data.map(String).join(" ") : JSON.stringify(data);
      return `${type} ${of} ${ttl} ${shown}`;
    });
}

const query = (of: string, type: string, answers: OutgoingPacket["answers"] = []): OutgoingPacket => ({
  type: "query",
  questions: [{ name: of, type }],
  ...(answers.length > 0 ? { answers } : {}),
});
const ptrs = (records: readonly string[]) => records.filter((record) => record.startsWith("PTR _wot._tcp.local"));

describe("the directory", () => {
  test("asks whether its name is taken, and then announces itself with its subtype, place and text", async () => {
    startHost("10.0.0.2");
    await pass(740);
    expect(wire.packets.filter(({ packet }) => packet.questions[0]?.name === name)).toHaveLength(3);
    expect(recordsBy("10.0.0.2")).toEqual([]);
    await pass(50);
    expect(recordsBy("10.0.0.2")).toEqual([
      `PTR _wot._tcp.local 4500 "${name}"`,
      `PTR _directory._sub._wot._tcp.local 4500 "${name}"`,
      `SRV ${name} 120 ${JSON.stringify({ priority: 0, weight: 0, port: 8080, target: "host-10-0-0-2.local" })}`,
      `TXT ${name} 4500 td=/.well-known/wot type=Directory scheme=http`,
    ]);
    const additionals = wire.packets.at(-1)?.packet.additionals.map(({ type, name: of, data }) => [type, of, data]);
    expect(additionals).toEqual([
      ["A", "host-10-0-0-2.local", "10.0.0.2"],
      ["PTR", "_services._dns-sd._udp.local", "_wot._tcp.local"],
    ]);
    await pass(4_000);
    expect(ptrs(recordsBy("10.0.0.2"))).toHaveLength(3);
  });

  test("takes another name if its own is taken, and the owner keeps it", async () => {
    const first = startHost("10.0.0.2");
    await pass(1_000);
    const second = startHost("10.0.0.3");
    await pass(2_500);
    expect(first.announcer.list().map(({ instance }) => instance)).toEqual([name]);
    expect(second.announcer.list().map(({ instance }) => instance)).toEqual([
      expect.stringMatching(/^Thingstead on box \([0-9a-f]{6}\)\._wot\._tcp\.local$/) as string,
    ]);
    // The name is the first one's: nobody withdraws it.
    expect(recordsBy("10.0.0.3").filter((record) => record.includes(" 0 "))).toEqual([]);
  });

  test("and another one that start together end with two names", async () => {
    const hosts = [startHost("10.0.0.2"), startHost("10.0.0.3")];
    await pass(4_000);
    const names = hosts.flatMap(({ announcer }) => announcer.list().map(({ instance }) => instance));
    expect(new Set(names).size).toBe(2);
  });

  test("gives way to who says later that the name is theirs, and not for ever", async () => {
    const { announcer } = startHost("10.0.0.2");
    const names = new Set<string>();
    for (let round = 0; round < 12; round += 1) {
      await pass(1_000);
      const [own] = announcer.list();
      if (own === undefined) continue;
      names.add(own.instance);
      wire.send(serviceRecords({ name: own.instance, host: "evil.local" }), "10.0.0.66");
    }
    await pass(1_000);
    expect(names.size).toBe(6);
    expect(announcer.list()).toHaveLength(1);
  });

  test("withdraws itself when it ends, with a lifetime of zero", async () => {
    const { announcer } = startHost("10.0.0.2");
    await pass(1_000);
    const before = wire.packets.length;
    const withdrawn = announcer.withdraw();
    await pass(20);
    await withdrawn;
    const last = recordsBy("10.0.0.2", before);
    expect(last).toHaveLength(4);
    expect(last.every((record) => record.includes(" 0 "))).toBe(true);
    await pass(5_000);
    expect(recordsBy("10.0.0.2", before)).toEqual(last);
  });
});

describe("a query", () => {
  /** What the host answers to a packet, once all that it says by itself is said. */
  async function answersTo(...packets: OutgoingPacket[]): Promise<string[]> {
    startHost("10.0.0.2");
    await pass(6_000);
    const before = wire.packets.length;
    for (const packet of packets) wire.send(packet, "10.0.0.7");
    await pass(300);
    return recordsBy("10.0.0.2", before);
  }

  test.each([
    ["_wot._tcp.local", "PTR"],
    ["_WOT._tcp.LOCAL", "ANY"],
    ["_directory._sub._wot._tcp.local", "PTR"],
    [name, "SRV"],
    [name.toUpperCase(), "TXT"],
    [name, "ANY"],
  ])("for %s %s is answered with all records of the directory", async (of, type) => {
    expect(await answersTo(query(of, type))).toHaveLength(4);
  });

  test.each([
    ["host-10-0-0-2.local", "A"],
    ["_services._dns-sd._udp.local", "PTR"],
  ])("for %s %s is answered with what all announcements share", async (of, type) => {
    expect(await answersTo(query(of, type))).toHaveLength(2);
  });

  test.each([
    ["_http._tcp.local", "PTR"],
    ["_wot._tcp.local", "SRV"],
    ["other.local", "A"],
    ["constructor", "ANY"],
  ])("for %s %s is not answered", async (of, type) => {
    expect(await answersTo(query(of, type))).toEqual([]);
  });

  test.each([
    ["is not answered", 2_250, 0],
    ["is answered if that runs out soon", 10, 4],
  ])("by somebody who says that the directory is known %s", async (_, ttl, records) => {
    const known = [{ name: "_wot._tcp.local", type: "PTR" as const, ttl, data: name }];
    expect(await answersTo(query("_wot._tcp.local", "PTR", known))).toHaveLength(records);
  });

  test.each([
    [31, 4],
    [32, 0],
  ])("with %i questions before ours is answered with %i records", async (count, records) => {
    const others = Array.from({ length: count }, () => ({ name: "_http._tcp.local", type: "PTR" }));
    const questions = [...others, { name: "_wot._tcp.local", type: "PTR" }];
    expect(await answersTo({ type: "query", questions })).toHaveLength(records);
  });

  test("is answered once, however many ask, and however much one asks", async () => {
    const questions = Array.from({ length: 200 }, () => ({ name: "_wot._tcp.local", type: "PTR" }));
    const flood = Array.from({ length: 200 }, (): OutgoingPacket => ({ type: "query", questions }));
    expect(ptrs(await answersTo(...flood))).toHaveLength(1);
    const before = wire.packets.length;
    for (const packet of flood) wire.send(packet, "10.0.0.7");
    await pass(300);
    expect(recordsBy("10.0.0.2", before)).toEqual([]);
  });
});

describe("things", () => {
  const thing = (index: number, td = `/things/${index}`): Announcement => ({
    instance: `Lamp ${index}._wot._tcp.local`,
    type: "Thing",
    td,
  });

  test("are announced in packets that fit into a frame, kept in step, and withdrawn", async () => {
    const { announcer } = startHost("10.0.0.2");
    await pass(5_000);
    const before = wire.packets.length;
    const things = Array.from({ length: limits.lanAnnouncedThingsMax }, (_, index) => thing(index));
    announcer.setThings(things);
    await pass(100);
    expect(ptrs(recordsBy("10.0.0.2", before))).toHaveLength(things.length);
    expect(announcer.list()).toHaveLength(things.length + 1);
    await pass(5_000);

    const quiet = wire.packets.length;
    announcer.setThings(things.map(({ ...same }) => same));
    await pass(5_000);
    expect(recordsBy("10.0.0.2", quiet)).toEqual([]);

    announcer.setThings([thing(0, "/things/changed"), thing(1)]);
    await pass(100);
    const changed = ptrs(recordsBy("10.0.0.2", quiet));
    expect(changed.filter((record) => record.includes(" 0 "))).toHaveLength(things.length - 2);
    expect(recordsBy("10.0.0.2", quiet)).toContain(
      "TXT Lamp 0._wot._tcp.local 4500 td=/things/changed type=Thing scheme=http",
    );
    expect(changed.filter((record) => record.includes("Lamp 1."))).toEqual([]);
  });
});
