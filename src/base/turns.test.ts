import { expect, test } from "vitest";
import { mapInTurns } from "./turns.ts";

test("long work lets others have their turn, and keeps its order", async () => {
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  const busy = (item: number) => {
    const end = performance.now() + 2;
    while (performance.now() < end);
    return item * 2;
  };
  const items = Array.from({ length: 50 }, (_, index) => index);
  expect(await mapInTurns(items, busy)).toEqual(items.map((item) => item * 2));
  clearInterval(timer);
  expect(turns).toBeGreaterThan(10);
});
