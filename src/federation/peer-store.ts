import { and, asc, count, eq, inArray, isNotNull, isNull, lt, lte, or, sql } from "drizzle-orm";
import type { Queryable } from "../db/client.ts";
import type { JournalPosition } from "../db/journal.ts";
import { endLease, takeLease } from "../db/leases.ts";
import { heldDocuments, peers } from "../db/schema/index.ts";

export type PeerRow = typeof peers.$inferSelect;
export type NewPeer = typeof peers.$inferInsert;
export type HeldDocument = typeof heldDocuments.$inferSelect;

/** What may be changed of a peer; which one it is never changes. */
export type PeerChanges = Partial<Omit<PeerRow, "id" | "actor" | "origin" | "created">>;

/** A kind of work that a peer may be due for. */
export type Task = "delivery" | "message" | "recover" | "pull" | "verify";

/** Keeps peers, documents that wait to be decided on, and the lease of the background work. */
export function createPeerStore(db: Queryable) {
  return {
    async list(): Promise<PeerRow[]> {
      return db.select().from(peers).orderBy(asc(peers.created), asc(peers.actor));
    },

    async find(id: string): Promise<PeerRow | null> {
      const [found] = await db.select().from(peers).where(eq(peers.id, id));
      return found ?? null;
    },

    async findByActor(actor: string): Promise<PeerRow | null> {
      const [found] = await db.select().from(peers).where(eq(peers.actor, actor));
      return found ?? null;
    },

    /** Adds a peer, or finds the one with its actor, whose address and kind are then those given. */
    async save(peer: NewPeer): Promise<PeerRow> {
      const { inbox, entriesUrl = null, batchMax = 1, name = null, handle = null } = peer;
      const [saved] = await db
        .insert(peers)
        .values(peer)
        .onConflictDoUpdate({ target: peers.actor, set: { inbox, entriesUrl, batchMax, name, handle } })
        .returning();
      if (saved === undefined) throw new Error("the peer was not written");
      return saved;
    },

    /** Null if there is none such. */
    async change(id: string, changes: PeerChanges): Promise<PeerRow | null> {
      const [changed] = await db.update(peers).set(changes).where(eq(peers.id, id)).returning();
      return changed ?? null;
    },

    async remove(id: string): Promise<void> {
      await db.delete(peers).where(eq(peers.id, id));
    },

    /** How many there are, and of them those that wait for the operator, and those of an origin. */
    async count(origin: string): Promise<{ all: number; pending: number; ofOrigin: number }> {
      const [counted] = await db
        .select({
          all: count(),
          pending: sql<number>`count(*) filter (where ${peers.follower} = 'pending')::int`,
          ofOrigin: sql<number>`count(*) filter (where ${peers.origin} = ${origin})::int`,
        })
        .from(peers);
      return counted ?? { all: 0, pending: 0, ofOrigin: 0 };
    },

    /** Notes that a peer was told of all changes up to `position`; never goes back. */
    async advanceSent(id: string, { xid, id: rowId }: JournalPosition): Promise<void> {
      await db
        .update(peers)
        .set({ sentXid: xid, sentId: rowId })
        .where(
          and(eq(peers.id, id), or(isNull(peers.sentXid), sql`(sent_xid, sent_id) < (${xid}::xid8, ${rowId}::bigint)`)),
        );
    },

    /** Notes that a peer was heard of. */
    async heard(id: string, now: Date): Promise<void> {
      await db
        .update(peers)
        .set({ lastHeard: now })
        .where(and(eq(peers.id, id), or(isNull(peers.lastHeard), lt(peers.lastHeard, now))));
    },

    /**
     * Peers that are due for `task` at `now`: for deliveries, those that were not told of all up to `end`; to recover, those
     * that were not asked what they have of us since our database has `epoch`.
     */
    async due(task: Task, now: Date, { end, epoch }: { end: JournalPosition; epoch: string }): Promise<PeerRow[]> {
      const isDue = {
        delivery: and(
          eq(peers.follower, "accepted"),
          or(isNull(peers.sentXid), sql`(sent_xid, sent_id) < (${end.xid}::xid8, ${end.id}::bigint)`),
          or(isNull(peers.nextDelivery), lte(peers.nextDelivery, now)),
        ),
        message: and(
          or(isNotNull(peers.owedAnswer), isNotNull(peers.owedRequest)),
          or(isNull(peers.nextDelivery), lte(peers.nextDelivery, now)),
        ),
        recover: and(
          or(eq(peers.follower, "accepted"), eq(peers.following, "accepted")),
          isNotNull(peers.entriesUrl),
          sql`${peers.recoveredEpoch} is distinct from ${epoch}`,
          or(isNull(peers.nextPull), lte(peers.nextPull, now)),
        ),
        pull: and(
          eq(peers.following, "accepted"),
          isNotNull(peers.entriesUrl),
          or(isNull(peers.nextPull), lte(peers.nextPull, now)),
        ),
        verify: and(
          eq(peers.following, "accepted"),
          isNotNull(peers.entriesUrl),
          isNotNull(peers.pulledAt),
          or(isNull(peers.nextVerify), lte(peers.nextVerify, now)),
        ),
      }[task];
      return db
        .select()
        .from(peers)
        .where(and(isDue, eq(peers.blocked, false)));
    },

    /** Keeps a document until it can be decided on; a newer one of the same object takes the place of an older one. */
    async hold(document: HeldDocument): Promise<void> {
      const { peer: _, objectId: __, ...rest } = document;
      await db
        .insert(heldDocuments)
        .values(document)
        .onConflictDoUpdate({ target: [heldDocuments.peer, heldDocuments.objectId], set: rest });
    },

    async countHeld(peer: string): Promise<number> {
      const [counted] = await db.select({ count: count() }).from(heldDocuments).where(eq(heldDocuments.peer, peer));
      return counted?.count ?? 0;
    },

    /** How many documents of each peer wait; of one without any, nothing. */
    async countHeldByPeer(): Promise<Map<string, number>> {
      const rows = await db
        .select({ peer: heldDocuments.peer, count: count() })
        .from(heldDocuments)
        .groupBy(heldDocuments.peer);
      return new Map(rows.map((row) => [row.peer, row.count]));
    },

    /** Documents whose next attempt is due, at most `limit`. */
    async heldDue(now: Date, limit: number): Promise<HeldDocument[]> {
      return db
        .select()
        .from(heldDocuments)
        .where(lte(heldDocuments.nextAttempt, now))
        .orderBy(asc(heldDocuments.nextAttempt))
        .limit(limit);
    },

    /** Forgets documents of a peer that are decided on. */
    async release(peer: string, objectIds: readonly string[]): Promise<void> {
      if (objectIds.length === 0) return;
      await db
        .delete(heldDocuments)
        .where(and(eq(heldDocuments.peer, peer), inArray(heldDocuments.objectId, [...objectIds])));
    },

    /** Makes all that waits for another attempt due. */
    async retryAll(): Promise<void> {
      await db
        .update(peers)
        .set({ nextDelivery: null, nextPull: null })
        .where(or(isNotNull(peers.nextDelivery), isNotNull(peers.nextPull)));
    },

    /** Takes or keeps the lease `name` until `until`; false while another node has it. */
    async lease(name: string, holder: string, until: Date, now: Date): Promise<boolean> {
      return takeLease(db, name, holder, { until, now });
    },

    /** Gives the lease back, so that another node need not wait. */
    async endLease(name: string, holder: string): Promise<void> {
      await endLease(db, name, holder);
    },
  };
}

export type PeerStore = ReturnType<typeof createPeerStore>;
