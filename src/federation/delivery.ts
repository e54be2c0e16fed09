import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { loggerOf } from "../base/log.ts";
import { formatCursor, type JournalPosition, journalStart } from "../db/journal.ts";
import { backoffMs } from "./backoff.ts";
import type { PeerRow, PeerStore } from "./peer-store.ts";
import { type Shelf, type Verdict, type View, type Wire, WireError } from "./ports.ts";

export interface DeliveryDeps {
  shelf: Pick<Shelf, "changesAfter" | "epoch">;
  peers: Pick<PeerStore, "find" | "change" | "advanceSent" | "heard">;
  wire: Pick<Wire, "deliver">;
  clock: Clock;
  /** From 0 to 1. */
  random(): number;
}

/** Milliseconds until a peer that does not want to be asked is asked again, at first. */
const unwelcomeMsMin = 10 * 60 * 1000;

/** Changes that are read at once for a peer that takes one activity in a request. */
const singlesMax = 64;

/**
 * Tells a follower of all changes that it was not told of, from its place in the journal. The place moves once the peer
 * has answered, so that a process which ends in between tells it again, and never too little. Returns when it knows all,
 * or cannot be told now: then the peer has an instant for the next attempt.
 */
export async function deliver(peer: PeerRow, deps: DeliveryDeps, signal: AbortSignal): Promise<void> {
  const { shelf, peers } = deps;
  let place = placeOf(peer);
  let current: PeerRow | null = peer;
  for (let atEnd = false; !atEnd && !signal.aborted;) {
    const limit = current.batchMax > 1 ? Math.min(current.batchMax, limits.inboxActivitiesMax) : singlesMax;
    const page = await shelf.changesAfter(place, viewOfFollower(current), limit);
    if (page.changes.length > 0) {
      const span = { after: formatCursor(shelf.epoch, place), cursor: formatCursor(shelf.epoch, page.position) };
      try {
        logRefusals(current, await deps.wire.deliver(current, page.changes, span));
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        if (error.kind !== "refused") return noteFailure(current, error, deps);
        loggerOf("federation").warn("{peer} refuses activities for good: {error}", {
          peer: peer.actor,
          error: error.message,
        });
      }
      await peers.heard(peer.id, deps.clock.now());
    }
    place = page.position;
    atEnd = page.atEnd;
    await peers.advanceSent(peer.id, place);
    if (current.failures > 0 || current.lastError !== null) await noteSuccess(current, deps);
    // What the operator or the peer has decided meanwhile counts from the next page on.
    current = await peers.find(peer.id);
    if (current === null || current.follower !== "accepted" || current.blocked) return;
  }
}

/** What a follower is told of. */
function viewOfFollower({ followerFilter, origin }: PeerRow): View {
  return { filter: followerFilter, to: origin };
}

function placeOf({ sentXid, sentId }: PeerRow): JournalPosition {
  return sentXid === null || sentId === null ? journalStart : { xid: sentXid, id: sentId };
}

/** Notes that a peer could not be reached, or did not take what it was sent: it is left alone for a while. */
export async function noteFailure(
  peer: PeerRow,
  error: WireError,
  { peers, clock, random }: Pick<DeliveryDeps, "peers" | "clock" | "random">,
): Promise<void> {
  const failures = peer.failures + 1;
  const ms = Math.max(
    (error.retryAfterSeconds ?? 0) * 1000,
    backoffMs(failures, random, error.kind === "unwelcome" ? unwelcomeMsMin : undefined),
  );
  const now = clock.now();
  await peers.change(peer.id, {
    failures,
    nextDelivery: new Date(now.getTime() + Math.min(ms, limits.deliveryBackoffMsMax)),
    lastError: error.message,
    lastErrorAt: now,
  });
}

async function noteSuccess(peer: PeerRow, { peers }: Pick<DeliveryDeps, "peers">): Promise<void> {
  await peers.change(peer.id, { failures: 0, nextDelivery: null, lastError: null, lastErrorAt: null });
}

function logRefusals(peer: PeerRow, verdicts: readonly Verdict[]): void {
  for (const verdict of verdicts) {
    if (verdict.outcome !== "refused") continue;
    const { problem, detail } = verdict;
    loggerOf("federation").info("{peer} refused an entry: {problem}", { peer: peer.actor, problem, detail });
  }
}
