import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDurationMs } from "./duration.ts";

describe("parseDurationMs", () => {
  test("reads numbers with units and ISO 8601", () => {
    const durations: Record<string, number> = {
      "100ms": 100,
      "1.5s": 1_500,
      "2 s": 2_000,
      " 2 S ": 2_000,
      "3min": 180_000,
      "24h": 86_400_000,
      "7d": 604_800_000,
      "1w": 604_800_000,
      "PT0.5S": 500,
      "PT0,5S": 500,
      pt1m30s: 90_000,
      P7D: 604_800_000,
      P1W: 604_800_000,
      P1DT12H: 129_600_000,
      "0ms": 0,
    };
    for (const [text, ms] of Object.entries(durations)) expect(parseDurationMs(text), text).toBe(ms);
  });

  test("reads nothing else", () => {
    const others =
      "|100|-5ms|ms|1.ms|.5s|1..5s|5 months|5m|P|PT|P1DT|P1Y|P1M|P-1D|T5S|PT5|1e3ms|Infinity s|NaNs|１s|1  s|100ms each|".split(
        "|",
      );
    for (const text of [...others, `${"9".repeat(40)}ms`]) expect(parseDurationMs(text), text).toBeNull();
  });

  test("is a number that is not negative, or null, whatever is given", () => {
    const piece = fc.constantFrom(..."0 1 9 . , - + P T p t W D H M S ms s min h d w e x".split(" "), " ");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join("")),
        ),
        (text) => {
          const ms = parseDurationMs(text);
          expect(ms === null || (Number.isFinite(ms) && ms >= 0)).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("reads what it would be written as", () => {
    fc.assert(
      fc.property(fc.nat(86_400_000), (ms) => {
        const seconds = Math.floor(ms / 1_000);
        const fraction = String(ms % 1_000).padStart(3, "0");
        expect(parseDurationMs(`${ms}ms`)).toBe(ms);
        expect(parseDurationMs(`PT${seconds}.${fraction}S`)).toBeCloseTo(ms, 3);
      }),
    );
  });
});
