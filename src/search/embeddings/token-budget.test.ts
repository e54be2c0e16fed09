import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sql } from "drizzle-orm";
import { movableClock, type MovableClock } from "../../../test/support/clock.ts";
import { createTestDatabase, emptyTables } from "../../../test/support/database.ts";
import { type Database, rowsOf } from "../../db/client.ts";
import { EmbeddingError } from "./embedding-error.ts";
import type { EmbeddingEndpoint } from "./endpoint.ts";
import { withTokenBudget } from "./token-budget.ts";

let db: Database;
let clock: MovableClock;
beforeAll(async () => {
  db = await createTestDatabase();
});
beforeEach(async () => {
  await emptyTables(db);
  clock = movableClock(new Date("2026-11-21T18:00:00Z"));
});
afterAll(() => db.close());

/** An endpoint that says how many tokens it took, or fails. */
function endpointOf(answer: number | null | EmbeddingError): EmbeddingEndpoint & { asked: number } {
  return {
    model: "m",
    asked: 0,
    async embed(texts) {
      this.asked += 1;
      if (answer instanceof EmbeddingError) throw answer;
      return { vectors: texts.map(() => [1]), tokens: answer };
    },
    close: async () => {},
  };
}

async function spent(): Promise<Record<string, number>> {
  const rows = await rowsOf<{ day: string; tokens: number }>(
    db.orm,
    sql`select day::text as day, tokens::float8 as tokens from embedding_usage`,
  );
  return Object.fromEntries(rows.map(({ day, tokens }) => [day, tokens]));
}

const budgeted = (endpoint: EmbeddingEndpoint, tokensPerDay: number) =>
  withTokenBudget(endpoint, { db: db.orm, clock, tokensPerDay });
const queries = { msMax: 1_000, purpose: "queries" } as const;
const entries = { msMax: 1_000, purpose: "entries" } as const;
const thirty = "x".repeat(90);

describe("tokens of a day", () => {
  test("are counted as the endpoint says, and estimated where it does not", async () => {
    await budgeted(endpointOf(12), 1_000).embed([thirty], queries);
    expect(await spent()).toEqual({ "2026-11-21": 12 });
    await budgeted(endpointOf(null), 1_000).embed([thirty, thirty], queries);
    expect(await spent()).toEqual({ "2026-11-21": 72 });
  });

  test("that are used up leave no request, until the next day in UTC", async () => {
    const endpoint = endpointOf(null);
    const budget = budgeted(endpoint, 60);
    await budget.embed([thirty, thirty], queries);
    const refused = await budget.embed(["x"], queries).catch((error: unknown) => error);
    expect(refused).toMatchObject({ kind: "budget-used-up", retryAfterMs: 6 * 60 * 60 * 1000 });
    expect(endpoint.asked).toBe(1);
    clock.pass(6 * 60 * 60 * 1000);
    await budget.embed(["x"], queries);
    expect(await spent()).toEqual({ "2026-11-21": 60, "2026-11-22": 1 });
  });

  test("are the same for all nodes, and after a restart", async () => {
    await budgeted(endpointOf(null), 60).embed([thirty], queries);
    await expect(budgeted(endpointOf(null), 60).embed([thirty, "x"], queries)).rejects.toThrow("used up");
  });

  test("are not overdrawn by requests at once", async () => {
    const endpoint = endpointOf(null);
    const budget = budgeted(endpoint, 100);
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => budget.embed([thirty], queries)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    expect(endpoint.asked).toBe(3);
  });

  test("leave a tenth to queries", async () => {
    const budget = budgeted(endpointOf(null), 100);
    await budget.embed([thirty, thirty, thirty], entries);
    await expect(budget.embed(["x"], entries)).rejects.toThrow("used up");
    await budget.embed(["x".repeat(30)], queries);
    expect(await spent()).toEqual({ "2026-11-21": 100 });
  });

  test("are without a bound at 0", async () => {
    await budgeted(endpointOf(10_000_000), 0).embed([thirty], entries);
    await budgeted(endpointOf(10_000_000), 0).embed([thirty], entries);
    expect(await spent()).toEqual({ "2026-11-21": 20_000_000 });
  });

  test("count where a request may have been paid for without an answer, and else do not", async () => {
    const late = new EmbeddingError("unavailable", "late", { mayHaveCost: true });
    await expect(budgeted(endpointOf(late), 100).embed([thirty], queries)).rejects.toBe(late);
    expect(await spent()).toEqual({ "2026-11-21": 30 });
    const refused = new EmbeddingError("unavailable", "refused");
    await expect(budgeted(endpointOf(refused), 100).embed([thirty], queries)).rejects.toBe(refused);
    expect(await spent()).toEqual({ "2026-11-21": 30 });
  });
});
