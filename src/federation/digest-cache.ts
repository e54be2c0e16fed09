import { LRUCache } from "lru-cache";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { comparePositions, type JournalPosition } from "../db/journal.ts";
import type { DigestNode } from "../things/entry-digests.ts";
import type { Shelf, View } from "./ports.ts";

/** Nodes that are kept. */
const nodesMax = 1_000;
/** Milliseconds that one is kept: what runs out leaves the list without a word in the journal. */
const keptMsMax = 60_000;

interface KeptNode {
  end: JournalPosition;
  at: number;
  node: Promise<DigestNode>;
}

/**
 * Reads digests for others. A digest over a long list takes the database seconds, and anybody may ask: one that was asked
 * for is kept until the list changes, whoever asks for the same at once waits for the same, and no more than
 * `limits.digestsAtOnceMax` are made at a time. `digests` throws `too-many-requests` beyond that.
 */
export function createDigestCache(shelf: Pick<Shelf, "digests" | "end">, clock: Clock) {
  const kept = new LRUCache<string, KeptNode>({ max: nodesMax });
  let underWay = 0;

  async function make(prefix: string, view: View): Promise<DigestNode> {
    if (underWay >= limits.digestsAtOnceMax) {
      throw new Problem("too-many-requests", "Too many digests are being made at once; ask again later.", {
        retryAfterSeconds: 5,
      });
    }
    underWay += 1;
    try {
      return await shelf.digests(prefix, view);
    } finally {
      underWay -= 1;
    }
  }

  return async (prefix: string, view: View): Promise<{ node: DigestNode; end: JournalPosition }> => {
    const name = JSON.stringify([prefix, view.filter, view.to]);
    const end = await shelf.end();
    const now = clock.now().getTime();
    const known = kept.get(name);
    if (known !== undefined && now - known.at < keptMsMax && comparePositions(known.end, end) === 0) {
      return { node: await known.node, end };
    }
    const node = make(prefix, view);
    const made = { end, at: now, node };
    kept.set(name, made);
    try {
      return { node: await node, end };
    } catch (error) {
      if (kept.peek(name) === made) kept.delete(name);
      throw error;
    }
  };
}
