import { LRUCache } from "lru-cache";

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

/** The same for each of many keys. */
export interface KeyedRate {
  /** Takes `count` for `key` at `now`: 0 if they were left, else the milliseconds until they are. */
  take(key: string, now: number, count?: number): number;
}

/** Of more than `keysMax` keys, those used longest ago are forgotten. */
export function createKeyedRate(options: { burst: number; perSecond: number; keysMax: number }): KeyedRate {
  const intervalMs = 1000 / options.perSecond;
  const bucketMs = options.burst * intervalMs;
  // A bucket is known by the time at which it will be full again.
  const buckets = new LRUCache<string, number>({ max: options.keysMax });
  return {
    take(key, now, count = 1) {
      // The upper bound is for a clock that was set back.
      const fullAt = Math.min(Math.max(buckets.get(key) ?? now, now), now + bucketMs);
      const waitMs = fullAt + count * intervalMs - bucketMs - now;
      if (waitMs > 0) return Math.ceil(waitMs);
      buckets.set(key, fullAt + count * intervalMs);
      return 0;
    },
  };
}
