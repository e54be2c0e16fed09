import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { distinctSuffix, instanceName, isInstanceName, nameKey, thingIdOfInstance } from "./instance-name.ts";

describe("the name of an instance", () => {
  test("is the label with the service, without dots, and with a suffix if one is given", () => {
    expect(instanceName("Thingstead on box.example.org")).toBe("Thingstead on box-example-org._wot._tcp.local");
    expect(instanceName("Lamp", "3f2a1b")).toBe("Lamp (3f2a1b)._wot._tcp.local");
  });

  test("is one that others accept, whatever the label", () => {
    const label = fc.string({ unit: "binary", minLength: 1, maxLength: 80 }).map((text) => `x${text}`);
    fc.assert(
      fc.property(label, fc.option(fc.constant("3f2a1b")), (text, suffix) => {
        const name = instanceName(text, suffix);
        const own = name.slice(0, -"._wot._tcp.local".length);
        expect(own).not.toContain(".");
        expect(Buffer.byteLength(own)).toBeLessThanOrEqual(63);
        if (!own.includes("\ufffd")) expect(isInstanceName(name)).toBe(true);
      }),
    );
  });

  test.each([
    ["Lamp._wot._tcp.local", true],
    ["LAMP._WoT._TCP.Local", true],
    ["Lampe in der Küche 🛋._wot._tcp.local", true],
    ["a.b._wot._tcp.local", true],
    [`${"x".repeat(63)}._wot._tcp.local`, true],
    [`${"x".repeat(64)}._wot._tcp.local`, false],
    ["_wot._tcp.local", false],
    ["._wot._tcp.local", false],
    [" ._wot._tcp.local", false],
    ["Lamp._http._tcp.local", false],
    ["Lamp._wot._tcp.local.example.com", false],
    ["\u001b[31mLamp._wot._tcp.local", false],
    ["La\0mp._wot._tcp.local", false],
    ["La\u009bmp._wot._tcp.local", false],
    ["La\ufffdmp._wot._tcp.local", false],
  ])("%j: %s", (name, isOne) => {
    expect(isInstanceName(name)).toBe(isOne);
  });
});

test("names are compared without regard to the case of ASCII letters only", () => {
  expect(nameKey("LÄMP.Local")).toBe("lÄmp.local");
});

test("suffixes of different things differ, and stay the same", () => {
  expect(distinctSuffix("a", "b")).toBe(distinctSuffix("a", "b"));
  expect(new Set([distinctSuffix("a", "b"), distinctSuffix("b", "a"), distinctSuffix("ab")]).size).toBe(3);
});

test("a thing without an id gets the version 5 UUID of its service's name", () => {
  // RFC 9562 appendix A.4, in the same namespace.
  expect(thingIdOfInstance("www.example.com")).toBe("urn:uuid:2ed6657d-e927-568b-95e1-2665a8aea6a2");
  expect(thingIdOfInstance("Lamp._wot._tcp.local")).toBe(thingIdOfInstance("lamp._WOT._tcp.local"));
});
