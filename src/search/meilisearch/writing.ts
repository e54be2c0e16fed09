import type { Meilisearch } from "meilisearch";
import { loggerOf } from "../../base/log.ts";
import type { SearchChange } from "../port.ts";
import { finished, isRefused } from "./client.ts";
import { type IndexedDocument, indexedDocumentOf } from "./documents.ts";

/** Bytes of JSON that one request takes to the server, which accepts 100 MB at most. */
const requestBytesMax = 8 * 1024 * 1024;

const log = () => loggerOf("search", "meilisearch");

/**
 * Brings the index up to date, and returns when the server has done so. What the server refuses for good is left out and
 * logged, since one document must not keep all others from being found. Throws where the server cannot do it now; all of
 * it can then be done again.
 */
export async function writeChanges(
  client: Meilisearch,
  uid: string,
  changes: SearchChange[],
  signal?: AbortSignal,
): Promise<void> {
  const latest = new Map(changes.map((change) => [change.key, change.document]));
  const removed = [...latest].flatMap(([key, document]) => (document === null ? [key] : []));
  const documents = [...latest.values()].flatMap((document) =>
    document === null ? [] : [indexedDocumentOf(document)],
  );
  if (removed.length > 0) {
    signal?.throwIfAborted();
    await finished(client, client.index(uid).deleteDocuments(removed), signal);
  }
  for (const chunk of chunksOf(documents)) await add(client, uid, chunk, signal);
}

/** Adds what the server takes: of a refused request each half is sent again, down to the documents at fault. */
async function add(
  client: Meilisearch,
  uid: string,
  documents: IndexedDocument[],
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  try {
    await finished(client, client.index(uid).addDocuments(documents, { primaryKey: "key" }), signal);
  } catch (error) {
    if (!isRefused(error)) throw error;
    if (documents.length === 1) {
      log().error("the entry {key} cannot be found by its words: {error}", { key: documents[0]?.key, error });
      // What was there of it would be out of date.
      await finished(client, client.index(uid).deleteDocuments(documents.map(({ key }) => key)), signal);
      return;
    }
    const half = Math.ceil(documents.length / 2);
    await add(client, uid, documents.slice(0, half), signal);
    await add(client, uid, documents.slice(half), signal);
  }
}

function chunksOf(documents: IndexedDocument[]): IndexedDocument[][] {
  const chunks: IndexedDocument[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const document of documents) {
    const size = Buffer.byteLength(JSON.stringify(document));
    if (bytes + size > requestBytesMax) {
      chunks.push([]);
      bytes = 0;
    }
    chunks.at(-1)?.push(document);
    bytes += size;
  }
  return chunks;
}
