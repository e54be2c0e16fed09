import { expect, test } from "vitest";
import { mapBounded } from "./bounded.ts";

test("runs no more at once than it may, and keeps the order", async () => {
  let running = 0;
  let most = 0;
  const results = await mapBounded([5, 1, 4, 1, 3], 2, async (ticks, index) => {
    running += 1;
    most = Math.max(most, running);
    for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
    running -= 1;
    return index;
  });
  expect([results, most]).toEqual([[0, 1, 2, 3, 4], 2]);
  expect(await mapBounded([], 2, async () => 1)).toEqual([]);
});

test("rejects with the first error when nothing runs any more, and starts nothing more", async () => {
  const started: number[] = [];
  let isOtherDone = false;
  const failing = mapBounded([0, 1, 2, 3], 2, async (item) => {
    started.push(item);
    if (item === 0) throw new Error("no");
    for (let tick = 0; tick < 10; tick += 1) await Promise.resolve();
    isOtherDone = true;
  });
  await expect(failing).rejects.toThrow("no");
  expect([started, isOtherDone]).toEqual([[0, 1], true]);
});
