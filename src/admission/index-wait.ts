import { limits } from "../base/limits.ts";
import type { Consumer } from "../db/consumer.ts";
import type { JournalPosition } from "../db/journal.ts";

/** Milliseconds over which writes are counted. */
const windowMs = 200;

/** Lets the answer to a write wait until search has it, so that whoever writes finds what it has just written. */
export interface IndexWait {
  /** True once search has what was written at `position`; false where the answer should not wait (any longer). */
  searchable(position: JournalPosition): Promise<boolean>;
}

/**
 * While writes come faster than `limits.indexWaitWritesPerSecondMax`, answers do not wait: the index gathers them in
 * large batches then, which cost far less, and lags by a moment.
 */
export function createIndexWait(indexer: Consumer, now: () => number = () => performance.now()): IndexWait {
  // Writes, each weighing less the longer ago it was: at a steady rate this is the number in one window.
  let recentWrites = 0;
  let countedAt = now();
  return {
    async searchable(position) {
      const at = now();
      recentWrites = recentWrites * Math.exp((countedAt - at) / windowMs) + 1;
      countedAt = at;
      if ((recentWrites * 1000) / windowMs > limits.indexWaitWritesPerSecondMax) return false;
      return indexer.reached(position, limits.indexWaitMsMax);
    },
  };
}
