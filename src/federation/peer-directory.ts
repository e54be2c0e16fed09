import type { Clock } from "../base/clock.ts";
import type { PeerRow, PeerStore } from "./peer-store.ts";

/** Milliseconds for which what is known of peers serves: nodes that share a database hear of each other's changes so late. */
const freshMs = 2_000;

/** The peers in memory, for what is asked at each request. */
export interface PeerDirectory {
  /** The peer with this actor; null if there is none. */
  findByActor(actor: string): Promise<PeerRow | null>;
  /** Whether nothing is taken from an origin. */
  isBlocked(origin: string): Promise<boolean>;
  /** Whether the peer of an origin was not heard of for longer than configured, as far as is known in memory. */
  isStale(origin: string): boolean;
  /** The origins of which that is so. */
  staleOrigins(): Promise<string[]>;
  /** To be called at each change of a peer. */
  forget(): void;
}

export function createPeerDirectory(deps: {
  peers: Pick<PeerStore, "list">;
  clock: Clock;
  staleAfterSeconds: number;
}): PeerDirectory {
  let known: { rows: PeerRow[]; byActor: Map<string, PeerRow>; readAt: number } | null = null;
  let reading: Promise<void> | null = null;

  async function read(): Promise<void> {
    const readAt = performance.now();
    const rows = await deps.peers.list();
    known = { rows, byActor: new Map(rows.map((row) => [row.actor, row])), readAt };
  }

  async function refreshed() {
    if (known === null || performance.now() - known.readAt > freshMs) {
      reading ??= read().finally(() => {
        reading = null;
      });
      await reading;
    }
    if (known === null) throw new Error("the peers were not read");
    return known;
  }

  function areStale(ofOrigin: readonly PeerRow[]): boolean {
    const heardSince = deps.clock.now().getTime() - deps.staleAfterSeconds * 1000;
    return ofOrigin.every(({ lastHeard, created }) => (lastHeard ?? created).getTime() < heardSince);
  }

  return {
    async findByActor(actor) {
      return (await refreshed()).byActor.get(actor) ?? null;
    },
    async isBlocked(origin) {
      return (await refreshed()).rows.some((row) => row.blocked && row.origin === origin);
    },
    isStale(origin) {
      // Readers do not wait for it: they are told what was known a moment ago.
      void refreshed().catch(() => {});
      const ofOrigin = known?.rows.filter((row) => row.origin === origin) ?? [];
      return ofOrigin.length > 0 && areStale(ofOrigin);
    },
    async staleOrigins() {
      const byOrigin = Map.groupBy((await refreshed()).rows, ({ origin }) => origin);
      return [...byOrigin].flatMap(([origin, rows]) => (areStale(rows) ? [origin] : []));
    },
    forget() {
      known = null;
    },
  };
}
