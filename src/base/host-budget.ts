import { LRUCache } from "lru-cache";
import type { Clock } from "./clock.ts";
import { type Egress, EgressError } from "./egress.ts";
import { limits } from "./limits.ts";

/** Keeps count of the requests to each host, so that strangers' proofs cannot be turned into a flood for it. */
export interface HostBudget {
  /** Takes one request to `hostname`: 0 if there was one left, else the milliseconds until there is. */
  take(hostname: string): number;
}

/**
 * A budget with a token bucket for each host: `limits.hostRequestsMax` at once, then
 * `limits.hostRequestsPerSecondMax`. Of more than `limits.hostsMax` hosts, those asked longest ago are forgotten.
 */
export function createHostBudget(clock: Clock): HostBudget {
  const intervalMs = 1000 / limits.hostRequestsPerSecondMax;
  const bucketMs = limits.hostRequestsMax * intervalMs;
  // A bucket is known by the time at which it will be full again.
  const buckets = new LRUCache<string, number>({ max: limits.hostsMax });
  return {
    take(hostname) {
      const now = clock.now().getTime();
      // The upper bound is for a clock that was set back.
      const fullAt = Math.min(Math.max(buckets.get(hostname) ?? now, now), now + bucketMs);
      const waitMs = fullAt + intervalMs - bucketMs - now;
      if (waitMs > 0) return Math.ceil(waitMs);
      buckets.set(hostname, fullAt + intervalMs);
      return 0;
    },
  };
}

/**
 * `egress` within `budget`: what strangers' documents lead to is asked for no more often than its hosts can stand, however
 * many documents there are. A request over the budget fails as `unreachable`. Redirects count for the host that sent them.
 */
export function withHostBudget(egress: Egress, budget: HostBudget): Egress {
  return {
    async get(url, request) {
      const { hostname = "" } = URL.parse(String(url)) ?? {};
      const waitMs = budget.take(hostname);
      if (waitMs > 0) throw new EgressError("unreachable", `${hostname} has been asked too often; it is left alone.`);
      return egress.get(url, request);
    },
    close: () => egress.close(),
  };
}
