import { randomUUID } from "node:crypto";
import type { Admission } from "../../src/admission/admission.ts";
import { attest } from "../../src/admission/attest.ts";
import { authorize } from "../../src/admission/authorize.ts";
import { decide } from "../../src/admission/decide.ts";
import { parse, validate } from "../../src/admission/intake.ts";
import { type Attested, noEvidence, type Outcome, type Receipt, type Submission } from "../../src/admission/stages.ts";
import type { Clock } from "../../src/base/clock.ts";
import { type Did, type Digest, type EntryKey, entryKeyOf, type ThingId } from "../../src/base/ids.ts";
import { Problem } from "../../src/base/problem.ts";
import { comparePositions, type JournalPosition, journalStart } from "../../src/db/journal.ts";
import { createFollows, type Follows } from "../../src/federation/follows.ts";
import type { HeldDocument, PeerRow, PeerStore } from "../../src/federation/peer-store.ts";
import type { Change, ChangePage, Shelf, View } from "../../src/federation/ports.ts";
import { createReceiver, type Receiver } from "../../src/federation/receiver.ts";
import type { DidResolver } from "../../src/identity/resolver.ts";
import { digestNodeOf, listedDigestOf, type ListedDigest } from "../../src/things/entry-digests.ts";
import type { EntryRow } from "../../src/things/entry-store.ts";
import type { Listing, ListingStore } from "../../src/things/listing-store.ts";

/** An entry with its current document. */
type Kept = EntryRow & { document: string; kind: "description" | "tombstone" };
type JournalKind = "created" | "updated" | "retracted" | "unlisted" | "relisted";

interface State {
  entries: Map<EntryKey, Kept>;
  byThing: Map<ThingId, Kept[]>;
  journal: { position: JournalPosition; key: EntryKey; kind: JournalKind }[];
  listings: Map<string, Map<EntryKey, Listing>>;
  peers: Map<string, PeerRow>;
  held: Map<string, HeldDocument>;
  epoch: string;
}

/** What a registry of the simulation is to others. */
export interface MemoryRegistry {
  readonly origin: string;
  readonly shelf: Shelf;
  readonly peers: PeerStore;
  readonly listings: ListingStore;
  readonly admission: Pick<Admission, "publishAll" | "list" | "withdraw" | "reassess">;
  readonly receiver: Receiver;
  readonly follows: Follows;
  /** Registers a document as its publisher would; what is refused changes nothing. */
  register(document: string): Promise<Outcome | Problem["type"]>;
  /** Takes an entry off the list, as the operator. */
  unlist(key: EntryKey): void;
  /** The entries as they are. */
  entries(): ReadonlyMap<EntryKey, Kept>;
  holds(key: EntryKey): boolean;
  /** What `origin` lists here, for a registry there that lost its data. */
  listedBy(origin: string): Change[];
  /** A copy of the database. */
  dump(): State;
  /** Puts an old copy in the place of the database; its epoch is a new one. */
  restore(state: State): void;
}

/** The stages up to attest, once for each text: in the simulation thousands of registries see the same few documents. */
const attestedTexts = new Map<string, Promise<Attested>>();

/**
 * A registry whose database is in memory: the stores that the federation's core works with, and nothing else of it is
 * replaced. What a document does to entries is decided by `decide`, as in the database.
 */
export function createMemoryRegistry(options: {
  origin: string;
  relay: boolean;
  resolver: DidResolver;
  clock: Clock;
  random(): number;
}): MemoryRegistry {
  const { origin, clock, random } = options;
  let state: State = {
    entries: new Map(),
    byThing: new Map(),
    journal: [],
    listings: new Map(),
    peers: new Map(),
    held: new Map(),
    epoch: randomUUID(),
  };

  function append(key: EntryKey, kind: JournalKind): void {
    const id = state.journal.length + 1;
    state.journal.push({ position: { xid: String(id), id }, key, kind });
  }

  const listingsOf = (peer: string) => {
    const found = state.listings.get(peer) ?? new Map<EntryKey, Listing>();
    state.listings.set(peer, found);
    return found;
  };

  /** The listings that hold an entry: those of its current version first, of them the shortest path. */
  function holders(key: EntryKey): { peer: PeerRow; listing: Listing }[] {
    const found: { peer: PeerRow; listing: Listing }[] = [];
    for (const peer of state.peers.values()) {
      if (peer.following !== "accepted" || peer.blocked) continue;
      const listing = state.listings.get(peer.id)?.get(key);
      if (listing !== undefined && listing.refused === null && !listing.path.includes(origin))
        found.push({ peer, listing });
    }
    if (found.length < 2) return found;
    const digest = state.entries.get(key)?.digest;
    return found.sort(
      (one, other) =>
        Number(one.listing.digest !== digest) - Number(other.listing.digest !== digest) ||
        one.listing.path.length - other.listing.path.length ||
        (one.listing.path.join() < other.listing.path.join() ? -1 : 1),
    );
  }

  async function attested(submission: Submission): Promise<Attested> {
    const text = Buffer.from(submission.bytes).toString();
    const known = attestedTexts.get(text) ?? attest(validate(parse(submission)), options);
    attestedTexts.set(text, known);
    const found = await known;
    return { ...found, candidate: { ...found.candidate, submission } };
  }

  async function publish(submission: Submission): Promise<Receipt> {
    const permitted = authorize(await attested(submission), "signed", clock.now());
    const { candidate, controller, verification } = permitted.attested;
    if (controller === null || verification === null) throw new Error("an unsigned document");
    const rows = state.byThing.get(candidate.thingId) ?? [];
    const decision = decide(permitted.attested, rows, clock.now());
    const now = clock.now();
    const receipt = (outcome: Outcome, entry: Kept): Receipt => {
      return { stage: "receipt", outcome, entry, repairs: [], alias: null, position: null };
    };
    if (decision.action === "keep") return receipt("unchanged", decision.entry as Kept);
    if (decision.action === "evidence") {
      throw new Problem("version-not-newer", "equivocal");
    }
    const key = entryKeyOf(controller, candidate.thingId);
    const before = state.entries.get(key);
    const isOwn = before !== undefined && before.door === "http" && submission.door === "inbox";
    const entry: Kept = {
      key,
      sequence: before?.sequence ?? state.entries.size,
      thingId: candidate.thingId,
      controller,
      isPrimary: before?.isPrimary ?? !rows.some((row) => row.isPrimary),
      state: candidate.kind === "tombstone" ? "retracted" : "active",
      unlistedBy: null,
      visibility: "public",
      versionId: 0,
      versionCount: 1,
      digest: candidate.digest,
      versionDigest: verification.signedDigest,
      versionCreated: verification.created,
      equivocal: false,
      created: before?.created ?? now,
      modified: now,
      expires: null,
      ttlSeconds: null,
      door: isOwn ? before.door : submission.door,
      origin: isOwn ? before.origin : submission.origin,
      verificationMethod: verification.verificationMethod,
      cryptosuite: verification.cryptosuite,
      verifiedAt: now,
      proofExpires: null,
      repairs: null,
      document: candidate.document,
      kind: candidate.kind,
    };
    state.entries.set(key, entry);
    state.byThing.set(candidate.thingId, [...rows.filter((row) => row.key !== key), entry]);
    const isNew = before === undefined || before.state !== "active";
    const outcome = candidate.kind === "tombstone" ? "retracted" : isNew ? "created" : "updated";
    append(key, outcome);
    return receipt(outcome, entry);
  }

  /** Changes the state of an entry that is there, and journals it. */
  function change(entry: Kept, changes: Partial<Kept>, kind: JournalKind): void {
    Object.assign(entry, changes, { modified: clock.now() });
    append(entry.key, kind);
  }

  /** Takes off what nothing holds any more, and brings back what is held again. */
  function settle(keys: Iterable<EntryKey>): number {
    let changed = 0;
    for (const key of keys) {
      const entry = state.entries.get(key);
      if (entry === undefined || entry.door !== "inbox" || entry.origin === null) continue;
      const [first] = holders(key);
      if (entry.state === "active" && first === undefined) {
        change(entry, { state: "unlisted", unlistedBy: "origin" }, "unlisted");
      } else if (entry.state === "unlisted" && entry.unlistedBy === "origin" && first !== undefined) {
        change(entry, { state: "active", unlistedBy: null, origin: first.peer.origin }, "relisted");
      } else continue;
      changed += 1;
    }
    return changed;
  }

  const admission: MemoryRegistry["admission"] = {
    async publishAll(submissions) {
      const results: (Receipt | Problem)[] = [];
      for (const submission of submissions) {
        results.push(
          await publish(submission).catch((error: unknown) => {
            if (error instanceof Problem) return error;
            throw error;
          }),
        );
      }
      return results;
    },
    async list(peer, listed) {
      for (const listing of listed) listingsOf(peer).set(listing.key, listing);
      settle(listed.map(({ key }) => key));
    },
    async withdraw(peer, keys) {
      for (const key of keys) listingsOf(peer).delete(key);
      return settle(keys);
    },
    async reassess() {
      return settle([...state.entries.keys()]);
    },
  };

  /** An entry as this registry lists it; null if it does not. */
  function offerOf(key: EntryKey, view: View, kind: JournalKind = "updated"): Change | null {
    const entry = state.entries.get(key);
    if (entry === undefined || !["active", "retracted"].includes(entry.state)) return null;
    const [first] = entry.origin === null ? [] : holders(key);
    if (entry.origin !== null && (!options.relay || first === undefined)) return null;
    const path = [...(first?.listing.path ?? []), origin];
    if (view.to !== null && path.includes(view.to)) return null;
    const { thingId, controller, document, digest, created, modified } = entry;
    return {
      type: "offer",
      key,
      thingId,
      controller: controller as Did,
      kind: entry.kind,
      document,
      digest,
      path,
      created,
      modified,
      isNew: kind === "created" || kind === "relisted",
    };
  }

  const shelf: Shelf = {
    get epoch() {
      return state.epoch;
    },
    async end() {
      return state.journal.at(-1)?.position ?? journalStart;
    },
    async changesAfter(position, view, limit): Promise<ChangePage> {
      const last = new Map(state.journal.map((row) => [row.key, row]));
      const rows = [...last.values()]
        .filter((row) => comparePositions(row.position, position) > 0)
        .sort((one, other) => comparePositions(one.position, other.position))
        .slice(0, limit);
      const changes = rows.flatMap(({ key, kind }): Change[] => {
        const isOwn = state.entries.get(key)?.origin === null;
        return isOwn || options.relay ? [offerOf(key, view, kind) ?? { type: "withdrawal", key }] : [];
      });
      return { changes, position: rows.at(-1)?.position ?? position, atEnd: rows.length < limit };
    },
    async offers(keys, view) {
      return keys.flatMap((key) => {
        const offer = offerOf(key, view);
        return offer?.type === "offer" ? [offer] : [];
      });
    },
    async digests(prefix, view) {
      const listed = [...state.entries.keys()].flatMap((key): ListedDigest[] => {
        const offer = offerOf(key, view);
        return offer?.type === "offer" ? [{ key, digest: listedAs(offer.digest, offer.path) }] : [];
      });
      return digestNodeOf(sorted(listed), prefix);
    },
  };

  const listings: ListingStore = {
    async put(peer, listed) {
      for (const listing of listed) listingsOf(peer).set(listing.key, listing);
    },
    async findByObjects(peer, objectIds) {
      return [...listingsOf(peer).values()].filter(({ objectId }) => objectIds.includes(objectId));
    },
    async findByKeys(peer, keys) {
      return keys.flatMap((key) => listingsOf(peer).get(key) ?? []);
    },
    async remove(peer, keys) {
      for (const key of keys) listingsOf(peer).delete(key);
    },
    async removeAll(peer) {
      state.listings.delete(peer);
    },
    async count(peer) {
      const all = [...listingsOf(peer).values()];
      return { entries: all.length, refused: all.filter(({ refused }) => refused !== null).length };
    },
    countByPeer: async () => new Map(),
    async digests(peer, prefix) {
      const listed = [...listingsOf(peer).values()].map(({ key, digest, path }) => {
        return { key, digest: listedAs(digest, path) };
      });
      return digestNodeOf(sorted(listed), prefix);
    },
  };

  const peers = createMemoryPeers(() => state);
  const receiver = createReceiver({
    admission,
    listings,
    peers,
    origin: () => origin,
    takesBack: true,
    clock,
    random,
  });
  const follows = createFollows({
    peers,
    directory: { forget() {} },
    admission,
    listings,
    shelf,
    policy: "open",
    newActivityId: () => `${origin}/follows/${randomUUID()}`,
    clock,
    wake() {},
  });

  return {
    origin,
    shelf,
    peers,
    listings,
    admission,
    receiver,
    follows,
    async register(document) {
      const { id } = JSON.parse(document) as { id: string };
      const bytes = Buffer.from(document);
      const submission = { door: "http" as const, evidence: noEvidence, bytes, target: [id], origin: null };
      const [result] = await admission.publishAll([submission]);
      if (result === undefined) throw new Error("no result");
      return result instanceof Problem ? result.type : result.outcome;
    },
    unlist(key) {
      const entry = state.entries.get(key);
      if (entry?.state === "active") change(entry, { state: "unlisted", unlistedBy: "operator" }, "unlisted");
    },
    entries: () => state.entries,
    holds: (key) => holders(key).length > 0,
    listedBy(of) {
      const peer = [...state.peers.values()].find((row) => row.origin === of);
      return [...(peer === undefined ? [] : listingsOf(peer.id).values())].flatMap((listing) => {
        const entry = state.entries.get(listing.key);
        if (listing.refused !== null || entry === undefined || !["active", "retracted"].includes(entry.state))
          return [];
        const { thingId, document, digest, created, modified, kind } = entry;
        const controller = entry.controller as Did;
        const { key } = listing;
        return [
          {
            type: "offer" as const,
            key,
            thingId,
            controller,
            kind,
            document,
            digest,
            path: listing.path,
            created,
            modified,
            isNew: false,
          },
        ];
      });
    },
    dump: () => structuredClone(state),
    restore(old) {
      state = { ...structuredClone(old), epoch: randomUUID() };
    },
  };
}

function sorted<Row extends ListedDigest>(rows: Row[]): ListedDigest[] {
  return rows.map(({ key, digest }) => ({ key, digest })).sort((one, other) => (one.key < other.key ? -1 : 1));
}

/** `listedDigestOf` once for each digest and path. */
function listedAs(digest: Digest, path: readonly string[]): Digest {
  if (path.length === 1) return digest;
  const name = `${digest} ${path.join(" ")}`;
  const known = listedDigests.get(name) ?? listedDigestOf(digest, path.slice(0, -1));
  listedDigests.set(name, known);
  return known;
}

const listedDigests = new Map<string, Digest>();

/** The peer store over a map. */
function createMemoryPeers(state: () => State): PeerStore {
  const change = (id: string, changes: Partial<PeerRow>): PeerRow | null => {
    const row = state().peers.get(id);
    if (row === undefined) return null;
    const changed = { ...row, ...changes };
    state().peers.set(id, changed);
    return changed;
  };
  return {
    list: async () => [...state().peers.values()],
    find: async (id) => state().peers.get(id) ?? null,
    findByActor: async (actor) => [...state().peers.values()].find((row) => row.actor === actor) ?? null,
    async save(peer) {
      const known = [...state().peers.values()].find((row) => row.actor === peer.actor);
      const { inbox, entriesUrl = null, batchMax = 1, name = null, handle = null } = peer;
      if (known !== undefined) return change(known.id, { inbox, entriesUrl, batchMax, name, handle }) ?? known;
      const row: PeerRow = { ...emptyPeer, ...(peer as PeerRow), id: randomUUID() };
      state().peers.set(row.id, row);
      return row;
    },
    change: async (id, changes) => change(id, changes),
    async remove(id) {
      state().peers.delete(id);
      state().listings.delete(id);
    },
    async count(origin) {
      const rows = [...state().peers.values()];
      const pending = rows.filter(({ follower }) => follower === "pending").length;
      return { all: rows.length, pending, ofOrigin: rows.filter((row) => row.origin === origin).length };
    },
    async advanceSent(id, position) {
      const row = state().peers.get(id);
      if (row === undefined) return;
      const before = row.sentXid === null ? null : { xid: row.sentXid, id: row.sentId ?? 0 };
      if (before === null || comparePositions(before, position) < 0) {
        change(id, { sentXid: position.xid, sentId: position.id });
      }
    },
    async heard(id, now) {
      change(id, { lastHeard: now });
    },
    async due(task, now, { end, epoch }) {
      const isTime = (instant: Date | null) => instant === null || instant <= now;
      return [...state().peers.values()].filter((row) => {
        if (row.blocked) return false;
        const isRegistry = row.entriesUrl !== null;
        const sent = row.sentXid === null ? journalStart : { xid: row.sentXid, id: row.sentId ?? 0 };
        switch (task) {
          case "delivery":
            return row.follower === "accepted" && comparePositions(sent, end) < 0 && isTime(row.nextDelivery);
          case "message":
            return (row.owedAnswer !== null || row.owedRequest !== null) && isTime(row.nextDelivery);
          case "recover":
            return (
              isRegistry &&
              (row.follower === "accepted" || row.following === "accepted") &&
              row.recoveredEpoch !== epoch &&
              isTime(row.nextPull)
            );
          case "pull":
            return isRegistry && row.following === "accepted" && isTime(row.nextPull);
          case "verify":
            return isRegistry && row.following === "accepted" && row.pulledAt !== null && isTime(row.nextVerify);
        }
      });
    },
    async hold(document) {
      state().held.set(`${document.peer} ${document.objectId}`, document);
    },
    countHeld: async (peer) => [...state().held.values()].filter((row) => row.peer === peer).length,
    countHeldByPeer: async () => new Map(),
    heldDue: async (now, limit) => [...state().held.values()].filter((row) => row.nextAttempt <= now).slice(0, limit),
    async release(peer, objectIds) {
      for (const objectId of objectIds) state().held.delete(`${peer} ${objectId}`);
    },
    async retryAll() {},
    lease: async () => true,
    async endLease() {},
  };
}

const emptyPeer: Omit<PeerRow, "id" | "actor" | "origin" | "inbox" | "created"> = {
  handle: null,
  name: null,
  entriesUrl: null,
  batchMax: 1,
  blocked: false,
  lastHeard: null,
  follower: "none",
  followerActivity: null,
  followerFilter: null,
  owedAnswer: null,
  sentXid: null,
  sentId: null,
  failures: 0,
  nextDelivery: null,
  lastError: null,
  lastErrorAt: null,
  following: "none",
  followingActivity: null,
  followingFilter: null,
  owedRequest: null,
  pulledCursor: null,
  pulledAt: null,
  pullFailures: 0,
  nextPull: null,
  pullError: null,
  epoch: null,
  epochSince: null,
  recoveredEpoch: null,
  verifiedAt: null,
  nextVerify: null,
};
