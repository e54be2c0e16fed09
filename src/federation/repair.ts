import type { Admission } from "../admission/admission.ts";
import type { Clock } from "../base/clock.ts";
import type { EntryKey } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { DigestNode, DigestSummary } from "../things/entry-digests.ts";
import type { ListingStore } from "../things/listing-store.ts";
import { backoffMs } from "./backoff.ts";
import type { PeerRow, PeerStore } from "./peer-store.ts";
import { type Wire, WireError } from "./ports.ts";
import type { Receiver } from "./receiver.ts";

export interface RepairDeps {
  peers: Pick<PeerStore, "change" | "heard">;
  admission: Pick<Admission, "reassess">;
  listings: Pick<ListingStore, "digests">;
  wire: Pick<Wire, "readDigests" | "readEntries">;
  receiver: Pick<Receiver, "take">;
  clock: Clock;
  /** From 0 to 1. */
  random(): number;
}

/** What a comparison found. */
export interface RepairReport {
  /** For digests and for entries. */
  requests: number;
  /** Entries that were missing here, or known in another version. */
  fetched: number;
  /** Of them, those that were refused. */
  refused: number;
  /** Entries that the peer does not list any more. */
  withdrawn: number;
  /** The lists are equal now, as far as was looked. */
  equal: boolean;
}

/**
 * Compares what is known of a peer's list with the list, down the prefixes under which the digests differ, and asks for
 * each entry that differs by its key. An entry goes only because the peer says of it that it does not list it: what cannot
 * be read is unknown, and what was not there when its prefix was read may have come since.
 *
 * A peer whose epoch has changed was restored from a copy, which may be old. For `limits.restoreGraceMs` what it does not
 * list is kept: it is about to ask for it. Throws a WireError where the peer cannot be asked.
 */
export async function compareWithPeer(peer: PeerRow, deps: RepairDeps, signal: AbortSignal): Promise<RepairReport> {
  const { listings, wire, peers, clock } = deps;
  const report: RepairReport = { requests: 0, fetched: 0, refused: 0, withdrawn: 0, equal: true };
  const differing: EntryKey[] = [];

  /** Null when a peer has been asked so often that its digests can hardly be those of a list. */
  const read = async (prefix: string) => {
    signal.throwIfAborted();
    report.requests += 1;
    if (report.requests <= limits.digestRequestsMax) return wire.readDigests(peer, prefix);
    report.equal = false;
    return null;
  };

  /** All that is known of the peer's list under a prefix. */
  async function known(prefix: string): Promise<EntryKey[]> {
    const node = await listings.digests(peer.id, prefix);
    if (node.entries !== null) return node.entries.map(({ key }) => key);
    const parts = await Promise.all(node.children.map((child) => known(child.prefix)));
    return parts.flat();
  }

  async function compare(theirs: DigestNode): Promise<void> {
    const ours = await listings.digests(peer.id, theirs.prefix);
    if (isEqual(ours, theirs)) return;
    if (theirs.entries !== null) {
      const listed = new Map(theirs.entries.map(({ key, digest }) => [key, digest]));
      const mine = ours.entries ?? (await known(ours.prefix)).map((key) => ({ key, digest: null }));
      const digests = new Map(mine.map(({ key, digest }) => [key, digest]));
      differing.push(...[...listed.keys()].filter((key) => digests.get(key) !== listed.get(key)));
      differing.push(...[...digests.keys()].filter((key) => !listed.has(key)));
      return;
    }
    const ourChildren = ours.children ?? summariesOf(ours);
    const prefixes = new Set([...theirs.children, ...ourChildren].map(({ prefix }) => prefix));
    for (const prefix of prefixes) {
      const theirChild = theirs.children.find((child) => child.prefix === prefix);
      const ourChild = ourChildren.find((child) => child.prefix === prefix);
      if (theirChild === undefined) differing.push(...(await known(prefix)));
      else if (ourChild === undefined || !isEqual(ourChild, theirChild)) {
        const answer = await read(prefix);
        if (answer === null) return;
        await compare(answer.node);
      }
    }
  }

  const root = await wire.readDigests(peer, "");
  report.requests += 1;
  const now = clock.now();
  const epochSince = peer.epoch === null || peer.epoch === root.epoch ? peer.epochSince : now;
  const inGrace = epochSince !== null && now.getTime() < epochSince.getTime() + limits.restoreGraceMs;
  await compare(root.node);

  for (let start = 0; start < differing.length; start += limits.entriesByKeyMax) {
    signal.throwIfAborted();
    report.requests += 1;
    const page = await wire.readEntries(peer, { keys: differing.slice(start, start + limits.entriesByKeyMax) });
    const reports = inGrace ? page.reports.filter(({ type }) => type === "listed") : page.reports;
    const verdicts = await deps.receiver.take(peer, reports);
    for (const [index, { type }] of reports.entries()) {
      const verdict = verdicts[index];
      if (type === "withdrawn") report.withdrawn += 1;
      else report.fetched += 1;
      if (verdict?.outcome === "refused") report.refused += 1;
      if (verdict?.outcome === "held") report.equal = false;
    }
    if (reports.length < page.reports.length) report.equal = false;
  }
  await peers.change(peer.id, { epoch: root.epoch, epochSince, verifiedAt: now });
  await peers.heard(peer.id, now);
  return report;
}

/** The same as a task: when it is done, or the peer cannot be asked, the next time is set. */
export async function repair(peer: PeerRow, deps: RepairDeps, signal: AbortSignal): Promise<void> {
  const { peers, clock, random } = deps;
  try {
    await compareWithPeer(peer, deps, signal);
    // An entry may have come in just before a process ended, and what listed it may be gone by now.
    await deps.admission.reassess(peer.id);
    const pause = limits.verifyIntervalMs * (0.75 + random() / 2);
    await peers.change(peer.id, {
      nextVerify: new Date(clock.now().getTime() + pause),
      pullFailures: 0,
      pullError: null,
    });
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const pullFailures = peer.pullFailures + 1;
    const pause = backoffMs(pullFailures, random, 60_000);
    const nextVerify = new Date(clock.now().getTime() + pause);
    await peers.change(peer.id, { pullFailures, nextVerify, pullError: error.message });
  }
}

function isEqual(one: DigestSummary, other: DigestSummary): boolean {
  return one.count === other.count && one.digest === other.digest;
}

/** A node with few entries, where the other side has many: each of its prefixes has to be read. */
function summariesOf(node: DigestNode): DigestSummary[] {
  const digits = new Set(node.entries?.map(({ key }) => key.charAt(node.prefix.length)));
  return [...digits].map((digit) => ({ prefix: node.prefix + digit, count: -1, digest: "" }));
}
