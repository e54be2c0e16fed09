import type { Clock } from "../../src/base/clock.ts";

/** A clock that a test moves. */
export interface MovableClock extends Clock {
  /** Lets `ms` milliseconds pass. */
  pass(ms: number): void;
}

/** A clock that starts at `start` (default: now) and stands until it is moved. */
export function movableClock(start = new Date()): MovableClock {
  let now = start;
  return {
    now: () => now,
    pass(ms) {
      now = new Date(now.getTime() + ms);
    },
  };
}
