/** Lets through a number at once, and then so many a second. Instants are milliseconds. */
export interface Rate {
  /** Whether one more may pass at `now`; if so, it counts. */
  take(now: number): boolean;
}

export function createRate(burst: number, perSecond: number, startAt: number): Rate {
  let left = burst;
  let at = startAt;
  return {
    take(now) {
      left = Math.min(burst, left + ((now - at) / 1000) * perSecond);
      at = now;
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}
