import type { LogEntry } from "../../db/public-log.ts";

/** How an entry of the registry must stand by the log: what is served of it now. */
export interface Standing {
  id: string;
  controller: string | null;
  /**
   * `listed`: its document is served. `retracted`: its tombstone is, as gone. `unlisted`: it is not served, or only
   * under its id, which is for its controller or the operator to choose. `absent`: nothing is.
   */
  state: "listed" | "retracted" | "unlisted" | "absent";
  /** What brought it into this state: the kind and number of the log's entry. */
  kind: LogEntry["kind"];
  seq: number;
  /** The digest of its last document and the number of the log's entry that brought it; null before the first one. */
  document: { digest: string; seq: number } | null;
}

const states: Partial<Record<LogEntry["kind"], Standing["state"]>> = {
  created: "listed",
  updated: "listed",
  relisted: "listed",
  retracted: "retracted",
  unlisted: "unlisted",
  removed: "absent",
  expired: "absent",
};

/** Follows the log to know how each entry must stand. */
export interface Replay {
  apply(entry: LogEntry): void;
  /** The same entry as `standing` speaks of, as it must stand by now. */
  current(standing: Standing): Standing;
  readonly standings: Iterable<Standing>;
  readonly size: number;
}

export function createReplay(): Replay {
  const standings = new Map<string, Standing>();
  // A DID has no line feed.
  const keyOf = ({ controller, id }: Pick<Standing, "controller" | "id">) => `${controller ?? ""}\n${id}`;
  return {
    apply(entry) {
      const { id, controller, kind, seq, digest } = entry;
      const state = states[kind];
      // Kinds such as `verification` change nothing of what is served.
      if (state === undefined) return;
      const key = keyOf(entry);
      const document = digest === null ? (standings.get(key)?.document ?? null) : { digest, seq };
      standings.set(key, { id, controller, state, kind, seq, document });
    },
    current: (standing) => standings.get(keyOf(standing)) ?? standing,
    get standings() {
      return standings.values();
    },
    get size() {
      return standings.size;
    },
  };
}
