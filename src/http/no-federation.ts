import { Problem } from "../base/problem.ts";
import type { FederationPort } from "./federation-port.ts";

/** Says so where something of federation is asked for that this registry does not have. */
export function noFederation(): Problem {
  return new Problem(
    "not-found",
    "This registry neither follows others nor is followed: FEDERATION is off. Its operator can set FEDERATION=on.",
  );
}

const refuse = (): never => {
  throw noFederation();
};
const reject = async (): Promise<never> => refuse();

/** Federation of a registry that does not take part: there are no peers, and whatever else is asked throws `not-found`. */
export const disabledFederation: FederationPort = {
  enabled: false,
  actor: refuse,
  webFinger: refuse,
  nodeInfo: reject,
  receive: reject,
  outbox: reject,
  followers: reject,
  following: reject,
  object: reject,
  entries: reject,
  digests: reject,
  isFollower: async () => false,
  search: reject,
  isStale: () => false,
  staleOrigins: async () => [],
  peers: {
    list: async () => [],
    follow: reject,
    unfollow: reject,
    accept: reject,
    reject,
    block: reject,
    unblock: reject,
    verify: reject,
  },
};
