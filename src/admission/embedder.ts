import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { loggerOf } from "../base/log.ts";
import { pause } from "../base/pause.ts";
import type { Database } from "../db/client.ts";
import { type Consumer, startOutsideConsumer } from "../db/consumer.ts";
import { hasBacklog } from "../db/journal.ts";
import { EmbeddingError } from "../search/embeddings/embedding-error.ts";
import type { Embeddings } from "../search/embeddings/embeddings.ts";
import type { EmbeddingChange } from "../search/embeddings/entry-vectors.ts";
import { descriptionOf } from "../things/entry-store.ts";
import { factsOf } from "../things/facts.ts";
import { changedEntries } from "./changed-entries.ts";

/**
 * Keeps the vectors of entries in step with the journal. Nothing waits for it: an endpoint that is down, slow or paid up
 * for the day holds up nobody but itself. Where the endpoint says when to come back, it does not ask before.
 */
export function startEmbedder(deps: { db: Database; embeddings: Embeddings; clock: Clock; holder: string }): Consumer {
  const { embeddings, clock, holder } = deps;
  const { orm } = deps.db;
  const log = loggerOf("embedder");
  const stopping = new AbortController();
  let isComplete = false;

  const consumer = startOutsideConsumer({
    name: embeddings.consumer,
    db: orm,
    batchMax: limits.embeddingBatchMax,
    clock,
    holder,
    async prepare() {
      // Up to here the vectors of another model may have stood beside those that are made anew.
      if (isComplete || (await hasBacklog(orm, embeddings.consumer))) return;
      await embeddings.complete();
      isComplete = true;
    },
    async handle(rows, signal) {
      const changed = await changedEntries(rows, orm, clock.now(), { discoverable: true });
      const changes = [...changed].map(([key, stored]): EmbeddingChange => ({
        key,
        facts: stored === undefined ? null : factsOf(descriptionOf(stored)),
      }));
      try {
        await embeddings.update(changes, signal);
      } catch (error) {
        if (error instanceof EmbeddingError && error.retryAfterMs !== null) {
          log.warning("{error}; goes on in {seconds} s", {
            error: error.message,
            seconds: Math.ceil(error.retryAfterMs / 1000),
          });
          await pause(error.retryAfterMs, AbortSignal.any([signal, stopping.signal]));
        }
        throw error;
      }
    },
  });
  return {
    ...consumer,
    async stop() {
      stopping.abort();
      await consumer.stop();
    },
  };
}
