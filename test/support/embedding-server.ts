import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { analyse } from "../../src/search/analyser.ts";

/** How the server answers in place of what is right. */
export type Misbehaviour = (response: ServerResponse, texts: string[]) => void;

/** A server on a loopback address that speaks the embeddings API of OpenAI. */
export interface EmbeddingServer extends AsyncDisposable {
  /** Base URL. */
  readonly url: string;
  /** The requests so far, with the texts of each. */
  readonly requests: { path: string; headers: IncomingMessage["headers"]; body: { model: string; input: string[] } }[];
  /** What it does to the next requests, one each, and then `always`. */
  readonly next: Misbehaviour[];
  always: Misbehaviour | null;
  /** Numbers of each vector. */
  dimension: number;
  /** All texts that were sent. */
  texts(): string[];
}

/** Words that mean the same to the server. */
const synonyms: Record<string, string> = {
  climate: "weather",
  forecast: "weather",
  rain: "weather",
  espresso: "coffee",
  cappuccino: "coffee",
  invoice: "bill",
  automobile: "car",
};

/** Starts one. Its vectors are bags of words, so that texts are near each other which share words or synonyms. */
export async function startEmbeddingServer(): Promise<EmbeddingServer> {
  const requests: EmbeddingServer["requests"] = [];
  const state = { always: null as Misbehaviour | null, dimension: 64 };
  const next: Misbehaviour[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { model: string; input: string[] };
      requests.push({ path: request.url ?? "", headers: request.headers, body });
      const misbehave = next.shift() ?? state.always;
      if (misbehave === null)
        answerWith(
          response,
          body.input.map((text) => bagOf(text, state.dimension)),
        );
      else misbehave(response, body.input);
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    next,
    get always() {
      return state.always;
    },
    set always(misbehave) {
      state.always = misbehave;
    },
    get dimension() {
      return state.dimension;
    },
    set dimension(dimension) {
      state.dimension = dimension;
    },
    texts: () => requests.flatMap(({ body }) => body.input),
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

/** An answer as it should be; `tokens` null: without `usage`. */
export function answerWith(
  response: ServerResponse,
  vectors: number[][],
  tokens: number | null = vectors.length,
): void {
  const data = vectors.map((embedding, index) => ({ object: "embedding", index, embedding }));
  answerJson(response, { object: "list", data, ...(tokens === null ? {} : { usage: { total_tokens: tokens } }) });
}

export function answerJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Answers with a status, and a message as OpenAI writes it. */
export function failWith(status: number, message: string, headers: Record<string, string> = {}): Misbehaviour {
  return (response) => {
    response
      .writeHead(status, { "content-type": "application/json", ...headers })
      .end(JSON.stringify({ error: { message } }));
  };
}

/** Never answers. */
export const hang: Misbehaviour = () => {};

/** The vector that the server has for `text`. */
export function bagOf(text: string, dimension: number): number[] {
  const vector: number[] = Array.from({ length: dimension }, () => 0);
  for (const { plain } of analyse(text, null)) {
    const word = synonyms[plain] ?? plain;
    let hash = 2_166_136_261;
    for (let index = 0; index < word.length; index += 1) hash = Math.imul(hash ^ word.charCodeAt(index), 16_777_619);
    const place = (hash >>> 0) % dimension;
    vector[place] = (vector[place] ?? 0) + 1;
  }
  // A text without words has a vector as well.
  if (!vector.some((value) => value !== 0)) vector[0] = 1e-3;
  return vector;
}
