import type { EntryKey } from "../../base/ids.ts";
import { limits } from "../../base/limits.ts";
import { loggerOf } from "../../base/log.ts";
import { shortened } from "../../base/shown-text.ts";
import { EmbeddingError } from "./embedding-error.ts";
import { type EmbeddedFacts, type EntryText, entryTextsOf } from "./entry-texts.ts";
import type { BudgetedEndpoint } from "./token-budget.ts";
import type { VectorStore } from "./vector-store.ts";

/** An entry as it is now; null where it is not to be found any more. */
export interface EmbeddingChange {
  key: EntryKey;
  facts: EmbeddedFacts | null;
}

/** A text of fewer characters is not shortened any more when the endpoint refuses it. */
const refusedCharactersMin = 500;
/** What every model embeds. */
const harmlessText = "weather forecast";

/**
 * Brings the vectors of entries up to date: asks `endpoint` for those of new texts only, stores each answer at once, so
 * that nothing is paid for twice when a later one fails, and deletes those of texts that are gone. Idempotent. A text
 * that the endpoint refuses is shortened, and at last left out. Must not be called within a transaction, since it asks
 * the network. Throws EmbeddingError, or the reason of `signal`, after which nothing is written.
 */
export async function updateEntryVectors(
  changes: readonly EmbeddingChange[],
  deps: { endpoint: BudgetedEndpoint; store: VectorStore; signal: AbortSignal },
): Promise<void> {
  const { endpoint, store, signal } = deps;
  const texts = new Map(changes.map(({ key, facts }) => [key, facts === null ? [] : entryTextsOf(facts)]));
  const stored = await store.digestsOf([...texts.keys()]);
  const missing = [...texts].flatMap(([key, all]) =>
    all.filter(({ digest }) => stored.get(key)?.has(digest) !== true).map((text) => ({ key, ...text })),
  );
  for (const request of requestsOf(missing)) {
    const vectors = await embedAll(
      request.map(({ text }) => text),
      endpoint,
    );
    signal.throwIfAborted();
    await store.add(
      request.flatMap(({ key, digest, affordance }, index) => {
        const vector = vectors[index];
        return vector == null ? [] : [{ key, digest, affordance, vector }];
      }),
    );
  }
  signal.throwIfAborted();
  await store.retain(new Map([...texts].map(([key, all]) => [key, all.map(({ digest }) => digest)])));
}

/** `texts` in groups that fit into a request each. */
function requestsOf<Text extends EntryText>(texts: readonly Text[]): Text[][] {
  const requests: Text[][] = [];
  let characters = 0;
  for (const text of texts) {
    characters += text.text.length;
    const last = requests.at(-1);
    const fits =
      last !== undefined &&
      last.length < limits.embeddingTextsPerRequestMax &&
      characters <= limits.embeddingRequestCharactersMax;
    if (fits) {
      last.push(text);
    } else {
      requests.push([text]);
      characters = text.text.length;
    }
  }
  return requests;
}

/** The vectors of `texts`; null for one that the endpoint refuses. */
async function embedAll(texts: readonly string[], endpoint: BudgetedEndpoint): Promise<(number[] | null)[]> {
  try {
    return (await embed(texts)).vectors;
  } catch (error) {
    if (!(error instanceof EmbeddingError) || error.kind !== "text-refused") throw error;
    const [first = ""] = texts;
    if (texts.length > 1) {
      const half = Math.ceil(texts.length / 2);
      return [...(await embedAll(texts.slice(0, half), endpoint)), ...(await embedAll(texts.slice(half), endpoint))];
    }
    if (first.length > refusedCharactersMin) {
      return embedAll([shortened(first, Math.ceil(first.length / 2))], endpoint);
    }
    // Refusing everything is another matter than refusing this text: then nothing must be taken for done.
    await embed([harmlessText]).catch((cause: unknown) => {
      if (!(cause instanceof EmbeddingError) || cause.kind !== "text-refused") throw cause;
      const message = `${cause.message} It refuses every text: check EMBEDDINGS_MODEL`;
      throw new EmbeddingError("misconfigured", message, { cause });
    });
    loggerOf("embeddings").warning("a text was left out: {error}", { error });
    return [null];
  }

  function embed(some: readonly string[]) {
    return endpoint.embed(some, { msMax: limits.embeddingMsMax, purpose: "entries" });
  }
}
