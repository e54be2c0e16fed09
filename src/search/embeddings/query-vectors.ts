import { LRUCache } from "lru-cache";
import type { Clock } from "../../base/clock.ts";
import { limits } from "../../base/limits.ts";
import { loggerOf } from "../../base/log.ts";
import { snippetOf } from "../../base/shown-text.ts";
import { EmbeddingError } from "./embedding-error.ts";
import type { BudgetedEndpoint } from "./token-budget.ts";

/** The vectors of what is searched for. */
export interface QueryVectors {
  /** The vector of a query's words; null where the endpoint does not tell in time, and search does without. */
  vectorOf(words: string): Promise<readonly number[] | null>;
}

/** Bytes of the vectors in memory. */
const cacheBytesMax = 32 * 1024 * 1024;
/** Queries that the endpoint is asked for at once. */
const underWayMax = 16;

/**
 * Asks `endpoint` for vectors of queries, and keeps them. A search waits `waitMsMax` for one; a late one is kept for the
 * next search, since some servers load their model only when they are asked. After a failure nobody is asked for a
 * second, doubled with each further one: a search must not wait each time for an endpoint that is down.
 */
export function createQueryVectors(deps: {
  endpoint: BudgetedEndpoint;
  clock: Clock;
  waitMsMax?: number;
}): QueryVectors {
  const { endpoint, clock, waitMsMax = limits.queryEmbeddingWaitMsMax } = deps;
  const log = loggerOf("embeddings");
  const known = new LRUCache<string, readonly number[]>({
    maxSize: cacheBytesMax,
    sizeCalculation: (vector, text) => 8 * vector.length + 2 * text.length,
  });
  const underWay = new Map<string, Promise<readonly number[] | null>>();
  let failures = 0;
  let pausedUntil = 0;

  function fail(error: unknown): void {
    const now = clock.now().getTime();
    // What was asked at the same time fails for the same reason.
    if (now < pausedUntil) return;
    failures += 1;
    const waitMs = Math.min(limits.queryEmbeddingPauseMsMin * 2 ** (failures - 1), limits.queryEmbeddingPauseMsMax);
    const askedMs = error instanceof EmbeddingError ? (error.retryAfterMs ?? 0) : 0;
    pausedUntil = now + Math.max(waitMs, askedMs);
    if (failures === 1) log.warning("searches go by words alone: {error}", { error });
  }

  /** Asks once, and answers null when it takes too long; what comes later is only kept. */
  function ask(text: string): Promise<readonly number[] | null> {
    const { promise, resolve } = Promise.withResolvers<readonly number[] | null>();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      fail(new EmbeddingError("unavailable", `No answer within ${waitMsMax} ms`));
      resolve(null);
    }, waitMsMax);
    const asked = endpoint.embed([text], { msMax: limits.embeddingMsMax, purpose: "queries" });
    void asked
      .then(
        ({ vectors: [vector] }) => {
          if (vector === undefined) throw new Error("no vector in an answer that was checked");
          known.set(text, vector);
          if (!isLate) failures = 0;
          resolve(vector);
        },
        (error: unknown) => {
          if (!isLate) fail(error);
          resolve(null);
        },
      )
      .finally(() => {
        clearTimeout(timer);
        underWay.delete(text);
      });
    return promise;
  }

  return {
    async vectorOf(words) {
      const text = snippetOf(words.slice(0, limits.queryStringBytesMax), limits.queryEmbeddingCharactersMax);
      if (text === "") return null;
      const vector = known.get(text);
      if (vector !== undefined) return vector;
      const asked = underWay.get(text);
      if (asked !== undefined) return asked;
      if (clock.now().getTime() < pausedUntil || underWay.size >= underWayMax) return null;
      const asking = ask(text);
      underWay.set(text, asking);
      return asking;
    },
  };
}
