import { isJsonObject, type JsonValue } from "../../base/json.ts";
import { hashOfRecord, type LogEntry, type LogPlace, logStart } from "../../db/public-log.ts";
import type { Findings } from "./findings.ts";
import type { LogClient } from "./log-client.ts";

export interface LogWalkOptions {
  client: LogClient;
  /** Where the log was at an earlier audit. */
  known: LogPlace | null;
  /** Starts right before `known`, which leaves out what was read then. */
  fromKnown: boolean;
  findings: Findings;
  /** Told of each entry, in order. */
  onEntry(entry: LogEntry): void;
}

/** Reads a log from its start, or from where an earlier audit was, and checks every entry. */
export interface LogWalk {
  /** The number of the last entry that was read. */
  readonly seq: number;
  /**
   * Reads on, up to the entry that `head` names, and no further: what comes after is not signed yet. False where the log
   * does not go on to there; what is wrong is added to the findings.
   */
  follow(head: LogPlace): Promise<boolean>;
}

export function createLogWalk({ client, known, fromKnown, findings, onEntry }: LogWalkOptions): LogWalk {
  // From two before the known entry: the hash of the next one cannot be checked here, but the known one's follows from it.
  let place: { seq: number; hash: string | null } =
    fromKnown && known !== null && known.seq > 2 ? { seq: known.seq - 2, hash: null } : logStart;

  const wrong = (seq: number, detail: string, entry?: LogEntry) =>
    findings.add({ check: "log", seq, detail, controller: entry?.controller ?? null, id: entry?.id ?? null });

  /** Whether the walk can go on after `entry`. */
  function take(entry: LogEntry, head: LogPlace): boolean {
    const expected = place.seq + 1;
    if (entry.seq < expected || entry.seq > head.seq) {
      wrong(expected, `Entry ${expected} is missing: in its place there is number ${entry.seq}.`);
      return false;
    }
    if (entry.seq > expected) {
      const missing =
        entry.seq - 1 === expected ? `Entry ${expected} is` : `Entries ${expected} to ${entry.seq - 1} are`;
      wrong(expected, `${missing} missing in the log.`);
    } else if (place.hash !== null && hashOfRecord(place.hash, entry) !== entry.hash) {
      wrong(entry.seq, "The hash does not follow from the entry and the hash before: one of them was changed.", entry);
    }
    if (entry.seq === known?.seq && entry.hash !== known.hash) {
      const detail = `The log is another one than at the earlier audit, which saw the hash ${known.hash} here: history was rewritten.`;
      findings.add({ check: "history", seq: entry.seq, detail });
    }
    // On from what the log says, so that one change is one finding.
    place = { seq: entry.seq, hash: entry.hash };
    onEntry(entry);
    return true;
  }

  return {
    get seq() {
      return place.seq;
    },
    async follow(head) {
      while (place.seq < head.seq) {
        const { entries } = await client.readPage(place.seq);
        if (!Array.isArray(entries) || entries.length === 0) {
          wrong(place.seq + 1, `The log ends after entry ${place.seq}; its head has number ${head.seq}.`);
          return false;
        }
        for (const json of entries) {
          if (place.seq === head.seq) break;
          const entry = readLogEntry(json);
          if (entry === null) {
            wrong(place.seq + 1, "The log holds something that is not an entry.");
            return false;
          }
          if (!take(entry, head)) return false;
        }
      }
      if (place.seq === head.seq && place.hash !== null && place.hash !== head.hash) {
        const detail = `The head has another hash than entry ${head.seq} of the log.`;
        findings.add({ check: "head", seq: head.seq, detail });
      }
      return true;
    },
  };
}

/** One entry of a page; null for what is none. Kinds that are not known yet are left to those who know them. */
function readLogEntry(json: JsonValue): LogEntry | null {
  if (!isJsonObject(json)) return null;
  const { seq, at, kind, controller, id, digest, hash } = json;
  const isEntry =
    typeof seq === "number" &&
    Number.isSafeInteger(seq) &&
    [at, kind, id, hash].every((text) => typeof text === "string") &&
    [controller, digest].every((text) => text === null || typeof text === "string");
  return isEntry ? ({ seq, at, kind, controller, id, digest, hash } as LogEntry) : null;
}
