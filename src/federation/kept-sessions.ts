import type { EgressSession, PostingEgress } from "../base/egress.ts";

/** Connections to peers that outlast a request, so that a burst of them does not begin with a handshake each time. */
export interface KeptSessions {
  /** Runs `run` with the session that leads to `name`: the same one for all who use it at once, or shortly afterwards. */
  use<Result>(name: string, run: (session: EgressSession) => Promise<Result>): Promise<Result>;
}

interface Kept {
  session: EgressSession;
  users: number;
  /** Ends it, while nobody uses it. */
  timer: NodeJS.Timeout | null;
}

/** Milliseconds for which a session is kept that nobody uses: about as long as its connections would last. */
const idleMsDefault = 4_000;

/** Sessions that are kept while nobody uses them. */
const idleMax = 64;

/** Keeps sessions of `egress`, which ends them when it is closed. */
export function createKeptSessions(egress: Pick<PostingEgress, "session">, idleMs = idleMsDefault): KeptSessions {
  const kept = new Map<string, Kept>();

  function end(name: string, one: Kept): void {
    if (one.timer !== null) clearTimeout(one.timer);
    kept.delete(name);
    void one.session.close();
  }

  function leave(name: string, one: Kept): void {
    one.users -= 1;
    if (one.users > 0) return;
    one.timer = setTimeout(() => end(name, one), idleMs).unref();
    // The map has them in the order of their last use.
    kept.delete(name);
    kept.set(name, one);
    const idle = [...kept].filter(([, { users }]) => users === 0);
    for (const [other, over] of idle.slice(0, Math.max(0, idle.length - idleMax))) end(other, over);
  }

  return {
    async use(name, run) {
      const one = kept.get(name) ?? { session: egress.session(), users: 0, timer: null };
      kept.set(name, one);
      if (one.timer !== null) clearTimeout(one.timer);
      one.timer = null;
      one.users += 1;
      try {
        return await run(one.session);
      } finally {
        leave(name, one);
      }
    },
  };
}
