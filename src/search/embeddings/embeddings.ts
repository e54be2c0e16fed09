import type { Clock } from "../../base/clock.ts";
import type { Queryable } from "../../db/client.ts";
import type { SearchQuery } from "../port.ts";
import { createEmbeddingEndpoint } from "./endpoint.ts";
import { type EmbeddingChange, updateEntryVectors } from "./entry-vectors.ts";
import { createQueryVectors } from "./query-vectors.ts";
import { createSimilarityFloor } from "./similarity-floor.ts";
import { withTokenBudget } from "./token-budget.ts";
import { type NearEntry, openVectorStore } from "./vector-store.ts";

/** Where vectors come from, and what they may cost. */
export interface EmbeddingSettings {
  /** Base URL of an OpenAI-compatible API, for instance http://localhost:11434/v1. */
  url: string;
  model: string;
  apiKey: string | null;
  /** 0: without a bound. */
  tokensPerDay: number;
}

/** Finds entries by what they mean. */
export interface Meaning {
  /**
   * The entries that pass the query's filters and are near to its words, nearest first, at most `limit`; none for words
   * that mean nothing. Null while that cannot be told: the endpoint does not answer in time, or there are no vectors yet.
   */
  nearest(query: SearchQuery, limit: number, now: Date): Promise<NearEntry[] | null>;
}

/** The vectors of entries and queries. */
export interface Embeddings extends Meaning {
  /** The journal's consumer that is to call `update`; one of its own for each model, so that a new one starts anew. */
  readonly consumer: string;
  /** Brings the vectors of entries up to date. Asks the network: not within a transaction. Throws EmbeddingError. */
  update(changes: readonly EmbeddingChange[], signal: AbortSignal): Promise<void>;
  /** Says that all entries have their vectors: those of other models are not needed any more. */
  complete(): Promise<void>;
  close(): Promise<void>;
}

/** Opens what search by meaning needs. Throws VectorExtensionError where the database has no pgvector. */
export async function openEmbeddings(
  settings: EmbeddingSettings,
  deps: { db: Queryable; clock: Clock; queryWaitMsMax?: number },
): Promise<Embeddings> {
  const { db, clock, queryWaitMsMax } = deps;
  const store = await openVectorStore(db, settings.model);
  const endpoint = withTokenBudget(createEmbeddingEndpoint({ ...settings, clock }), {
    db,
    clock,
    tokensPerDay: settings.tokensPerDay,
  });
  const queries = createQueryVectors({
    endpoint,
    clock,
    ...(queryWaitMsMax === undefined ? {} : { waitMsMax: queryWaitMsMax }),
  });
  const floor = createSimilarityFloor({ queries, store, clock });
  return {
    consumer: store.consumer,
    update: (changes, signal) => updateEntryVectors(changes, { endpoint, store, signal }),
    complete: () => store.forgetOthers(),
    async nearest(query, limit, now) {
      const vector = await queries.vectorOf(query.words);
      const near = vector === null ? null : await store.nearest(query, vector, limit, now);
      return near === null ? null : floor.relevant(near);
    },
    close: () => endpoint.close(),
  };
}
