import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonValue } from "../base/json.ts";
import { latencyMsOf, parseLatencyMs } from "./latency.ts";

describe("parseLatencyMs", () => {
  test("reads numbers, units and ISO 8601, rounded up", () => {
    const latencies: [JsonValue, number][] = [
      ["100ms", 100],
      ["1.5s", 1_500],
      ["2 s", 2_000],
      ["PT0.5S", 500],
      [250, 250],
      [0.2, 1],
      ["99.5ms", 100],
      [2_147_483_647, 2_147_483_647],
    ];
    for (const [written, ms] of latencies) expect(parseLatencyMs(written), String(written)).toBe(ms);
  });

  test("takes nothing else for a promise", () => {
    for (const value of [
      "",
      "fast",
      "0ms",
      0,
      -1,
      "-5ms",
      2_147_483_648,
      "25d",
      "100",
      null,
      true,
      [],
      {},
      undefined,
    ]) {
      expect(parseLatencyMs(value), JSON.stringify(value)).toBeNull();
    }
  });

  test("is null or what a column of integers holds, whatever is written", () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.double(), fc.string()), (value) => {
        const ms = parseLatencyMs(value as JsonValue);
        expect(ms === null || (Number.isInteger(ms) && ms > 0 && ms <= 2_147_483_647)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe("latencyMsOf", () => {
  const slow = { latency: "3s" };

  test("is the thing's own promise, wherever it stands", () => {
    expect(latencyMsOf({ latency: "100ms", actions: { run: slow } })).toBe(100);
    expect(latencyMsOf({ "lmos:latency": 100, "lmos:metadata": slow })).toBe(100);
    expect(latencyMsOf({ "lmos:metadata": { "lmos:latency": "PT0.1S" }, actions: { run: slow } })).toBe(100);
    expect(latencyMsOf({ latency: "whenever", "lmos:latency": "1s" })).toBe(1_000);
  });

  test("is else the slowest of those that its affordances make", () => {
    const td = { actions: { run: { latency: "100ms" }, wait: slow, idle: {} }, properties: { state: { latency: 5 } } };
    expect(latencyMsOf(td)).toBe(3_000);
    expect(latencyMsOf({ latency: "never", actions: { run: { latency: "100ms" } } })).toBe(100);
    expect(latencyMsOf({ actions: { run: {} } })).toBeNull();
  });

  test("is nothing that a data schema is called", () => {
    expect(latencyMsOf({ actions: { run: { output: { properties: { latency: { const: 5 } } } } } })).toBeNull();
    expect(latencyMsOf({ properties: { latency: { type: "number" } } })).toBeNull();
  });
});
