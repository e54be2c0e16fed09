import { setImmediate } from "node:timers/promises";

/** Milliseconds of work after which others get their turn. */
const turnMs = 3;

/** `items` mapped one after the other; long work lets requests and timers have their turn in between. */
export async function mapInTurns<Item, Result>(items: readonly Item[], map: (item: Item) => Result): Promise<Result[]> {
  const results: Result[] = [];
  let started = performance.now();
  for (const item of items) {
    results.push(map(item));
    if (performance.now() - started < turnMs) continue;
    await setImmediate();
    started = performance.now();
  }
  return results;
}
