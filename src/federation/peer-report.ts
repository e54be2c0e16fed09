import { formatCursor } from "../db/journal.ts";
import type { ListReader } from "../things/list-reader.ts";
import type { ListingStore } from "../things/listing-store.ts";
import type { PeerRow, PeerStore } from "./peer-store.ts";

/** Changes up to which it is counted how far a peer is behind. */
const lagMax = 100_000;

export interface ReportDeps {
  listings: Pick<ListingStore, "count">;
  lists: Pick<ListReader, "lag">;
  peers: Pick<PeerStore, "countHeld">;
  isStale(origin: string): boolean;
  epoch: string;
}

/** A peer as operators see it. */
export async function reportOf(peer: PeerRow, { listings, lists, peers, isStale, epoch }: ReportDeps) {
  const sent = peer.sentXid === null || peer.sentId === null ? null : { xid: peer.sentXid, id: peer.sentId };
  const { entries, refused } = await listings.count(peer.id);
  return {
    id: peer.id,
    actor: peer.actor,
    origin: peer.origin,
    handle: peer.handle,
    name: peer.name,
    isRegistry: peer.entriesUrl !== null,
    blocked: peer.blocked,
    created: peer.created,
    lastHeard: peer.lastHeard,
    stale: isStale(peer.origin),
    follower: {
      state: peer.follower,
      filter: peer.followerFilter,
      cursor: sent === null ? null : formatCursor(epoch, sent),
      lag: sent === null ? null : await lists.lag(sent, lagMax),
      failures: peer.failures,
      nextDelivery: peer.nextDelivery,
      lastError: peer.lastError,
      lastErrorAt: peer.lastErrorAt,
    },
    following: {
      state: peer.following,
      filter: peer.followingFilter,
      cursor: peer.pulledCursor,
      pulledAt: peer.pulledAt,
      verifiedAt: peer.verifiedAt,
      nextPull: peer.nextPull,
      lastError: peer.pullError,
      entries,
      refused,
      held: await peers.countHeld(peer.id),
    },
  };
}
