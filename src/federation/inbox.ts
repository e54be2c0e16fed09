import type { Clock } from "../base/clock.ts";
import type { JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { isPublicAddress } from "../base/public-address.ts";
import { createKeyedRate } from "../base/rate.ts";
import { comparePositions, parseCursor } from "../db/journal.ts";
import type { Actor, Follows } from "./follows.ts";
import type { PeerDirectory } from "./peer-directory.ts";
import type { PeerRow, PeerStore } from "./peer-store.ts";
import type { Verdict } from "./ports.ts";
import { type Incoming, readIncoming } from "./read-activity.ts";
import type { Receiver } from "./receiver.ts";
import type { SignedRequest } from "./signatures.ts";

export interface InboxDeps {
  peers: Pick<PeerStore, "change" | "find" | "heard">;
  directory: PeerDirectory;
  follows: Follows;
  receiver: Pick<Receiver, "take">;
  /** Checks that `actor` signed the request. Throws `invalid-signature`, or `peer-unavailable`. */
  verifySignature(request: SignedRequest, expected: { actor: string }): Promise<unknown>;
  /** Asks an actor's own server who it is. Throws `invalid-parameter` or `peer-unavailable`. */
  lookup(actorId: string): Promise<Actor>;
  /** Of this registry. */
  actorId: string;
  clock: Clock;
}

type Reports = Extract<Incoming, { kind: "reports" }>;

/**
 * The inbox (ActivityPub §7). What comes in is in the database when it is answered; what is refused for good, and what may
 * succeed later, are told apart by the problem's status, so that a sender knows whether to come again.
 *
 * Strangers cost little: what they say is read, within bounds, before anything is fetched for them; what is not for a
 * registry is ignored without a look at its signature; and for the rest, one document is fetched from the very origin that
 * they claim to be.
 */
export function createInbox(deps: InboxDeps) {
  const { directory, follows, peers, clock } = deps;
  const hostRate = createKeyedRate({
    burst: limits.strangerRequestsMax,
    perSecond: limits.strangerRequestsPerMinuteMax / 60,
    keysMax: limits.hostsMax,
  });
  const strangersRate = createKeyedRate({
    burst: limits.strangersPerSecondMax,
    perSecond: limits.strangersPerSecondMax,
    keysMax: 1,
  });
  const peerRate = createKeyedRate({
    burst: limits.peerActivitiesMax,
    perSecond: limits.peerActivitiesPerSecondMax,
    keysMax: limits.peersMax,
  });

  function requireWait(waitMs: number, actor: string): void {
    if (waitMs === 0) return;
    throw new Problem("too-many-requests", `${new URL(actor).host} sends more than is taken at once; send it later.`, {
      retryAfterSeconds: Math.ceil(waitMs / 1000),
    });
  }

  /** Throws `too-many-requests` for strangers who send too much, before any work is done for them. */
  function requireStrangersRate({ actor }: Incoming, address: string | null): void {
    const now = clock.now().getTime();
    // An address that is not public is that of a proxy, behind which are all.
    const ofAddress = address !== null && isPublicAddress(address) ? hostRate.take(address, now) : 0;
    requireWait(Math.max(hostRate.take(new URL(actor).host, now), ofAddress, strangersRate.take("", now)), actor);
  }

  /** The same for a peer, once it is known that it is the peer who sends: nobody else uses up what it may send. */
  function requirePeerRate(incoming: Incoming, { id }: PeerRow): void {
    const count = incoming.kind === "reports" ? incoming.reports.length : 1;
    requireWait(peerRate.take(id, clock.now().getTime(), count), incoming.actor);
  }

  async function takeReports(incoming: Reports, peer: PeerRow | null): Promise<JsonValue | null> {
    if (peer === null || !["accepted", "requested"].includes(peer.following)) {
      throw new Problem("peer-refused", "This registry does not follow the sender.");
    }
    // The Accept may be under way still, or lost: who sends what was asked for has accepted.
    if (peer.following === "requested") await follows.answered(peer, null, true);
    const verdicts = await deps.receiver.take(peer, incoming.reports);
    await moveCursor(peer, incoming);
    if (incoming.isBatch) return { verdicts: verdicts.map(asJson) };
    const [verdict] = verdicts;
    if (verdict?.outcome === "refused") throw asProblem(verdict);
    return null;
  }

  /** What was pushed need not be read again: if it starts where reading has ended, that is where it goes on. */
  async function moveCursor(peer: PeerRow, { span }: Reports): Promise<void> {
    if (span === null) return;
    const known = (await peers.find(peer.id))?.pulledCursor ?? null;
    const [after, cursor, ours] = [span.after, span.cursor, known].map((text) =>
      text === null ? null : parseCursor(text),
    );
    if (after == null || cursor == null || ours == null) return;
    if (after.epoch !== ours.epoch || cursor.epoch !== ours.epoch) return;
    if (comparePositions(after.position, ours.position) > 0) return;
    if (comparePositions(ours.position, cursor.position) >= 0) return;
    await peers.change(peer.id, { pulledCursor: span.cursor });
  }

  return {
    /** Answers a request to the inbox: what goes into the body of a 202. Throws a Problem for what is refused. */
    async receive(request: SignedRequest & { address: string | null }): Promise<JsonValue | null> {
      const incoming = readIncoming(request.body);
      const { origin } = new URL(incoming.actor);
      const peer = await directory.findByActor(incoming.actor);
      if (origin === new URL(deps.actorId).origin) throw new Problem("peer-refused", "This is the sender's own inbox.");
      if (await directory.isBlocked(origin)) throw new Problem("peer-refused", "The sender is blocked here.");
      const isKnown = peer !== null && (peer.follower === "accepted" || peer.following !== "none");
      if (!isKnown) requireStrangersRate(incoming, request.address);
      // Likes, boosts, replies and whatever comes: nothing here is about them.
      if (incoming.kind === "unknown") return null;
      if (incoming.kind === "reports" && peer === null) return takeReports(incoming, null);

      const { actor } = incoming;
      await deps.verifySignature(request, { actor });
      if (isKnown) requirePeerRate(incoming, peer);
      if (peer !== null) {
        await peers.heard(peer.id, clock.now());
        // A peer that speaks is there again.
        if (peer.nextDelivery !== null) await peers.change(peer.id, { nextDelivery: null });
      }
      switch (incoming.kind) {
        case "reports":
          return takeReports(incoming, peer);
        case "follow":
          if (incoming.object !== deps.actorId) {
            throw new Problem("invalid-parameter", `Follow ${deps.actorId}: there is no other actor here.`);
          }
          await follows.requested(await deps.lookup(actor), incoming.id, incoming.filter);
          return null;
        case "undo":
          if (peer !== null) await follows.ended(peer, incoming.of);
          return null;
        case "accept":
        case "reject":
          if (peer !== null) await follows.answered(peer, incoming.of, incoming.kind === "accept");
          return null;
      }
    },
  };
}

export type Inbox = ReturnType<typeof createInbox>;

function asJson(verdict: Verdict): JsonValue {
  return { ...verdict };
}

/**
 * The refusal of a single activity, as its sender is told: with a status of its own, so that no sender takes it for one of
 * the request, which it would make again.
 */
function asProblem({ problem, detail }: Extract<Verdict, { outcome: "refused" }>): Problem {
  return new Problem("activity-refused", detail, { extensions: { problem } });
}
