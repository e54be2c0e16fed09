import { describe, expect, test } from "vitest";
import type { Problem } from "../../base/problem.ts";
import { networkOf } from "../connection.ts";
import { createPlaces } from "./places.ts";

const problemOf = (run: () => unknown): Problem | null => {
  try {
    run();
    return null;
  } catch (error) {
    return error as Problem;
  }
};

describe("places", () => {
  test("are given out up to their number, and again when one is given back, once", () => {
    const places = createPlaces({ clientsMax: 2, clientsPerNetworkMax: 10 });
    const giveBack = places.take(null);
    places.take(null);
    expect(problemOf(() => places.take(null))).toMatchObject({
      type: "too-many-event-clients",
      status: 503,
      retryAfterSeconds: 30,
    });
    giveBack();
    giveBack();
    expect(places.count()).toBe(1);
    places.take(null);
    expect(problemOf(() => places.take(null))?.status).toBe(503);
  });

  test("are limited by network, and not where networks cannot be told apart", () => {
    const places = createPlaces({ clientsMax: 10, clientsPerNetworkMax: 2 });
    const giveBack = places.take("9.9.9.9");
    places.take("9.9.9.9");
    expect(problemOf(() => places.take("9.9.9.9"))).toMatchObject({ type: "too-many-requests", status: 429 });
    places.take("9.9.9.10");
    for (let count = 0; count < 3; count += 1) places.take(null);
    giveBack();
    expect(problemOf(() => places.take("9.9.9.9"))).toBeNull();
    expect(places.count()).toBe(6);
  });
});

describe("the network of an address", () => {
  test.each([
    ["9.9.9.9", "9.9.9.9"],
    ["::ffff:9.9.9.9", "9.9.9.9"],
    ["2606:4700:10:20:1:2:3:4", "2606:4700:10:20::/64"],
    ["2606:4700:10:20::1", "2606:4700:10:20::/64"],
    ["2606:4700::1111", "2606:4700:0:0::/64"],
    ["2606:4700::1:2:3:4:5", "2606:4700:0:1::/64"],
    ["127.0.0.1", null],
    ["::1", null],
    ["::ffff:10.0.0.1", null],
    ["192.168.1.2", null],
    ["fe80::1%eth0", null],
    [null, null],
  ])("%s is %s", (address, network) => expect(networkOf(address)).toBe(network));
});
