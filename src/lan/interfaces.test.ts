import { expect, test } from "vitest";
import { machineWith } from "../../test/support/mdns-wire.ts";
import { limits } from "../base/limits.ts";
import { addressesOf, machineInterfaces, usableInterfaces } from "./interfaces.ts";

const machine = machineWith({
  lo: ["127.0.0.1/8", "::1/128"],
  eth0: ["10.0.0.2/24", "10.1.0.2/16", "fe80::2/64"],
  six: ["fd00::2/64"],
  wlan0: "192.168.1.5/24",
});

test("all interfaces with an IPv4 address are used, but not the loopback interface", () => {
  const usable = usableInterfaces(machine, null).map(({ name, addresses }) => [name, addresses]);
  expect(usable).toEqual([
    ["eth0", ["10.0.0.2", "10.1.0.2"]],
    ["wlan0", ["192.168.1.5"]],
  ]);
});

test("exactly those that are named are used, the loopback interface as well", () => {
  expect(usableInterfaces(machine, ["lo", "gone"]).map(({ name }) => name)).toEqual(["lo"]);
  expect(usableInterfaces(machine, [])).toEqual([]);
});

test("an address is on the link if it is in one of the interface's networks", () => {
  const [eth0] = usableInterfaces(machine, ["eth0"]);
  const onLink = ["10.0.0.254", "10.1.200.1", "10.0.1.1", "192.168.1.5", "fd00::3", "nonsense", ""].filter((address) =>
    eth0?.isOnLink(address),
  );
  expect(onLink).toEqual(["10.0.0.254", "10.1.200.1"]);
});

test("the number of interfaces is bounded", () => {
  const many = Array.from({ length: limits.lanInterfacesMax + 1 }, (_, index) => [`eth${index}`, `10.${index}.0.1/24`]);
  expect(usableInterfaces(machineWith(Object.fromEntries(many)), null)).toHaveLength(limits.lanInterfacesMax);
});

test("this machine's interfaces can be read, and its addresses are known", () => {
  expect(addressesOf(machineInterfaces())).toContain("127.0.0.1");
  expect(addressesOf(machine)).toEqual(
    new Set(["127.0.0.1", "::1", "10.0.0.2", "10.1.0.2", "fe80::2", "fd00::2", "192.168.1.5"]),
  );
});
