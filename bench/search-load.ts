import { parentPort, workerData } from "node:worker_threads";
import { entryKeyOf, type ThingId } from "../src/base/ids.ts";
import { openDatabase } from "../src/db/client.ts";
import type { SearchChange } from "../src/search/port.ts";
import { createPostgresSearch } from "../src/search/postgres.ts";
import { factsOf } from "../src/things/facts.ts";
import { syntheticTd } from "./corpus.ts";

/** Entries of one batch, as the indexer's. */
export const loadBatch = 500;

/** Number `index` of the corpus as search gets it. One in five promises a latency; changes are in no order. */
export function syntheticChange(index: number): SearchChange {
  const td = syntheticTd(index);
  const key = entryKeyOf(null, td["id"] as ThingId);
  const minutes = Number.parseInt(key.slice(0, 5), 16);
  return {
    key,
    document: {
      ...factsOf(td),
      key,
      sequence: index + 1,
      expires: null,
      modified: new Date(Date.UTC(2026, 0, 1) + minutes * 60_000),
      latencyMs: index % 5 === 0 ? 10 + (minutes % 5_000) : null,
      controller: null,
      origin: null,
      verified: true,
      badges: [],
    },
  };
}

/** What one of the threads that load puts in: each batch whose number is `thread` in the turn of `threads`. */
export interface LoadShare {
  databaseUrl: string;
  from: number;
  to: number;
  thread: number;
  threads: number;
}

const port = parentPort;
if (port !== null) {
  const { databaseUrl, from, to, thread, threads } = workerData as LoadShare;
  const db = await openDatabase({ databaseUrl, connectionsMax: 1 });
  const engine = createPostgresSearch({ db: db.orm });
  for (let start = from + thread * loadBatch; start < to; start += threads * loadBatch) {
    const size = Math.min(loadBatch, to - start);
    const changes = Array.from({ length: size }, (_, offset) => syntheticChange(start + offset));
    await db.orm.transaction((tx) => engine.apply(changes, tx));
    port.postMessage(size);
  }
  await db.close();
}
