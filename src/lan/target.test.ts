import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { machineWith } from "../../test/support/mdns-wire.ts";
import { usableInterfaces } from "./interfaces.ts";
import { type Facts, type Hearing, targetOf, usableAddress } from "./target.ts";

const facts = (changes: { td?: string; type?: string; scheme?: string; host?: string; port?: number } = {}): Facts => ({
  location: { host: changes.host ?? "lamp.local", port: changes.port ?? 8090 },
  text: { td: changes.td ?? null, type: changes.type ?? null, scheme: changes.scheme ?? null, raw: "" },
  address: { address: "10.0.0.7" },
});

describe("what is announced is fetched", () => {
  test.each([
    [{}, "http://10.0.0.7:8090/.well-known/wot", "Thing"],
    [{ td: "/" }, "http://10.0.0.7:8090/", "Thing"],
    [{ td: "/things/urn%3Auuid%3A1" }, "http://10.0.0.7:8090/things/urn%3Auuid%3A1", "Thing"],
    [{ td: "/a/..b/...;v=1" }, "http://10.0.0.7:8090/a/..b/...;v=1", "Thing"],
    [{ type: "Directory", port: 80 }, "http://10.0.0.7/.well-known/wot", "Directory"],
    [{ type: "directory", scheme: "HTTP" }, "http://10.0.0.7:8090/.well-known/wot", "Directory"],
    [{ scheme: "https", port: 443 }, "https://lamp.local/.well-known/wot", "Thing"],
    [{ scheme: "https", host: "10.9.9.9" }, "https://10.9.9.9:8090/.well-known/wot", "Thing"],
  ] as [Parameters<typeof facts>[0] & object, string, string][])("%j: %s", (changes, url, type) => {
    expect(targetOf(facts(changes))).toEqual({
      kind: "fetch",
      type,
      url,
      address: "10.0.0.7",
      port: changes.port ?? 8090,
    });
  });
});

describe("what leads elsewhere is refused", () => {
  test.each([
    "http://evil.example/td",
    "//evil.example/td",
    "/\\evil.example/td",
    "\\\\evil.example",
    "@evil.example/",
    "td",
    "",
    "../td",
    "/../td",
    "/a/../../td",
    "/a/.",
    "/a/%2e%2e/td",
    "/a/.%2E/td",
    "/td?reboot=1",
    "/td#x",
    "/t d",
    "/t\td",
    "/td\r\nHost: evil.example",
    "/td\0",
    "/%",
    "/%zz",
    "/td\u001b[2J",
    "/ümlaut",
    "/td\u202e",
  ])("td=%j", (td) => {
    expect(targetOf(facts({ td })).kind).toBe("refused");
  });

  test.each([
    { port: 0 },
    { type: "Printer" },
    { scheme: "" },
    { scheme: "http://evil" },
    { scheme: "https", host: "evil.example/x" },
    { scheme: "https", host: "user@evil.example" },
    { scheme: "https", host: "evil.example:80" },
  ])("%j", (changes) => {
    expect(targetOf(facts(changes)).kind).toBe("refused");
  });

  test("a path of any kind leads to the announced address and port, as it was announced, or to nothing", () => {
    const part = fc.constantFrom(
      "/",
      "\\",
      ".",
      "..",
      "%2e",
      "@",
      ":",
      "?",
      "#",
      "a",
      "evil.example",
      "//",
      "\t",
      "\n",
    );
    const path = fc.oneof(
      fc.string(),
      fc.array(part).map((parts) => `/${parts.join("")}`),
    );
    fc.assert(
      fc.property(path, (td) => {
        const target = targetOf(facts({ td }));
        if (target.kind !== "fetch") return;
        const url = new URL(target.url);
        expect([url.host, url.pathname, url.search, url.hash, url.username]).toEqual(["10.0.0.7:8090", td, "", "", ""]);
      }),
    );
  });
});

test.each(["coap", "coaps", "coap+tcp", "mqtt", "file"])("%s is not spoken", (scheme) => {
  expect(targetOf(facts({ scheme })).kind).toBe("not-fetched");
});

test("what is not known in full is incomplete, and a fault is one at once", () => {
  for (const missing of ["location", "text", "address"]) {
    expect(targetOf({ ...facts(), [missing]: null })).toEqual({ kind: "incomplete" });
  }
  expect(targetOf({ ...facts(), location: null, text: { fault: "Too large." } }).kind).toBe("refused");
  expect(targetOf({ ...facts(), location: null, address: { fault: "Elsewhere." } }).kind).toBe("refused");
});

describe("the address", () => {
  const machine = machineWith({ lo: "127.0.0.1/8", eth0: "10.0.0.2/24", zero: "169.254.10.1/16" });
  const heard = (link: string, sender: string): Hearing => {
    const [found] = usableInterfaces(machine, [link]);
    if (found === undefined) throw new Error("no such interface");
    return { sender, link: found, isOwn: (address) => ["127.0.0.1", "10.0.0.2", "169.254.10.1"].includes(address) };
  };
  const lan = (sender: string) => heard("eth0", sender);

  test.each([
    "169.254.169.254",
    "127.0.0.1",
    "203.0.113.7",
    "10.0.1.7",
    "192.168.1.1",
    "224.0.0.251",
    "255.255.255.255",
    "0.0.0.0",
    "::1",
    "fd00::7",
    "::ffff:10.0.0.7",
    "010.0.0.7",
    "lamp.local",
    "",
  ])("%j is refused", (address) => {
    expect(usableAddress([address], lan("10.0.0.7"))).toHaveProperty("fault");
  });

  test("is the announcer's own, or that of a neighbour for which it announces", () => {
    expect(usableAddress(["10.0.0.7"], lan("10.0.0.7"))).toEqual({ address: "10.0.0.7" });
    expect(usableAddress(["10.0.0.8"], lan("10.0.0.7"))).toEqual({ address: "10.0.0.8" });
  });

  test("is the same one in whatever order they come, the sender's if that is among them", () => {
    for (const all of [
      ["10.0.0.9", "10.0.0.8", "172.17.0.1"],
      ["172.17.0.1", "10.0.0.8", "10.0.0.9"],
    ]) {
      expect(usableAddress(all, lan("10.0.0.9"))).toEqual({ address: "10.0.0.9" });
      expect(usableAddress(all, lan("10.0.0.7"))).toEqual({ address: "10.0.0.8" });
    }
  });

  test("is this machine's own only if this machine says so", () => {
    expect(usableAddress(["10.0.0.2"], lan("10.0.0.7"))).toHaveProperty("fault");
    expect(usableAddress(["10.0.0.2"], lan("10.0.0.2"))).toEqual({ address: "10.0.0.2" });
    expect(usableAddress(["127.0.0.1"], heard("lo", "127.0.0.1"))).toEqual({ address: "127.0.0.1" });
  });

  test("of a cloud's metadata service is refused on link-local networks as well", () => {
    expect(usableAddress(["169.254.169.254"], heard("zero", "169.254.169.254"))).toHaveProperty("fault");
    expect(usableAddress(["169.254.20.1"], heard("zero", "169.254.20.1"))).toEqual({ address: "169.254.20.1" });
  });
});
