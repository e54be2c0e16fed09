import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { movableClock } from "../../../test/support/clock.ts";
import {
  answerJson,
  answerWith,
  type EmbeddingServer,
  failWith,
  hang,
  type Misbehaviour,
  startEmbeddingServer,
} from "../../../test/support/embedding-server.ts";
import { limits } from "../../base/limits.ts";
import { EmbeddingError } from "./embedding-error.ts";
import { createEmbeddingEndpoint, type EmbeddingEndpoint } from "./endpoint.ts";

const apiKey = "sk-secret-0123456789";
const clock = movableClock(new Date("2026-11-21T12:00:00Z"));
let server: EmbeddingServer;
let endpoint: EmbeddingEndpoint;

beforeEach(async () => {
  server = await startEmbeddingServer();
  endpoint = createEmbeddingEndpoint({ url: server.url, model: "bags", apiKey, clock });
});
afterEach(async () => {
  await endpoint.close();
  await server[Symbol.asyncDispose]();
});

const embed = (texts = ["a", "b"], msMax = 5_000) => endpoint.embed(texts, { msMax });

async function failure(misbehave: Misbehaviour, msMax = 5_000): Promise<EmbeddingError> {
  server.next.push(misbehave);
  const error: unknown = await embed(["a", "b"], msMax).then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(EmbeddingError);
  return error as EmbeddingError;
}

describe("a request", () => {
  test("is what the API of OpenAI asks for, and carries the key", async () => {
    await embed(["a", "b"]);
    expect(server.requests[0]).toMatchObject({
      path: "/v1/embeddings",
      headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
      body: { model: "bags", input: ["a", "b"] },
    });
  });

  test("carries no key where there is none", async () => {
    const open = createEmbeddingEndpoint({ url: `${server.url}/`, model: "bags", apiKey: null, clock });
    await open.embed(["a"], { msMax: 5_000 });
    await open.close();
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
    expect(server.requests[0]?.path).toBe("/v1/embeddings");
  });

  test("does not follow a redirect, which could lead the key elsewhere", async () => {
    await using other = await startEmbeddingServer();
    const error = await failure((response) => {
      response.writeHead(307, { location: `${other.url}/embeddings` }).end();
    });
    expect(error.kind).toBe("misconfigured");
    expect(other.requests).toEqual([]);
  });
});

describe("an answer", () => {
  test("has vectors of length 1 in the order of the texts, and the tokens", async () => {
    server.next.push((response) => {
      answerJson(response, {
        data: [
          { index: 1, embedding: [0, 5] },
          { index: 0, embedding: [3, 4] },
        ],
        usage: { prompt_tokens: 7, total_tokens: 7 },
      });
    });
    expect(await embed()).toEqual({ vectors: [[0.6, 0.8].map((value) => expect.closeTo(value)), [0, 1]], tokens: 7 });
  });

  test("without usage says nothing of tokens", async () => {
    server.next.push((response) => answerWith(response, [[1], [1]], null));
    expect((await embed()).tokens).toBeNull();
  });

  test.each<[string, Misbehaviour]>([
    ["too few vectors", (response) => answerWith(response, [[1, 0]])],
    ["too many vectors", (response) => answerWith(response, [[1], [1], [1]])],
    ["vectors of different dimensions", (response) => answerWith(response, [[1, 0], [1]])],
    ["an empty vector", (response) => answerWith(response, [[], []])],
    [
      "a zero vector, which has no direction",
      (response) =>
        answerWith(response, [
          [0, 0],
          [1, 0],
        ]),
    ],
    [
      "the same index twice",
      (response) => answerJson(response, { data: [0, 0].map((index) => ({ index, embedding: [1] })) }),
    ],
    [
      "an index that is no text's",
      (response) => answerJson(response, { data: [0, 2].map((index) => ({ index, embedding: [1] })) }),
    ],
    ["NaN", (response) => response.writeHead(200).end('{"data":[{"index":0,"embedding":[NaN]}]}')],
    [
      "a number beyond all bounds",
      (response) =>
        response.writeHead(200).end('{"data":[{"index":0,"embedding":[1e999]},{"index":1,"embedding":[1]}]}'),
    ],
    [
      "null for a number",
      (response) =>
        response.writeHead(200).end('{"data":[{"index":0,"embedding":[null]},{"index":1,"embedding":[1]}]}'),
    ],
    [
      "text for a vector",
      (response) => answerJson(response, { data: [0, 1].map((index) => ({ index, embedding: "AAAA" })) }),
    ],
    ["no JSON", (response) => response.writeHead(200).end("<html>")],
    [
      "a vector of more dimensions than can be stored",
      (response) =>
        answerWith(
          response,
          [0, 1].map(() => Array.from({ length: limits.embeddingDimensionsMax + 1 }, () => 1)),
        ),
    ],
  ])("with %s is not used", async (_fault, misbehave) => {
    expect(await failure(misbehave)).toMatchObject({ kind: "bad-answer", mayHaveCost: true });
  });

  test("of more bytes than are allowed is broken off", async () => {
    let sent = 0;
    const error = await failure((response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const chunk = Buffer.alloc(1024 * 1024, " ");
      const send = () => {
        if (response.destroyed || sent > 4 * limits.embeddingAnswerBytesMax) return;
        sent += chunk.length;
        response.write(chunk, send);
      };
      send();
    });
    expect(error.kind).toBe("bad-answer");
    expect(error.message).toContain("more than");
    expect(sent).toBeLessThan(2 * limits.embeddingAnswerBytesMax);
  });
});

describe("a failure", () => {
  test.each([
    [429, "unavailable"],
    [500, "unavailable"],
    [503, "unavailable"],
    [400, "text-refused"],
    [413, "text-refused"],
    [422, "text-refused"],
    [401, "misconfigured"],
    [404, "misconfigured"],
  ])("with status %i is %s", async (status, kind) => {
    expect(await failure(failWith(status, "so it is"))).toMatchObject({ kind, mayHaveCost: false });
  });

  test.each([
    ["30", 30_000],
    ["Sat, 21 Nov 2026 12:02:00 GMT", 120_000],
    ["Sat, 21 Nov 2026 11:00:00 GMT", 0],
    ["99999999", limits.embeddingRetryMsMax],
    ["soon", null],
  ])("says with Retry-After: %s when to come back", async (value, retryAfterMs) => {
    expect(await failure(failWith(429, "slow down", { "retry-after": value }))).toMatchObject({ retryAfterMs });
  });

  test("for want of an answer may have cost something", async () => {
    expect(await failure(hang, 50)).toMatchObject({ kind: "unavailable", mayHaveCost: true });
  });

  test("of the connection costs nothing", async () => {
    await server[Symbol.asyncDispose]();
    expect(await embed().catch((error: unknown) => error)).toMatchObject({ kind: "unavailable", mayHaveCost: false });
  });

  test("gives the endpoint's reason, without the key, however it is repeated", async () => {
    const shown = await failure(failWith(400, `${apiKey} asks for\u001b[31m too much`));
    expect(shown.message).toContain("asks for");
    expect(shown.message).not.toContain(apiKey);
    expect(shown.message).not.toContain("\u001b");
    const refused = await failure(failWith(401, "Incorrect API key provided: sk-secr*****6789"));
    expect(refused.message).not.toContain("sk-secr");
    expect(refused.message).toContain("EMBEDDINGS_API_KEY");
  });
});
