import { comparePositions, formatCursor, type JournalPosition } from "../db/journal.ts";
import type { ListReader } from "../things/list-reader.ts";
import type { ListingStore } from "../things/listing-store.ts";
import type { PeerRow, PeerStore } from "./peer-store.ts";
import type { Shelf } from "./ports.ts";

/** Changes up to which it is counted how far a peer is behind. */
const lagMax = 100_000;

export interface ReportDeps {
  listings: Pick<ListingStore, "countByPeer">;
  lists: Pick<ListReader, "lag">;
  peers: Pick<PeerStore, "countHeldByPeer">;
  shelf: Pick<Shelf, "end" | "epoch">;
  isStale(origin: string): boolean;
}

/** Peers as operators see them. */
export async function reportsOf(peers: readonly PeerRow[], deps: ReportDeps) {
  const [listed, held, end] = await Promise.all([
    deps.listings.countByPeer(),
    deps.peers.countHeldByPeer(),
    deps.shelf.end(),
  ]);
  const reports = [];
  for (const peer of peers) {
    const sent = peer.sentXid === null || peer.sentId === null ? null : { xid: peer.sentXid, id: peer.sentId };
    const { entries, refused } = listed.get(peer.id) ?? { entries: 0, refused: 0 };
    reports.push({
      id: peer.id,
      actor: peer.actor,
      origin: peer.origin,
      handle: peer.handle,
      name: peer.name,
      isRegistry: peer.entriesUrl !== null,
      blocked: peer.blocked,
      created: peer.created,
      lastHeard: peer.lastHeard,
      stale: deps.isStale(peer.origin),
      follower: {
        state: peer.follower,
        filter: peer.followerFilter,
        cursor: sent === null ? null : formatCursor(deps.shelf.epoch, sent),
        lag: sent === null ? null : await lagOf(sent, end, deps),
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
        held: held.get(peer.id) ?? 0,
      },
    });
  }
  return reports;
}

async function lagOf(sent: JournalPosition, end: JournalPosition, { lists }: ReportDeps): Promise<number> {
  return comparePositions(sent, end) >= 0 ? 0 : lists.lag(sent, lagMax);
}
