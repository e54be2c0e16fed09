import type { Clock } from "./clock.ts";
import { type Egress, EgressError, type PostingEgress } from "./egress.ts";
import { limits } from "./limits.ts";
import { createKeyedRate } from "./rate.ts";

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
  const rate = createKeyedRate({
    burst: limits.hostRequestsMax,
    perSecond: limits.hostRequestsPerSecondMax,
    keysMax: limits.hostsMax,
  });
  return { take: (hostname) => rate.take(hostname, clock.now().getTime()) };
}

/**
 * `egress` within `budget`: what strangers' documents lead to is asked for no more often than its hosts can stand, however
 * many documents there are. A request over the budget fails as `unreachable`. Redirects count for the host that sent them.
 */
export function withHostBudget(egress: PostingEgress, budget: HostBudget): PostingEgress;
export function withHostBudget(egress: Egress, budget: HostBudget): Egress;
export function withHostBudget(egress: Egress | PostingEgress, budget: HostBudget): Egress | PostingEgress {
  const take = (url: string | URL): void => {
    const { hostname = "" } = URL.parse(String(url)) ?? {};
    const waitMs = budget.take(hostname);
    if (waitMs > 0) throw new EgressError("unreachable", `${hostname} has been asked too often; it is left alone.`);
  };
  const fetching: Egress = {
    async get(url, request) {
      take(url);
      return egress.get(url, request);
    },
    close: () => egress.close(),
  };
  if (!("post" in egress)) return fetching;
  return {
    ...fetching,
    async post(url, request) {
      take(url);
      return egress.post(url, request);
    },
    session: () => egress.session(),
  };
}
