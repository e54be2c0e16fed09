import type { Admission } from "../admission/admission.ts";
import { noEvidence, type Receipt } from "../admission/stages.ts";
import type { Clock } from "../base/clock.ts";
import { digestOf, type EntryKey, entryKeyOf, type ThingId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { loggerOf } from "../base/log.ts";
import { Problem } from "../base/problem.ts";
import { didOfUrl } from "../identity/did.ts";
import type { Listing, ListingStore } from "../things/listing-store.ts";
import { backoffMs } from "./backoff.ts";
import type { HeldDocument, PeerRow, PeerStore } from "./peer-store.ts";
import type { Report, Verdict } from "./ports.ts";

export interface ReceiverDeps {
  admission: Pick<Admission, "publishAll" | "list" | "withdraw">;
  listings: Pick<ListingStore, "findByObjects" | "findByKeys" | "count">;
  peers: Pick<PeerStore, "hold" | "countHeld" | "release" | "find">;
  /** The origin of this registry. */
  origin(): string;
  /** Whether what a peer has of us may become our registration again: where anybody may register what is signed. */
  takesBack: boolean;
  clock: Clock;
  /** From 0 to 1. */
  random(): number;
}

/** Takes in what peers say of entries. */
export interface Receiver {
  /**
   * Takes reports of a peer in their order; when it returns, all of it is in the database. One verdict for each. Throws
   * `too-many-requests` where too much of the peer waits to be decided on: nothing is lost if it comes again later.
   */
  take(peer: PeerRow, reports: readonly Report[]): Promise<Verdict[]>;
  /** Takes what a peer has from us, as registrations of ours: those whose path is this registry alone. */
  takeBack(peer: PeerRow, reports: readonly Report[]): Promise<void>;
  /** Tries to decide on documents that were kept until they can be. */
  retry(documents: readonly HeldDocument[]): Promise<void>;
}

type Listed = Extract<Report, { type: "listed" }>;

/** Whose entry a document says to be; not proven. */
interface Claim {
  key: EntryKey;
  thingId: ThingId;
}

/** Milliseconds until a document that could not be decided on is looked at again, at first. */
const heldMsMin = 60_000;

export function createReceiver(deps: ReceiverDeps): Receiver {
  const { admission, listings, peers, clock } = deps;
  const log = loggerOf("federation");
  /** How many entries each peer lists at most: counting them each time would take long where there are many. */
  const entriesAtMost = new Map<string, number>();

  async function take(peer: PeerRow, reports: readonly Report[]): Promise<Verdict[]> {
    const verdicts: Verdict[] = [];
    for (const run of runsOf(reports)) {
      verdicts.push(
        ...(run.type === "listed" ? await takeListed(peer, run.reports) : await takeWithdrawn(peer, run.ids)),
      );
    }
    return verdicts;
  }

  async function takeWithdrawn(peer: PeerRow, objectIds: readonly string[]): Promise<Verdict[]> {
    const known = await listings.findByObjects(peer.id, objectIds);
    await peers.release(peer.id, objectIds);
    if (known.length > 0)
      await admission.withdraw(
        peer.id,
        known.map(({ key }) => key),
      );
    const gone = new Set(known.map(({ objectId }) => objectId));
    return objectIds.map((objectId) => ({ outcome: "taken", changed: gone.has(objectId) }));
  }

  /** `attempts`: how often it was tried before, by object. */
  async function takeListed(
    peer: PeerRow,
    reports: readonly Listed[],
    attempts: ReadonlyMap<string, number> = new Map(),
  ): Promise<Verdict[]> {
    const claims = reports.map(({ document }) => claimOf(document));
    const room = await roomFor(peer, claims);
    const verdicts: (Verdict | null)[] = reports.map(({ path }, index) => {
      const claim = claims[index] ?? null;
      if (claim === null)
        return refusal(new Problem("invalid-proof", "The document names no id, or nobody who signed it."));
      if (path.includes(deps.origin())) return loop;
      return room(claim.key) ? null : quotaExceeded;
    });

    const open = reports.flatMap((report, index) => {
      const claim = claims[index] ?? null;
      return verdicts[index] === null && claim !== null ? [{ report, index, claim }] : [];
    });
    const results = await admission.publishAll(
      open.map(({ report, claim }) => ({
        door: "inbox",
        evidence: noEvidence,
        bytes: Buffer.from(report.document),
        target: [claim.thingId],
        origin: peer.origin,
        listing: { peer: peer.id, objectId: report.objectId, path: report.path },
      })),
    );

    const listed: Listing[] = [];
    const held: { report: Listed; reason: string }[] = [];
    for (const [position, { report, index, claim }] of open.entries()) {
      const result = results[position];
      if (result === undefined) throw new Error("a document without a result");
      if (result instanceof Problem && result.retry === "later") {
        verdicts[index] = { outcome: "held", reason: result.message };
        held.push({ report, reason: result.message });
        continue;
      }
      verdicts[index] = verdictOf(result);
      listed.push(listingOf(report, result instanceof Problem ? claim.key : result.entry.key, refusedFor(result)));
    }
    for (const [index, report] of reports.entries()) {
      const claim = claims[index] ?? null;
      if (verdicts[index] === loop && claim !== null) listed.push(listingOf(report, claim.key, "loop"));
    }
    if (listed.length > 0) await admission.list(peer.id, listed);
    await hold(peer, held, attempts);
    await peers.release(
      peer.id,
      listed.map(({ objectId }) => objectId),
    );
    logRefusals(peer, reports, verdicts);
    return verdicts.map((verdict) => verdict ?? quotaExceeded);
  }

  /** Says of a key whether the peer may list it: one that it lists already, or a new one while there is room. */
  async function roomFor(peer: PeerRow, claims: readonly (Claim | null)[]): Promise<(key: EntryKey) => boolean> {
    const keys = claims.flatMap((claim) => claim?.key ?? []);
    const estimate = (entriesAtMost.get(peer.id) ?? (await listings.count(peer.id)).entries) + keys.length;
    entriesAtMost.set(peer.id, estimate);
    if (estimate <= limits.listingsPerPeerMax) return () => true;
    const { entries } = await listings.count(peer.id);
    entriesAtMost.set(peer.id, entries + keys.length);
    const known = new Set((await listings.findByKeys(peer.id, keys)).map(({ key }) => key));
    let left = limits.listingsPerPeerMax - entries;
    return (key) => {
      if (known.has(key)) return true;
      left -= 1;
      return left >= 0;
    };
  }

  async function hold(
    peer: PeerRow,
    held: readonly { report: Listed; reason: string }[],
    attempts: ReadonlyMap<string, number>,
  ): Promise<void> {
    if (held.length === 0) return;
    const isNew = held.filter(({ report }) => !attempts.has(report.objectId)).length;
    if ((await peers.countHeld(peer.id)) + isNew > limits.heldDocumentsPerPeerMax) {
      throw new Problem(
        "too-many-requests",
        "Too many documents of this peer wait to be decided on; send them later.",
        {
          retryAfterSeconds: 600,
        },
      );
    }
    const now = clock.now();
    for (const { report, reason } of held) {
      const count = (attempts.get(report.objectId) ?? 0) + 1;
      await peers.hold({
        peer: peer.id,
        objectId: report.objectId,
        document: report.document,
        path: report.path,
        received: now,
        attempts: count,
        nextAttempt: new Date(now.getTime() + backoffMs(count, deps.random, heldMsMin)),
        reason,
      });
    }
  }

  function logRefusals(peer: PeerRow, reports: readonly Listed[], verdicts: readonly (Verdict | null)[]): void {
    for (const [index, verdict] of verdicts.entries()) {
      if (verdict?.outcome !== "refused") continue;
      const { problem, detail } = verdict;
      const object = reports[index]?.objectId;
      log.info("refused {object}: {problem}", { peer: peer.actor, object, problem, detail });
    }
  }

  return {
    take,

    async takeBack(peer, reports) {
      if (!deps.takesBack) return;
      const own = reports.flatMap((report) => {
        const claim = report.type === "listed" ? claimOf(report.document) : null;
        const isOwn = report.type === "listed" && report.path.length === 1 && report.path[0] === deps.origin();
        return isOwn && claim !== null ? [{ report, claim }] : [];
      });
      const results = await admission.publishAll(
        own.map(({ report, claim }) => ({
          door: "inbox",
          evidence: noEvidence,
          bytes: Buffer.from(report.document),
          target: [claim.thingId],
          origin: null,
        })),
      );
      const back = results.filter((result) => !(result instanceof Problem) && result.outcome !== "unchanged").length;
      if (back > 0) log.warn("{back} registrations came back from {peer}", { back, peer: peer.actor });
    },

    async retry(documents) {
      for (const [id, ofPeer] of Map.groupBy(documents, ({ peer }) => peer)) {
        const peer = await peers.find(id);
        if (peer === null || peer.blocked || peer.following !== "accepted") {
          await peers.release(
            id,
            ofPeer.map(({ objectId }) => objectId),
          );
          continue;
        }
        const over = ofPeer.filter(({ attempts }) => attempts >= limits.heldDocumentAttemptsMax);
        for (const { objectId, reason } of over)
          log.info("gave up on {object}: {reason}", { object: objectId, reason });
        await peers.release(
          id,
          over.map(({ objectId }) => objectId),
        );
        const due = ofPeer.filter((document) => !over.includes(document));
        const attempts = new Map(due.map((document) => [document.objectId, document.attempts]));
        const reports = due.map(({ objectId, document, path }): Listed => ({
          type: "listed",
          objectId,
          document,
          path,
        }));
        await takeListed(peer, reports, attempts);
      }
    },
  };
}

const loop: Verdict = {
  outcome: "refused",
  problem: "loop",
  detail: "The entry came through this registry.",
};

const quotaExceeded: Verdict = {
  outcome: "refused",
  problem: "quota-exceeded",
  detail: `One peer may list ${limits.listingsPerPeerMax} entries.`,
};

function refusal({ type, message }: Problem): Verdict {
  return { outcome: "refused", problem: type, detail: message };
}

function verdictOf(result: Receipt | Problem): Verdict {
  return result instanceof Problem ? refusal(result) : { outcome: "taken", changed: result.outcome !== "unchanged" };
}

/** Why a listing holds nothing. An older version than is known here is no reason: the peer lists the entry. */
function refusedFor(result: Receipt | Problem): string | null {
  return result instanceof Problem && result.type !== "version-not-newer" ? result.type : null;
}

function listingOf({ objectId, document, path }: Listed, key: EntryKey, refused: string | null): Listing {
  return { key, digest: digestOf(document), objectId, path, refused };
}

/** The entry that a document says to be of; null where it says nothing of the kind. The stages find out what is true. */
function claimOf(document: string): Claim | null {
  try {
    const { id, proof } = JSON.parse(document) as { id?: unknown; proof?: { verificationMethod?: unknown } };
    const method = proof?.verificationMethod;
    if (typeof id !== "string" || typeof method !== "string") return null;
    const thingId = id as ThingId;
    return { thingId, key: entryKeyOf(didOfUrl(method), thingId) };
  } catch {
    return null;
  }
}

type Run = { type: "listed"; reports: Listed[] } | { type: "withdrawn"; ids: string[] };

/** Reports in their order, like ones together. */
function runsOf(reports: readonly Report[]): Run[] {
  const runs: Run[] = [];
  for (const report of reports) {
    const last = runs.at(-1);
    if (report.type === "listed") {
      if (last?.type === "listed") last.reports.push(report);
      else runs.push({ type: "listed", reports: [report] });
    } else if (last?.type === "withdrawn") last.ids.push(report.objectId);
    else runs.push({ type: "withdrawn", ids: [report.objectId] });
  }
  return runs;
}
