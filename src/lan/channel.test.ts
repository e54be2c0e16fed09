import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createWire, machineWith, serviceRecords, type Wire } from "../../test/support/mdns-wire.ts";
import { limits } from "../base/limits.ts";
import { type Channel, type ChannelOptions, openChannel } from "./channel.ts";
import { usableInterfaces } from "./interfaces.ts";

let wire: Wire;
let channel: Channel | null = null;
let nowMs = 0;

beforeEach(() => {
  wire = createWire();
});
afterEach(async () => {
  await channel?.close();
  wire.close();
});

function open(onPacket: ChannelOptions["onPacket"], createSocket = wire.socketsOf("10.0.0.2")) {
  const [link] = usableInterfaces(machineWith({ eth0: "10.0.0.2/24" }), null);
  if (link === undefined) throw new Error("no interface");
  const faults: string[] = [];
  channel = openChannel(link, { onPacket, onFault: (fault) => faults.push(fault), now: () => nowMs, createSocket });
  return { channel, faults };
}

/** Sends many packets from one host, and resolves once they have arrived. */
async function flood(count: number): Promise<void> {
  const before = wire.packets.length;
  for (let index = 0; index < count; index += 1) {
    wire.send(serviceRecords({ name: `Lamp ${index}._wot._tcp.local` }), "10.0.0.7");
  }
  await vi.waitFor(() => expect(wire.packets.length).toBe(before + count), { timeout: 20_000 });
}

test("so many packets are looked at at once, and then so many a second", async () => {
  let heard = 0;
  open(() => (heard += 1));
  await flood(limits.lanPacketsMax + 50);
  expect(heard).toBe(limits.lanPacketsMax);
  nowMs += 1_000;
  await flood(limits.lanPacketsPerSecondMax + 50);
  expect(heard).toBe(limits.lanPacketsMax + limits.lanPacketsPerSecondMax);
});

test("a packet that cannot be handled ends nothing, and one that is none is passed over", async () => {
  const heard: string[] = [];
  const { faults } = open((packet) => {
    heard.push(packet.type);
    throw new Error("a mistake of ours");
  });
  await flood(2);
  const socket = wire.socketsOf("10.0.0.7")();
  for (const bytes of ["", "x", "\0".repeat(11), "\xff".repeat(9_000)]) {
    const buffer = Buffer.from(bytes, "latin1");
    await new Promise((resolve) => socket.send(buffer, 0, buffer.length, 5353, "224.0.0.251", resolve));
  }
  await flood(1);
  expect(heard).toEqual(["response", "response", "response"]);
  expect(faults).toEqual([]);
});

test("what the system refuses is told in words", async () => {
  const sockets = wire.socketsOf("10.0.0.2");
  const { channel: refused, faults } = open(
    () => {},
    () => {
      const socket = sockets();
      const error = Object.assign(new Error("send EPERM"), { code: "EPERM", syscall: "send" });
      return Object.assign(socket, { send: (...all: unknown[]) => (all.at(-1) as (error: Error) => void)(error) });
    },
  );
  await refused.send({ type: "query", questions: [{ name: "_wot._tcp.local", type: "PTR" }] });
  expect(faults).toEqual([expect.stringContaining("firewall")]);
});
