import { expect, test } from "vitest";
import { limits } from "../base/limits.ts";
import { departed, isForgiven, isHeld, noHold } from "./hold.ts";

const minute = 60_000;

/** The hold after departures at these instants. */
const after = (...instants: number[]) => instants.reduce(departed, noHold);

test("two departures within a minute, or three over a longer time, hold nothing back", () => {
  expect(isHeld(after(0, 1_000), 1_000)).toBe(false);
  expect(isHeld(after(0, 40_000, 80_000, 120_000), 120_000)).toBe(false);
});

test("the third within a minute holds back for a minute, and for twice as long each time", () => {
  let hold = noHold;
  let now = 0;
  const held: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    for (let departures = 0; departures < limits.lanDeparturesMax; departures += 1)
      hold = departed(hold, (now += 1_000));
    expect(isHeld(hold, now)).toBe(true);
    held.push((hold.until - now) / minute);
    now = hold.until;
    expect(isHeld(hold, now)).toBe(false);
  }
  expect(held).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
});

test("a quiet time lets it start from a minute again, and then nothing has to be remembered", () => {
  const hold = after(1_000, 2_000, 3_000);
  expect(isForgiven(hold, hold.until + 9 * minute)).toBe(false);
  const later = hold.until + 10 * minute;
  expect(isForgiven(hold, later)).toBe(true);
  const again = [later, later + 1, later + 2].reduce(departed, hold);
  expect(again.until - (later + 2)).toBe(limits.lanHoldMsMin);
  expect(isForgiven(after(5_000), 5_000 + minute)).toBe(true);
  expect(isForgiven(after(5_000), 4_999 + minute)).toBe(false);
});
