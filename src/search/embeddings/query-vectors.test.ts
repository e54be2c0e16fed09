import { beforeEach, describe, expect, test } from "vitest";
import { movableClock, type MovableClock } from "../../../test/support/clock.ts";
import { limits } from "../../base/limits.ts";
import { EmbeddingError } from "./embedding-error.ts";
import type { EmbeddingAnswer } from "./endpoint.ts";
import { createQueryVectors } from "./query-vectors.ts";
import type { BudgetedEndpoint } from "./token-budget.ts";

let clock: MovableClock;
let asked: string[];
let answer: () => Promise<EmbeddingAnswer>;
beforeEach(() => {
  clock = movableClock();
  asked = [];
  answer = async () => ({ vectors: [[1, 0]], tokens: 1 });
});

const endpoint: BudgetedEndpoint = {
  model: "m",
  embed(texts) {
    asked.push(...texts);
    return answer();
  },
  close: async () => {},
};
const queriesOf = (waitMsMax = 10_000) => createQueryVectors({ endpoint, clock, waitMsMax });
const fails = async (): Promise<EmbeddingAnswer> => {
  throw new EmbeddingError("unavailable", "down");
};

describe("the vector of a query", () => {
  test("is asked for once, also by searches at once", async () => {
    const queries = queriesOf();
    const both = await Promise.all([queries.vectorOf("some words"), queries.vectorOf("  some\nwords ")]);
    expect(both).toEqual([
      [1, 0],
      [1, 0],
    ]);
    expect(await queries.vectorOf("some words")).toEqual([1, 0]);
    expect(asked).toEqual(["some words"]);
  });

  test("of long queries is that of their beginning", async () => {
    await queriesOf().vectorOf("word ".repeat(10_000));
    expect(asked[0]?.length).toBeLessThanOrEqual(limits.queryEmbeddingCharactersMax);
  });

  test("is nothing where there is no word that can be seen", async () => {
    expect(await queriesOf().vectorOf(" \u200b ")).toBeNull();
    expect(asked).toEqual([]);
  });

  test("does without an endpoint that fails, which is asked again after ever longer pauses", async () => {
    const queries = queriesOf();
    answer = fails;
    expect(await queries.vectorOf("a")).toBeNull();
    clock.pass(limits.queryEmbeddingPauseMsMin - 1);
    expect(await queries.vectorOf("a")).toBeNull();
    expect(asked).toHaveLength(1);
    clock.pass(1);
    await queries.vectorOf("a");
    expect(asked).toHaveLength(2);
    clock.pass(limits.queryEmbeddingPauseMsMin);
    await queries.vectorOf("a");
    expect(asked).toHaveLength(2);
    clock.pass(limits.queryEmbeddingPauseMsMin);
    answer = async () => ({ vectors: [[0, 1]], tokens: 1 });
    expect(await queries.vectorOf("a")).toEqual([0, 1]);
    expect(await queries.vectorOf("b")).toEqual([0, 1]);
  });

  test("is known during a pause, if it was known before", async () => {
    const queries = queriesOf();
    await queries.vectorOf("known");
    answer = fails;
    await queries.vectorOf("other");
    expect(await queries.vectorOf("known")).toEqual([1, 0]);
  });

  test("is not asked for before the endpoint, or the day's budget, allows it", async () => {
    const queries = queriesOf();
    answer = async () => {
      throw new EmbeddingError("budget-used-up", "over", { retryAfterMs: 3_600_000 });
    };
    await queries.vectorOf("a");
    clock.pass(3_599_999);
    await queries.vectorOf("a");
    expect(asked).toHaveLength(1);
    clock.pass(1);
    await queries.vectorOf("a");
    expect(asked).toHaveLength(2);
  });

  test("that comes late is not waited for, and is there for the next search", async () => {
    const queries = queriesOf(1);
    const late = Promise.withResolvers<EmbeddingAnswer>();
    answer = () => late.promise;
    expect(await queries.vectorOf("slow")).toBeNull();
    late.resolve({ vectors: [[0, 1]], tokens: 1 });
    await late.promise;
    await expect.poll(() => queries.vectorOf("slow")).toEqual([0, 1]);
    expect(asked).toEqual(["slow"]);
  });

  test("is asked for by a bounded number of searches at once", async () => {
    const queries = queriesOf();
    const held = Promise.withResolvers<EmbeddingAnswer>();
    answer = () => held.promise;
    const all = Array.from({ length: 40 }, (_, at) => queries.vectorOf(`query ${at}`));
    expect(asked).toHaveLength(16);
    held.resolve({ vectors: [[1]], tokens: 1 });
    expect((await Promise.all(all)).filter((vector) => vector !== null)).toHaveLength(16);
  });
});
