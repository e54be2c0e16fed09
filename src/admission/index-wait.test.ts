import { expect, test } from "vitest";
import type { Consumer } from "../db/consumer.ts";
import { limits } from "../base/limits.ts";
import { createIndexWait } from "./index-wait.ts";

const position = { xid: "1", id: 1 };

function waitAt(perSecond: number, seconds: number): { waited: number; asked: number } {
  let waited = 0;
  let time = 0;
  const consumer: Consumer = {
    wake() {},
    reached: () => {
      waited += 1;
      return Promise.resolve(true);
    },
    stop: () => Promise.resolve(),
  };
  const wait = createIndexWait(consumer, () => time);
  const asked = perSecond * seconds;
  for (let write = 0; write < asked; write += 1) {
    void wait.searchable(position);
    time += 1000 / perSecond;
  }
  return { waited, asked };
}

test("answers wait for search at every rate up to the limit", () => {
  for (const perSecond of [1, 10, limits.indexWaitWritesPerSecondMax / 2]) {
    const { waited, asked } = waitAt(perSecond, 10);
    expect(waited).toBe(asked);
  }
});

test("hardly any answer waits while writes come much faster", () => {
  const { waited, asked } = waitAt(limits.indexWaitWritesPerSecondMax * 5, 10);
  expect(waited).toBeLessThan(asked / 20);
});
