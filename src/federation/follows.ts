import type { Admission } from "../admission/admission.ts";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { loggerOf } from "../base/log.ts";
import { Problem } from "../base/problem.ts";
import type { FollowFilter } from "../db/schema/index.ts";
import type { ListingStore } from "../things/listing-store.ts";
import type { PeerDirectory } from "./peer-directory.ts";
import type { PeerChanges, PeerRow, PeerStore } from "./peer-store.ts";
import type { Shelf } from "./ports.ts";

/** What is known of an actor elsewhere, as it describes itself. */
export interface Actor {
  id: string;
  origin: string;
  inbox: string;
  handle: string | null;
  name: string | null;
  /** Where it lists its entries; null for a server of another kind. */
  entriesUrl: string | null;
  batchMax: number;
}

export interface FollowsDeps {
  peers: PeerStore;
  directory: Pick<PeerDirectory, "forget">;
  admission: Pick<Admission, "reassess">;
  listings: Pick<ListingStore, "removeAll">;
  shelf: Pick<Shelf, "end" | "epoch">;
  policy: "open" | "allowlist" | "blocklist";
  /** A new id for an activity of ours. */
  newActivityId(): string;
  clock: Clock;
  /** Says that there is something to do. */
  wake(): void;
}

/**
 * Who follows whom: what peers ask and answer, and what the operator decides. What has to be said to a peer is noted in the
 * database and said by the background work, again until it was heard.
 */
export function createFollows(deps: FollowsDeps) {
  const { peers, admission, shelf, clock } = deps;
  const log = loggerOf("federation");

  async function change(peer: PeerRow, changes: PeerChanges): Promise<PeerRow> {
    const changed = await peers.change(peer.id, changes);
    deps.directory.forget();
    deps.wake();
    if (changed === null) throw noPeer(peer.id);
    return changed;
  }

  async function save(actor: Actor): Promise<PeerRow> {
    const { id, origin, inbox, handle, name, entriesUrl, batchMax } = actor;
    const known = await peers.findByActor(id);
    if (known === null) await requireRoom(origin);
    const saved = await peers.save({
      actor: id,
      origin,
      inbox,
      handle,
      name,
      entriesUrl,
      batchMax,
      created: clock.now(),
      recoveredEpoch: shelf.epoch,
    });
    deps.directory.forget();
    return saved;
  }

  async function requireRoom(origin: string): Promise<void> {
    const { all, ofOrigin } = await peers.count(origin);
    if (all < limits.peersMax && ofOrigin < limits.peersPerOriginMax) return;
    throw new Problem("too-many-requests", "This registry has as many peers as it can have, and takes no more.", {
      retryAfterSeconds: 24 * 60 * 60,
    });
  }

  async function find(id: string): Promise<PeerRow> {
    const peer = await peers.find(id);
    if (peer === null) throw noPeer(id);
    return peer;
  }

  /** Forgets a peer with which there is nothing more. */
  async function forgetIfIdle(peer: PeerRow): Promise<void> {
    const isOver = peer.follower === "none" && ["none", "rejected"].includes(peer.following);
    if (!isOver || peer.blocked || peer.owedAnswer !== null || peer.owedRequest !== null) return;
    await peers.remove(peer.id);
    deps.directory.forget();
  }

  /** From now on the follower is told of changes; what was before it reads for itself. */
  async function acceptFollower(peer: PeerRow): Promise<PeerRow> {
    const place = peer.sentXid === null ? await shelf.end() : null;
    return change(peer, {
      follower: "accepted",
      owedAnswer: "accept",
      failures: 0,
      nextDelivery: null,
      ...(place === null ? {} : { sentXid: place.xid, sentId: place.id }),
    });
  }

  /** What came in from a peer that is not followed any more goes, unless somebody else lists it. */
  async function dropListings(peer: PeerRow): Promise<void> {
    await admission.reassess(peer.id);
    await deps.listings.removeAll(peer.id);
  }

  async function dropFollower(peer: PeerRow, changes: PeerChanges): Promise<PeerRow> {
    return change(peer, { followerActivity: null, followerFilter: null, sentXid: null, sentId: null, ...changes });
  }

  return {
    find,
    forgetIfIdle,

    /** Forgets a follower that has not been heard of for long; it may ask again. */
    async forgetIfSilent(peer: PeerRow): Promise<void> {
      const silentSince = (peer.lastHeard ?? peer.created).getTime();
      if (peer.failures === 0 || clock.now().getTime() - silentSince < limits.followerSilenceMsMax) return;
      log.info("{actor} was silent for too long, and is told of nothing more", { actor: peer.actor });
      await forgetIfIdle(await dropFollower(peer, { follower: "none", owedAnswer: null, owedRequest: null }));
    },

    /** An actor asks to follow this registry. */
    async requested(actor: Actor, activity: string, filter: FollowFilter | null): Promise<void> {
      const waits = deps.policy === "allowlist" && (await peers.findByActor(actor.id))?.follower !== "accepted";
      if (waits && (await peers.count(actor.origin)).pending >= limits.peersPendingMax) {
        throw new Problem("too-many-requests", "Too many wait for the operator of this registry; ask again later.", {
          retryAfterSeconds: 3_600,
        });
      }
      const peer = await save(actor);
      const asked = await change(peer, {
        followerActivity: activity,
        followerFilter: filter,
        lastHeard: clock.now(),
        ...(waits ? { follower: "pending" } : {}),
      });
      log.info("{actor} asks to follow: {state}", { actor: actor.id, state: waits ? "pending" : "accepted" });
      if (!waits) await acceptFollower(asked);
    },

    /** A follower ends its follow; of an older one than is known, nothing changes. */
    async ended(peer: PeerRow, activity: string | null): Promise<void> {
      if (activity !== null && peer.followerActivity !== null && activity !== peer.followerActivity) return;
      await forgetIfIdle(await dropFollower(peer, { follower: "none", owedAnswer: null }));
    },

    /** A peer accepts our Follow, or rejects it, also later. */
    async answered(peer: PeerRow, activity: string | null, accepts: boolean): Promise<void> {
      if (peer.following === "none") return;
      if (activity !== null && activity !== peer.followingActivity) return;
      log.info("{actor} {answer} our follow", { actor: peer.actor, answer: accepts ? "accepts" : "rejects" });
      if (accepts) {
        if (peer.following !== "accepted")
          await change(peer, { following: "accepted", nextPull: null, nextVerify: null, owedRequest: null });
        return;
      }
      // Should it accept after all, later, its list is read anew: what is known of it goes now.
      await change(peer, { following: "rejected", owedRequest: null, pulledCursor: null, pulledAt: null });
      await dropListings(peer);
    },

    /** Follows an actor, or the same one with another filter. */
    async follow(actor: Actor, filter: FollowFilter | null): Promise<PeerRow> {
      const peer = await save(actor);
      if (peer.blocked) {
        throw new Problem("invalid-parameter", `${actor.id} is blocked: unblock it before you follow it.`, {
          validationErrors: [{ field: "/target", description: "must not be blocked" }],
        });
      }
      const isSame = JSON.stringify(peer.followingFilter) === JSON.stringify(filter);
      if (peer.following === "accepted" && isSame) return peer;
      // Where the filter is another one, the list is another one: it is read anew, and what left it goes by the comparison.
      return change(peer, {
        following: peer.following === "accepted" ? "accepted" : "requested",
        followingActivity: deps.newActivityId(),
        followingFilter: filter,
        owedRequest: "follow",
        nextDelivery: null,
        pulledCursor: null,
        pulledAt: null,
        nextPull: null,
        nextVerify: null,
        pullFailures: 0,
        pullError: null,
      });
    },

    /** Ends our follow: what came in by it goes. */
    async unfollow(id: string): Promise<PeerRow> {
      const peer = await find(id);
      if (peer.following === "none") return peer;
      const changed = await change(peer, {
        following: "none",
        followingFilter: null,
        owedRequest: "undo",
        nextDelivery: null,
      });
      await dropListings(peer);
      return changed;
    },

    async accept(id: string): Promise<PeerRow> {
      const peer = await find(id);
      if (peer.follower === "none") throw noFollow(peer);
      return acceptFollower(peer);
    },

    async reject(id: string): Promise<PeerRow> {
      const peer = await find(id);
      if (peer.follower === "none") throw noFollow(peer);
      const { followerActivity } = peer;
      return dropFollower(peer, { followerActivity, follower: "rejected", owedAnswer: "reject", nextDelivery: null });
    },

    /** Hides what came from a peer, and takes nothing more of it. It is not told. */
    async block(id: string): Promise<PeerRow> {
      const peer = await find(id);
      const blocked = await change(peer, { blocked: true });
      await admission.reassess(peer.id);
      return blocked;
    },

    async unblock(id: string): Promise<PeerRow> {
      const peer = await find(id);
      const unblocked = await change(peer, {
        blocked: false,
        nextPull: null,
        nextVerify: null,
        nextDelivery: null,
        // A peer that was refused leaves us alone for a while: by our Follow it hears that it may speak again.
        ...(peer.following === "accepted" ? { owedRequest: "follow" as const } : {}),
      });
      await admission.reassess(peer.id);
      return unblocked;
    },
  };
}

export type Follows = ReturnType<typeof createFollows>;

function noPeer(id: string): Problem {
  return new Problem("not-found", `There is no peer ${id}.`);
}

function noFollow({ actor }: PeerRow): Problem {
  return new Problem("invalid-parameter", `${actor} does not ask to follow this registry.`);
}
