import { randomUUID } from "node:crypto";
import type { Admission } from "../admission/admission.ts";
import { matchesFilter } from "../admission/follow-filter.ts";
import type { Clock } from "../base/clock.ts";
import type { PostingEgress } from "../base/egress.ts";
import { createHostBudget, withHostBudget } from "../base/host-budget.ts";
import type { EntryKey } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { Queryable } from "../db/client.ts";
import { formatCursor, type JournalPosition, journalStart, parseCursor } from "../db/journal.ts";
import type { FollowFilter } from "../db/schema/index.ts";
import type { DidResolver } from "../identity/resolver.ts";
import { createListReader } from "../things/list-reader.ts";
import { createListingStore } from "../things/listing-store.ts";
import { createOfferReader } from "../things/offer-reader.ts";
import { createActivities } from "./activities.ts";
import { actorDocument, actorUrlsOf, nodeInfoDocument, webFingerDocument } from "./actor.ts";
import { loadActorKeys } from "./actor-keys.ts";
import {
  actorsCollection,
  collection,
  digestsDocument,
  entriesPage,
  type ListQuery,
  outboxPage,
} from "./collections.ts";
import { createDigestCache } from "./digest-cache.ts";
import { createFollows } from "./follows.ts";
import { createInbox } from "./inbox.ts";
import { searchPeers } from "./live-search.ts";
import { createPeerDirectory } from "./peer-directory.ts";
import { createPageMemory } from "./page-memory.ts";
import { reportsOf } from "./peer-report.ts";
import { createPeerStore, type PeerRow } from "./peer-store.ts";
import { type Change, type Shelf, type View, WireError } from "./ports.ts";
import { createReceiver } from "./receiver.ts";
import { createRemoteActors } from "./remote-actors.ts";
import { createRemoteDocuments } from "./remote-documents.ts";
import { createRemoteKeys } from "./remote-keys.ts";
import { compareWithPeer } from "./repair.ts";
import { createSignatureVerifier, type SignedRequest } from "./signatures.ts";
import { createSigner } from "./signer.ts";
import { createWire } from "./wire.ts";
import { startWorker } from "./worker.ts";

export interface FederationDeps {
  db: Queryable;
  /** Names this state of the database. */
  epoch: string;
  /** The origin under which others see this registry: its name for as long as it has peers. */
  publicUrl: string;
  /** Closed with the federation. */
  egress: PostingEgress;
  resolver: DidResolver;
  admission: Pick<Admission, "publishAll" | "list" | "withdraw" | "reassess">;
  policy: "open" | "allowlist" | "blocklist";
  relay: boolean;
  /** Whether anybody may register here what is signed. */
  registersSigned: boolean;
  staleAfterSeconds: number;
  /** Whether http is spoken, and private addresses are asked: in tests and closed networks. */
  allowPrivateAddresses: boolean;
  version: string;
  clock: Clock;
  /** From 0 to 1. */
  random(): number;
}

/** What of a list is asked for. */
interface EntriesQuery extends View {
  after: string | null;
  limit: number;
  keys: readonly EntryKey[];
  /** What this origin has listed here; null: what this registry lists. */
  from: string | null;
}

/** Activities in one page of the outbox. */
const outboxPageMax = 50;

/**
 * Starts federation (docs/federation.md): the registry's actor, its peers, and the work that goes on by itself. Everything of
 * it is put together here.
 */
export async function startFederation(deps: FederationDeps) {
  const { db, epoch, publicUrl, egress, admission, clock, random } = deps;
  const urls = actorUrlsOf(publicUrl);
  const keys = await loadActorKeys(db);
  const signer = createSigner({ privateKey: keys.rsa.privateKey, keyId: urls.rsaKey, clock });
  // What strangers' requests lead to is asked for within a budget; who was chosen as a peer is asked as often as needed.
  const documents = createRemoteDocuments({ egress: withHostBudget(egress, createHostBudget(clock)), signer });
  const actors = createRemoteActors({ documents, schemes: deps.allowPrivateAddresses ? ["https", "http"] : ["https"] });
  const activities = createActivities({ publicUrl, randomId: randomUUID });
  const wire = createWire({ egress, signer, activities, publicUrl, clock });

  const peers = createPeerStore(db);
  const listings = createListingStore(db);
  const lists = createListReader(db);
  const offers = createOfferReader(db, { origin: () => publicUrl, relay: deps.relay, matches: matchesFilter });
  const shelf: Shelf = {
    epoch,
    end: () => offers.end(),
    changesAfter: createPageMemory((position, view, limit) => offers.changesAfter(position, view, limit, clock.now()), {
      // Without relays nothing came through the one who reads.
      isForAll: !deps.relay,
    }),
    offers: (wanted, view) => offers.offers(wanted, view, clock.now()),
    digests: (prefix, view) => offers.digests(prefix, view, clock.now()),
  };

  const directory = createPeerDirectory({ peers, clock, staleAfterSeconds: deps.staleAfterSeconds });
  const receiver = createReceiver({
    admission,
    listings,
    peers,
    origin: () => publicUrl,
    takesBack: deps.registersSigned,
    clock,
    random,
  });
  const follows = createFollows({
    peers,
    directory,
    admission,
    listings,
    shelf,
    policy: deps.policy,
    newActivityId: () => `${urls.actor}#follow-${randomUUID()}`,
    clock,
    wake: () => worker.wake(),
  });
  const verifySignature = createSignatureVerifier({ keys: createRemoteKeys({ documents, clock }), clock });
  const inbox = createInbox({
    peers,
    directory,
    follows,
    receiver,
    verifySignature,
    lookup: actors.lookup,
    actorId: urls.actor,
    clock,
  });
  const tasks = { peers, shelf, wire, receiver, admission, listings, clock, random };
  const worker = startWorker({
    ...tasks,
    forgetIfIdle: follows.forgetIfIdle,
    forgetIfSilent: follows.forgetIfSilent,
    holder: randomUUID(),
    async sendOwed(peer) {
      const { owedRequest, owedAnswer, followingActivity, followerActivity, followingFilter, actor } = peer;
      if (owedRequest !== null && followingActivity !== null) {
        const follow = activities.follow(followingActivity, actor, followingFilter);
        await wire.send(peer, owedRequest === "follow" ? follow : activities.undo(followingActivity, actor));
      }
      if (owedAnswer !== null && followerActivity !== null) {
        await wire.send(
          peer,
          activities.answer(owedAnswer === "accept" ? "Accept" : "Reject", actor, followerActivity),
        );
      }
    },
  });

  const readDigests = createDigestCache(shelf, clock);
  const isStale = (origin: string) => directory.isStale(origin);
  const reports = (rows: readonly PeerRow[]) => reportsOf(rows, { listings, lists, peers, shelf, isStale });
  const report = async (peer: PeerRow) => {
    const [one] = await reports([peer]);
    if (one === undefined) throw new Error("a peer without a report");
    return one;
  };

  /** The place that one of our cursors names. Throws `invalid-parameter` for any other text, and for one of another epoch. */
  function placeOf(cursor: string | null, field: string): JournalPosition {
    if (cursor === null) return journalStart;
    const parsed = parseCursor(cursor);
    if (parsed !== null && parsed.epoch === epoch) return parsed.position;
    throw new Problem(
      "invalid-parameter",
      `${field}: the cursor is not one of this registry's, or older than its database.`,
      {
        validationErrors: [{ field, description: "must be a cursor of this registry, as its database is now" }],
      },
    );
  }

  async function readList(query: EntriesQuery): Promise<{ changes: Change[]; cursor: string | null; atEnd: boolean }> {
    const { keys: wanted, from, after, limit } = query;
    if (wanted.length > 0) {
      const offered = await shelf.offers(wanted, query);
      const listed = new Set(offered.map(({ key }) => key));
      const gone = wanted.filter((key) => !listed.has(key)).map((key): Change => ({ type: "withdrawal", key }));
      return { changes: [...offered, ...gone], cursor: null, atEnd: true };
    }
    if (from !== null) {
      if (after !== null && !/^[0-9a-f]{64}$/.test(after)) {
        throw new Problem("invalid-parameter", "after: must be the cursor of the page before.", {
          validationErrors: [{ field: "after", description: "must be the cursor of the page before" }],
        });
      }
      const count = Math.min(limit, limits.entriesByKeyMax);
      const changes = await lists.listedBy(from, after as EntryKey | null, count);
      return { changes, cursor: changes.at(-1)?.key ?? after ?? "0".repeat(64), atEnd: changes.length < count };
    }
    const page = await shelf.changesAfter(placeOf(after, "after"), query, limit);
    return { changes: page.changes, cursor: formatCursor(epoch, page.position), atEnd: page.atEnd };
  }

  async function actorsOf(side: "follower" | "following"): Promise<string[]> {
    return (await peers.list()).filter((peer) => peer[side] === "accepted" && !peer.blocked).map(({ actor }) => actor);
  }

  return {
    enabled: true as const,
    actor: () =>
      actorDocument({ publicUrl, keys, approvesFollowers: deps.policy === "allowlist", published: keys.created }),
    webFinger: (resource: string) => webFingerDocument(publicUrl, resource),
    nodeInfo: async () => nodeInfoDocument({ version: deps.version, entries: await lists.countOwn() }),
    receive: (request: SignedRequest & { address: string | null }) => inbox.receive(request),

    async outbox(page: string | null): Promise<JsonObject> {
      if (page === null) return collection(urls.outbox, await lists.countOwn(), "newest");
      const before = page === "newest" ? null : placeOf(page, "page");
      const recent = await lists.recent(before, outboxPageMax);
      const offered = await shelf.offers(
        recent.map(({ key }) => key),
        { filter: null, to: null },
      );
      const byKey = new Map(offered.map((offer) => [offer.key, offer]));
      const last = recent.at(-1);
      return outboxPage(urls.outbox, {
        name: page,
        activities: recent.flatMap(({ key }) => {
          const offer = byKey.get(key);
          return offer === undefined ? [] : [activities.activityOf(offer)];
        }),
        next: last === undefined || recent.length < outboxPageMax ? null : formatCursor(epoch, last),
      });
    },
    followers: async (page: string | null) => actorsCollection(urls.followers, await actorsOf("follower"), page),
    following: async (page: string | null) => actorsCollection(urls.following, await actorsOf("following"), page),

    async object(key: EntryKey): Promise<JsonObject | null> {
      const [offer] = await shelf.offers([key], { filter: null, to: null });
      if (offer !== undefined) return activities.objectOf(offer);
      return (await lists.hasBeen(key)) ? activities.objectOf({ type: "withdrawal", key }) : null;
    },

    async entries(query: EntriesQuery): Promise<JsonObject> {
      const { changes, cursor, atEnd } = await readList(query);
      const { filter, to, after, limit, keys: wanted, from } = query;
      const asked: ListQuery = { filter, to, after, limit, keys: wanted, from };
      const written = changes.map((change) => activities.activityOf(change));
      return entriesPage({ publicUrl, query: asked, activities: written, cursor, epoch, atEnd });
    },

    async digests(prefix: string, view: View): Promise<JsonObject> {
      const { node, end } = await readDigests(prefix, view);
      return digestsDocument(node, { epoch, cursor: formatCursor(epoch, end) });
    },

    async isFollower(request: Omit<SignedRequest, "body">): Promise<boolean> {
      try {
        const { actor } = await verifySignature({ ...request, body: new Uint8Array() });
        const peer = await directory.findByActor(actor);
        return peer !== null && peer.follower === "accepted" && !peer.blocked;
      } catch (error) {
        if (error instanceof Problem) return false;
        throw error;
      }
    },

    search: (queryString: string) =>
      searchPeers(queryString, { peers, egress, resolver: deps.resolver, isStale, clock }),
    isStale,
    staleOrigins: () => directory.staleOrigins(),

    peers: {
      list: async () => reports(await peers.list()),
      async follow(target: string, filter: FollowFilter | null) {
        const actor = await actors.lookup(target);
        if (actor.id === urls.actor) {
          throw new Problem("invalid-parameter", "A registry does not follow itself.", {
            validationErrors: [{ field: "/target", description: "must be another server" }],
          });
        }
        return report(await follows.follow(actor, filter));
      },
      unfollow: async (id: string) => report(await follows.unfollow(id)),
      accept: async (id: string) => report(await follows.accept(id)),
      reject: async (id: string) => report(await follows.reject(id)),
      block: async (id: string) => report(await follows.block(id)),
      unblock: async (id: string) => report(await follows.unblock(id)),
      async verify(id: string) {
        const peer = await follows.find(id);
        if (peer.following !== "accepted" || peer.entriesUrl === null) {
          throw new Problem(
            "invalid-parameter",
            `${peer.actor} is not followed, or has no list of entries to compare.`,
          );
        }
        try {
          return await compareWithPeer(peer, tasks, AbortSignal.timeout(10 * 60 * 1000));
        } catch (error) {
          if (error instanceof WireError) throw new Problem("peer-unavailable", error.message, { cause: error });
          throw error;
        }
      },
    },

    /** Says that the journal has news. */
    wake: () => worker.wake(),

    async stop(): Promise<void> {
      // Requests under way would hold up the end.
      await Promise.all([egress.close(), worker.stop()]);
    },
  };
}

export type Federation = Awaited<ReturnType<typeof startFederation>>;
