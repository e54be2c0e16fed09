/**
 * Runs `run` for each of `items`, at most `atOnceMax` at once, and resolves to the results in the order of the items.
 * Rejects with the first error, once nothing runs any more; items whose turn has not come are left alone then.
 */
export async function mapBounded<Item, Result>(
  items: readonly Item[],
  atOnceMax: number,
  run: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  let isFailed = false;
  async function work(): Promise<void> {
    for (const [index, item] of queue) {
      if (isFailed) return;
      try {
        results[index] = await run(item, index);
      } catch (error) {
        isFailed = true;
        throw error;
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(atOnceMax, items.length) }, work));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return results;
}
