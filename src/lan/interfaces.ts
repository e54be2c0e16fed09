import { readFileSync } from "node:fs";
import { BlockList, isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { limits } from "../base/limits.ts";

/** A network interface with at least one IPv4 address. */
export interface LanInterface {
  name: string;
  /** Its IPv4 addresses; the first is the one that packets are sent from. */
  addresses: readonly [string, ...string[]];
  isLoopback: boolean;
  /** Whether an IPv4 address belongs to the network that this interface is on. */
  isOnLink(address: string): boolean;
}

/** What the operating system says of its interfaces, in the form of `os.networkInterfaces()`. */
export type MachineInterfaces = ReturnType<typeof networkInterfaces>;

/** This machine's interfaces that are up and, where the system tells, can multicast. */
export function machineInterfaces(): MachineInterfaces {
  return Object.fromEntries(Object.entries(networkInterfaces()).filter(([name]) => canMulticast(name)));
}

/**
 * The interfaces to use: all with an IPv4 address but the loopback interface, or exactly those that are named. At most
 * `limits.lanInterfacesMax`. Pure.
 */
export function usableInterfaces(machine: MachineInterfaces, names: readonly string[] | null): LanInterface[] {
  return Object.entries(machine)
    .flatMap(([name, all = []]) => {
      const [first, ...rest] = all.filter(({ family }) => family === "IPv4");
      if (first === undefined || !(names === null ? !first.internal : names.includes(name))) return [];
      const link = new BlockList();
      for (const { cidr } of [first, ...rest]) {
        const [network, prefix] = cidr?.split("/") ?? [];
        if (network !== undefined) link.addSubnet(network, Number(prefix), "ipv4");
      }
      const addresses = [first.address, ...rest.map(({ address }) => address)] as const;
      const isOnLink = (address: string) => isIPv4(address) && link.check(address, "ipv4");
      return [{ name, addresses, isLoopback: first.internal, isOnLink }];
    })
    .slice(0, limits.lanInterfacesMax);
}

/** All addresses of the machine, whatever they are used for. */
export function addressesOf(machine: MachineInterfaces): ReadonlySet<string> {
  return new Set(Object.values(machine).flatMap((all = []) => all.map(({ address }) => address)));
}

/** IFF_MULTICAST (netdevice(7)), and IFF_LOOPBACK, which multicasts without saying so. */
const multicastFlags = 0x1000 | 0x8;

/** Whether an interface can multicast. Only Linux says; a tunnel without it would be sent to in vain. */
function canMulticast(name: string): boolean {
  try {
    return (Number(readFileSync(`/sys/class/net/${name}/flags`, "utf8")) & multicastFlags) !== 0;
  } catch {
    return true;
  }
}
