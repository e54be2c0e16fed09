import * as fc from "fast-check";
import type { IncomingPacket, OutgoingPacket } from "multicast-dns";
import { describe, expect, test } from "vitest";
import { machineWith, received, serviceRecords } from "../../test/support/mdns-wire.ts";
import { limits } from "../base/limits.ts";
import { usableInterfaces } from "./interfaces.ts";
import { observationsIn } from "./observations.ts";

const name = "Lamp._wot._tcp.local";

/** What is made of a packet that came from 10.0.0.7. */
async function observed(packet: OutgoingPacket) {
  const [link] = usableInterfaces(machineWith({ eth0: "10.0.0.2/24" }), null);
  if (link === undefined) throw new Error("no interface");
  const hearing = { sender: "10.0.0.7", link, isOwn: (address: string) => address === "10.0.0.2" };
  return observationsIn(await received(packet), hearing);
}

test("an announcement tells where a service is and what it has to say", async () => {
  const { services, hosts } = await observed(
    serviceRecords({ name, txt: ["td=/td", "TYPE=Thing", "scheme=http", "x"] }),
  );
  expect(services).toEqual([
    {
      name,
      goodbye: false,
      location: { host: "lamp.local", port: 8090 },
      text: { td: "/td", type: "Thing", scheme: "http", raw: expect.any(String) as string },
    },
  ]);
  expect([...hosts]).toEqual([["lamp.local", { address: "10.0.0.7" }]]);
});

test("of a key that occurs twice the first counts, and a key may have no value", async () => {
  const { services } = await observed(serviceRecords({ name, txt: ["td=/one", "td=//two", "=x", "scheme"] }));
  expect(services[0]?.text).toMatchObject({ td: "/one", scheme: "", type: null });
});

describe("a goodbye", () => {
  test("is a withdrawn pointer or location", async () => {
    expect((await observed(serviceRecords({ name, ttl: 0 }))).services).toEqual([
      { name, goodbye: true, location: null, text: null },
    ]);
    const answers = [{ name: "_wot._tcp.local", type: "PTR" as const, ttl: 0, data: name }];
    expect((await observed({ type: "response", answers })).services[0]?.goodbye).toBe(true);
  });

  test("is not one from a subtype, nor one beside records that live", async () => {
    const subtype = { name: "_directory._sub._wot._tcp.local", type: "PTR" as const, ttl: 0, data: name };
    expect((await observed({ type: "response", answers: [subtype] })).services).toEqual([]);
    const packet = serviceRecords({ name });
    packet.answers?.push({ name: "_wot._tcp.local", type: "PTR", ttl: 0, data: name });
    expect((await observed(packet)).services[0]?.goodbye).toBe(false);
  });
});

describe("a hostile packet", () => {
  test.each(["\u001b[31mLamp._wot._tcp.local", "La\nmp._wot._tcp.local", "Lamp._http._tcp.local", "_wot._tcp.local"])(
    "with the name %j says nothing",
    async (bad) => {
      expect((await observed(serviceRecords({ name: bad }))).services).toEqual([]);
    },
  );

  test.each(["169.254.169.254", "127.0.0.1", "203.0.113.7", "224.0.0.251", "10.0.0.2"])(
    "with the address %s gives its service a fault",
    async (address) => {
      const { hosts } = await observed(serviceRecords({ name, addresses: [address] }));
      expect(hosts.get("lamp.local")).toHaveProperty("fault");
    },
  );

  test("with the address of another host than SRV names does not give the service that address", async () => {
    const packet = serviceRecords({ name, host: "evil.example" });
    packet.additionals = [{ name: "lamp.local", type: "A", ttl: 120, data: "10.0.0.7" }];
    const { services, hosts } = await observed(packet);
    expect(services[0]?.location?.host).toBe("evil.example");
    expect(hosts.has("evil.example")).toBe(false);
  });

  test("with more text than is read gives its service a fault, and none at the bound", async () => {
    const full = (bytes: number) => [
      ...Array.from({ length: Math.floor(bytes / 256) }, () => Buffer.alloc(255, "x")),
      Buffer.alloc((bytes % 256) - 1, "x"),
    ];
    const textOf = async (bytes: number) =>
      (await observed(serviceRecords({ name, txt: full(bytes) }))).services[0]?.text;
    expect(await textOf(limits.lanTextBytesMax)).not.toHaveProperty("fault");
    expect(await textOf(limits.lanTextBytesMax + 1)).toHaveProperty("fault");
  });

  test("with an escape code in the host's name tells no place", async () => {
    const { services } = await observed(serviceRecords({ name, host: "la\u001bmp.local" }));
    expect(services[0]?.location).toBeNull();
  });

  test("with a path of 2 KB has a record that is too large", async () => {
    const path = Buffer.from(`td=/${"a".repeat(2_048)}`);
    const txt = Array.from({ length: Math.ceil(path.length / 255) }, (_, at) =>
      path.subarray(at * 255, at * 255 + 255),
    );
    expect((await observed(serviceRecords({ name, txt }))).services[0]?.text).toHaveProperty("fault");
  });

  test("with a thousand instances is read in full", async () => {
    const answers = Array.from({ length: 1_000 }, (_, index) => ({
      name: "_wot._tcp.local",
      type: "PTR" as const,
      ttl: 120,
      data: `Lamp ${index}._wot._tcp.local`,
    }));
    expect((await observed({ type: "response", answers })).services).toHaveLength(1_000);
  });

  test("is read without a fault of ours, whatever its records hold", async () => {
    const text = fc.constantFrom("_wot._tcp.local", name, "lamp.local", ".", "", "__proto__", "a\0b");
    const data = fc.oneof(
      text,
      fc.constantFrom("10.0.0.7", "::1", null, undefined, 7),
      fc.array(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))),
      fc.record({ target: fc.oneof(text, fc.constant(undefined)), port: fc.oneof(fc.integer(), fc.constant("80")) }),
    );
    const type = fc.constantFrom("PTR", "SRV", "TXT", "A", "AAAA", "NSEC", "OPT", "UNKNOWN_9");
    const ttl = fc.constantFrom(0, 120, undefined);
    const records = fc.array(fc.record({ name: text, type, ttl, data }), { maxLength: 12 });
    const frame = { id: 0, type: "response" as const, questions: [], authorities: [] };
    const [link] = usableInterfaces(machineWith({ eth0: "10.0.0.2/24" }), null);
    if (link === undefined) throw new Error("no interface");
    fc.assert(
      fc.property(records, records, (answers, additionals) => {
        const packet = { ...frame, answers, additionals } as unknown as IncomingPacket;
        const { services, hosts } = observationsIn(packet, { sender: "10.0.0.7", link, isOwn: () => false });
        for (const service of services) expect(service.name).toBe(name);
        for (const address of hosts.values()) {
          if ("address" in address) expect(address.address).toBe("10.0.0.7");
        }
      }),
    );
  });
});
