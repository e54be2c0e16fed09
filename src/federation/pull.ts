import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { backoffMs } from "./backoff.ts";
import type { PeerRow, PeerStore } from "./peer-store.ts";
import { type Shelf, type Wire, WireError } from "./ports.ts";
import type { Receiver } from "./receiver.ts";

export interface PullDeps {
  shelf: Pick<Shelf, "epoch">;
  peers: Pick<PeerStore, "find" | "change" | "heard">;
  wire: Pick<Wire, "readEntries" | "readDigests">;
  receiver: Pick<Receiver, "take" | "takeBack">;
  clock: Clock;
  /** From 0 to 1. */
  random(): number;
}

/**
 * Reads a followed peer's list from where it was read last, to its end: the whole list after a follow, what was missed
 * after downtime. What peers push is only faster. The place moves once a page is in the database.
 */
export async function pull(peer: PeerRow, deps: PullDeps, signal: AbortSignal): Promise<void> {
  const { peers, wire, receiver } = deps;
  await attempt(peer, deps, async () => {
    let cursor = peer.pulledCursor;
    for (let atEnd = false; !atEnd;) {
      signal.throwIfAborted();
      const page = await wire.readEntries(peer, { after: cursor }).catch((error: unknown) => {
        // Cursors end with an epoch. Nothing is lost: what differs is found by the comparison, and then read on.
        if (cursor !== null && error instanceof WireError && error.kind === "refused") return null;
        throw error;
      });
      if (page === null) {
        const { cursor: end } = await wire.readDigests(peer, "");
        await peers.change(peer.id, { pulledCursor: end, nextVerify: null });
        break;
      }
      await receiver.take(peer, page.reports);
      cursor = page.cursor;
      atEnd = page.atEnd;
      await peers.change(peer.id, { pulledCursor: cursor });
      const current = await peers.find(peer.id);
      if (current === null || current.following !== "accepted" || current.blocked) return;
    }
    const now = deps.clock.now();
    const pause = limits.pullIntervalMs * (0.75 + deps.random() / 2);
    await peers.change(peer.id, {
      pulledAt: now,
      nextPull: new Date(now.getTime() + pause),
      pullFailures: 0,
      pullError: null,
    });
  });
}

/**
 * Asks a peer what it has from us. For a registry whose database was restored from an old copy: its owners' documents are
 * still with its followers, and their proofs hold wherever they come from.
 */
export async function recover(peer: PeerRow, deps: PullDeps, signal: AbortSignal): Promise<void> {
  await attempt(peer, deps, async () => {
    let after: string | null = null;
    for (let atEnd = false; !atEnd;) {
      signal.throwIfAborted();
      const page = await deps.wire.readEntries(peer, { fromUs: true, after });
      await deps.receiver.takeBack(peer, page.reports);
      after = page.cursor;
      atEnd = page.atEnd;
    }
    await deps.peers.change(peer.id, { recoveredEpoch: deps.shelf.epoch });
  });
}

/** Runs what asks a peer; if it cannot be asked, that is noted, and it is left alone for a while. */
async function attempt(peer: PeerRow, deps: PullDeps, run: () => Promise<void>): Promise<void> {
  const { peers, clock, random } = deps;
  try {
    await run();
    await peers.heard(peer.id, clock.now());
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const pullFailures = peer.pullFailures + 1;
    const ms = Math.max((error.retryAfterSeconds ?? 0) * 1000, backoffMs(pullFailures, random));
    await peers.change(peer.id, {
      pullFailures,
      nextPull: new Date(clock.now().getTime() + Math.min(ms, limits.deliveryBackoffMsMax)),
      pullError: error.message,
    });
  }
}
