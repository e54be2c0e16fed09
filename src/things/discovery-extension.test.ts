import { describe, expect, test } from "vitest";
import type { JsonValue } from "../base/json.ts";
import { validateDescription } from "./description.ts";
import { discoveryFaults } from "./discovery-extension.ts";

const fields = (td: Record<string, JsonValue>) => discoveryFaults(td).map(({ field }) => field);

describe("a registration", () => {
  test("may have every member that a directory sets or reads", () => {
    const instant = "2026-01-31T12:00:00+01:00";
    const registration = { created: instant, modified: instant, expires: instant, retrieved: instant, ttl: 60, x: 1 };
    expect(fields({ registration })).toEqual([]);
    expect(fields({ registration: {} })).toEqual([]);
    expect(fields({})).toEqual([]);
  });

  test.each<[JsonValue, string]>([
    ["soon", "/registration"],
    [null, "/registration"],
    [[], "/registration"],
    [{ created: "yesterday" }, "/registration/created"],
    [{ modified: 5 }, "/registration/modified"],
    [{ expires: "2026-01-31T12:00:00" }, "/registration/expires"],
    [{ retrieved: "2026-02-30T12:00:00Z" }, "/registration/retrieved"],
    [{ ttl: "60" }, "/registration/ttl"],
  ])("%j has a fault at %s", (registration, field) => {
    expect(fields({ registration })).toEqual([field]);
  });
});

describe("a Thing Link", () => {
  const link = { rel: "describedby", type: "application/td+json", href: "https://things.example/td" };

  test.each<JsonValue>(["ThingLink", ["Thing", "ThingLink"], "https://www.w3.org/2022/wot/discovery#ThingLink"])(
    "(%j) leads to the description that it stands for",
    (type) => {
      expect(fields({ "@type": type, links: [{ rel: "icon", href: "/i" }, link] })).toEqual([]);
      expect(fields({ "@type": type })).toEqual(["/links"]);
      for (const wrong of [{ rel: "item" }, { type: "text/html" }, { href: 5 }]) {
        expect(fields({ "@type": type, links: [{ ...link, ...wrong }] }), JSON.stringify(wrong)).toEqual(["/links"]);
      }
    },
  );

  test("is what other things need not be", () => {
    expect(fields({ "@type": ["Thing", "ThingLinker"] })).toEqual([]);
  });
});

test("these faults are among those of a description", () => {
  const td = {
    "@context": "https://www.w3.org/2022/wot/td/v1.1",
    "@type": "ThingLink",
    title: "Link",
    securityDefinitions: { nosec_sc: { scheme: "nosec" } },
    security: "nosec_sc",
    registration: { created: "now" },
  };
  expect(validateDescription(td).map(({ field }) => field)).toEqual(["/registration/created", "/links"]);
});
