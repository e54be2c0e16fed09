import { type Dispatcher, Pool } from "undici";
import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import { limits } from "../../base/limits.ts";
import { snippetOf } from "../../base/shown-text.ts";
import { EmbeddingError } from "./embedding-error.ts";

/** Turns texts into vectors. */
export interface EmbeddingEndpoint {
  readonly model: string;
  /**
   * The vectors of `texts`, in their order, and the tokens that they cost; null where the endpoint does not say. At most
   * `limits.embeddingTextsPerRequestMax` texts, none of them empty. Asks once. Throws EmbeddingError.
   */
  embed(texts: readonly string[], options: { msMax: number }): Promise<EmbeddingAnswer>;
  /** Breaks off what is under way. */
  close(): Promise<void>;
}

export interface EmbeddingAnswer {
  vectors: number[][];
  tokens: number | null;
}

export interface EndpointOptions {
  /** Base URL of the API; `/embeddings` is added to its path. */
  url: string;
  model: string;
  apiKey: string | null;
  clock: Clock;
}

/** Requests under way at once; a server of one's own computes one after the other anyway. */
const connectionsMax = 4;
const headerBytesMax = 16 * 1024;
/** Bytes of an answer that is no success of which a message is read. */
const errorBytesMax = 16 * 1024;

const usageSchema = z.object({ total_tokens: z.int().min(0).max(1_000_000_000) });
const answerSchema = z.object({
  data: z.array(
    z.object({
      index: z.int().min(0),
      // zod's numbers are finite.
      embedding: z.array(z.number()).min(1).max(limits.embeddingDimensionsMax),
    }),
  ),
  usage: z.unknown().optional(),
});

/**
 * A client for `POST {url}/embeddings` as OpenAI defined it and as Ollama, vLLM, LM Studio and others have it.
 *
 * It does not go through `Egress`, which refuses private addresses, plain HTTP and unusual ports because strangers choose
 * where it goes. Here the operator does, as with the database, and most often it is a process of the same machine.
 * Redirects are not followed, so that the key goes nowhere else, and the answer is bounded.
 */
export function createEmbeddingEndpoint({ url, model, apiKey, clock }: EndpointOptions): EmbeddingEndpoint {
  const target = new URL(`${url.replace(/\/+$/, "")}/embeddings`);
  const pool = new Pool(target.origin, { connections: connectionsMax, pipelining: 1, maxHeaderSize: headerBytesMax });
  const headers: Record<string, string> = {
    "user-agent": "thingstead",
    "content-type": "application/json",
    accept: "application/json",
    "accept-encoding": "identity",
    ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
  };
  return {
    model,
    async embed(texts, { msMax }) {
      const signal = AbortSignal.timeout(msMax);
      try {
        const answer = await pool.request({
          method: "POST",
          path: target.pathname + target.search,
          headers,
          body: JSON.stringify({ model, input: texts }),
          headersTimeout: msMax,
          bodyTimeout: msMax,
          signal,
        });
        // Without a listener, an error that comes while the body is being given up would end the process.
        answer.body.on("error", () => {});
        if (answer.statusCode === 200) return readAnswer(await readBody(answer.body), texts.length);
        throw await failureOf(answer);
      } catch (error) {
        throw asEmbeddingError(error);
      }
    },
    close: () => pool.destroy(),
  };

  async function failureOf({ statusCode, headers: answered, body }: Dispatcher.ResponseData): Promise<EmbeddingError> {
    const said = await readBody(body, errorBytesMax).catch(() => "");
    const message = `${target.host} answers with status ${statusCode}`;
    if ([400, 413, 422].includes(statusCode)) {
      return new EmbeddingError("text-refused", `${message}${reasonOf(said)}.`);
    }
    if ([408, 425, 429].includes(statusCode) || statusCode >= 500) {
      const retryAfterMs = retryAfterOf(answered["retry-after"], clock.now());
      return new EmbeddingError("unavailable", `${message}${reasonOf(said)}.`, { retryAfterMs });
    }
    // What it says of a wrong key may quote the key.
    const reason = [401, 403].includes(statusCode) ? "" : reasonOf(said);
    const mend = "check EMBEDDINGS_URL, EMBEDDINGS_MODEL and EMBEDDINGS_API_KEY";
    return new EmbeddingError("misconfigured", `${message}${reason}; ${mend}.`);
  }

  /** What the endpoint gives for a reason, as OpenAI or Ollama write it; without the key, if it repeats it. */
  function reasonOf(said: string): string {
    const read = z.object({ error: z.union([z.string(), z.object({ message: z.string() })]) }).safeParse(jsonOf(said));
    if (!read.success) return "";
    const { error } = read.data;
    const text = typeof error === "string" ? error : error.message;
    const safe = apiKey === null ? text : text.replaceAll(apiKey, "…");
    return `: ${snippetOf(safe, limits.snippetTitleCharactersMax)}`;
  }

  function asEmbeddingError(error: unknown): EmbeddingError {
    if (error instanceof EmbeddingError) return error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const isLate = (error instanceof Error && error.name === "TimeoutError") || /TIMEOUT|TIMEDOUT/.test(code);
    const message = isLate ? `${target.host} did not answer in time.` : `${target.host} cannot be reached.`;
    const mayHaveCost = !/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|CONNECT_TIMEOUT/.test(code);
    return new EmbeddingError("unavailable", message, { mayHaveCost, cause: error });
  }
}

async function readBody(stream: Dispatcher.ResponseData["body"], bytesMax: number = limits.embeddingAnswerBytesMax) {
  try {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw badAnswer(`it has more than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, bytes).toString("utf8");
  } finally {
    stream.destroy();
  }
}

/** The answer to `count` texts. Throws EmbeddingError (`bad-answer`) unless it is what the API promises. */
function readAnswer(body: string, count: number): EmbeddingAnswer {
  const read = answerSchema.safeParse(jsonOf(body));
  if (!read.success) {
    const [issue] = read.error.issues;
    throw badAnswer(`${issue?.path.join(".") || "the body"}: ${issue?.message ?? "is not as expected"}`);
  }
  const { data, usage } = read.data;
  if (data.length !== count) throw badAnswer(`it has ${data.length} vectors for ${count} texts`);
  const vectors: number[][] = [];
  for (const { index, embedding } of data) {
    if (index >= count || vectors[index] !== undefined) throw badAnswer(`its indexes are not 0 to ${count - 1}`);
    vectors[index] = unitVectorOf(embedding);
  }
  const dimension = vectors[0]?.length;
  if (vectors.some(({ length }) => length !== dimension)) throw badAnswer("its vectors differ in length");
  const counted = usageSchema.safeParse(usage);
  return { vectors, tokens: counted.success ? counted.data.total_tokens : null };
}

/** The vector of length 1 in the same direction: all that similarity looks at. */
function unitVectorOf(vector: number[]): number[] {
  // The largest first, so that squares neither overflow nor vanish.
  const largest = vector.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (largest === 0) throw badAnswer("a vector is zero in all dimensions");
  const scaled = vector.map((value) => value / largest);
  const length = Math.sqrt(scaled.reduce((sum, value) => sum + value * value, 0));
  return scaled.map((value) => value / length);
}

function badAnswer(fault: string): EmbeddingError {
  return new EmbeddingError("bad-answer", `The answer with embeddings cannot be used: ${fault}.`, {
    mayHaveCost: true,
  });
}

/** Milliseconds (RFC 9110 §10.2.3); null where the header says nothing. */
function retryAfterOf(header: string | string[] | undefined, now: Date): number | null {
  const value = [header].flat()[0];
  if (value === undefined) return null;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now.getTime();
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), limits.embeddingRetryMsMax);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
