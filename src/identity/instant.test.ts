import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dateOfInstant, instantOf, normaliseInstant } from "./instant.ts";

describe("normaliseInstant", () => {
  test.each([
    ["2026-11-21T09:00:00Z", "2026-11-21T09:00:00.000000000Z"],
    ["2026-11-21T09:00:00.1Z", "2026-11-21T09:00:00.100000000Z"],
    ["2026-11-21T09:00:00.123456789Z", "2026-11-21T09:00:00.123456789Z"],
    ["2026-11-21T09:00:00.5+02:00", "2026-11-21T07:00:00.500000000Z"],
    ["2026-12-31T23:30:00-05:45", "2027-01-01T05:15:00.000000000Z"],
    ["2026-01-01T00:00:00+14:00", "2025-12-31T10:00:00.000000000Z"],
    ["2026-01-01T00:00:00-00:00", "2026-01-01T00:00:00.000000000Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000000Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000000Z"],
    ["9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"],
  ])("%s is %s", (text, instant) => {
    expect(normaliseInstant(text)).toBe(instant);
  });

  test.each([
    "",
    "now",
    "2026-11-21",
    "2026-11-21T09:00:00",
    "2026-11-21 09:00:00Z",
    "2026-11-21T09:00Z",
    "2026-11-21t09:00:00Z",
    "2026-11-21T09:00:00z",
    "2026-11-21T09:00:00.Z",
    "2026-11-21T09:00:00,5Z",
    "2026-11-21T09:00:00.1234567890Z",
    "2026-02-29T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T23:60:00Z",
    "2016-12-31T23:59:60Z",
    "2026-01-01T00:00:00+14:01",
    "2026-01-01T00:00:00+01:60",
    "2026-01-01T00:00:00+0100",
    "2026-01-01T00:00:00+1",
    "0000-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "+002026-01-01T00:00:00Z",
    "-2026-01-01T00:00:00Z",
    "12026-01-01T00:00:00Z",
    " 2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00Z\n",
    "２０２６-01-01T00:00:00Z",
  ])("refuses %j", (text) => {
    expect(normaliseInstant(text)).toBeNull();
  });

  test("sorts as text in the order of time, whatever the offset", () => {
    const date = fc.date({ min: new Date("0001-01-01"), max: new Date("9998-12-31"), noInvalidDate: true });
    const offset = fc.integer({ min: -14 * 60, max: 14 * 60 });
    const written = fc.tuple(date, offset).map(([at, minutes]) => {
      const local = new Date(at.getTime() + minutes * 60_000).toISOString().slice(0, -1);
      const [hour, minute] = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
      const zone = `${minutes < 0 ? "-" : "+"}${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`;
      return { at, text: `${local}${zone}` };
    });
    fc.assert(
      fc.property(written, written, (a, b) => {
        const [one, other] = [normaliseInstant(a.text) ?? "", normaliseInstant(b.text) ?? ""];
        expect(one).toBe(instantOf(a.at));
        expect(dateOfInstant(one)).toEqual(a.at);
        expect(one < other).toBe(a.at < b.at);
      }),
    );
  });
});
