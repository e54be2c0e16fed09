import { limits } from "../../base/limits.ts";
import { Problem } from "../../base/problem.ts";

/** How many event streams there may be. */
export interface PlaceLimits {
  clientsMax: number;
  clientsPerNetworkMax: number;
}

/** Hands out the places for clients of `/events`, so that they cannot use up the process. */
export function createPlaces({ clientsMax, clientsPerNetworkMax }: PlaceLimits) {
  const byNetwork = new Map<string, number>();
  let taken = 0;

  return {
    /** How many places are taken. */
    count: () => taken,

    /**
     * Takes a place; calling the result gives it back. `network` is null where clients cannot be told apart. Throws
     * `too-many-event-clients` or, for one network, `too-many-requests`.
     */
    take(network: string | null): () => void {
      const ofNetwork = network === null ? 0 : (byNetwork.get(network) ?? 0);
      const retryAfterSeconds = limits.eventRetrySeconds;
      if (ofNetwork >= clientsPerNetworkMax) {
        throw new Problem(
          "too-many-requests",
          `${network} has ${ofNetwork} event streams here, which is the most that one address may have. Close one, or share one.`,
          { retryAfterSeconds },
        );
      }
      if (taken >= clientsMax) {
        throw new Problem(
          "too-many-event-clients",
          `All ${clientsMax} places for event streams are taken. Try again later, with Last-Event-ID if you have one.`,
          { retryAfterSeconds },
        );
      }
      taken += 1;
      if (network !== null) byNetwork.set(network, ofNetwork + 1);
      let isGivenBack = false;
      return () => {
        if (isGivenBack) return;
        isGivenBack = true;
        taken -= 1;
        if (network === null) return;
        const left = (byNetwork.get(network) ?? 1) - 1;
        if (left === 0) byNetwork.delete(network);
        else byNetwork.set(network, left);
      };
    },
  };
}
