import { sql } from "drizzle-orm";
import type { Clock } from "../../base/clock.ts";
import { type Queryable, rowsOf } from "../../db/client.ts";
import { EmbeddingError } from "./embedding-error.ts";
import type { EmbeddingAnswer, EmbeddingEndpoint } from "./endpoint.ts";

/** Who asks: entries leave a part of each day's tokens to the queries of searches. */
export type EmbeddingPurpose = "entries" | "queries";

/** An endpoint whose tokens are counted. */
export interface BudgetedEndpoint extends Omit<EmbeddingEndpoint, "embed"> {
  /** As the endpoint's. Throws EmbeddingError, `budget-used-up` included. */
  embed(texts: readonly string[], options: { msMax: number; purpose: EmbeddingPurpose }): Promise<EmbeddingAnswer>;
}

/** The share of a day's tokens that entries may use. */
const entriesShare = 0.9;
/** Characters of English that make a token, about; other languages have fewer, so the estimate is on the safe side. */
const charactersPerToken = 3;

const dayMs = 24 * 60 * 60 * 1000;

/**
 * Bounds what `endpoint` may cost: at most `tokensPerDay` (0: without a bound) a day in UTC, counted in the database
 * for all nodes together. Tokens are taken by an estimate before the request, so that requests at once cannot overdraw,
 * and set right by what the endpoint says. A request that may have been paid for counts, whatever became of it.
 */
export function withTokenBudget(
  endpoint: EmbeddingEndpoint,
  deps: { db: Queryable; clock: Clock; tokensPerDay: number },
): BudgetedEndpoint {
  const { db, clock, tokensPerDay } = deps;
  return {
    model: endpoint.model,
    async embed(texts, { msMax, purpose }) {
      const now = clock.now();
      const day = now.toISOString().slice(0, 10);
      const estimate = estimateOf(texts);
      await take(estimate, purpose, day, now);
      try {
        const answer = await endpoint.embed(texts, { msMax });
        await correct(day, (answer.tokens ?? estimate) - estimate);
        return answer;
      } catch (error) {
        if (!(error instanceof EmbeddingError) || !error.mayHaveCost) await correct(day, -estimate);
        throw error;
      }
    },
    close: () => endpoint.close(),
  };

  async function take(tokens: number, purpose: EmbeddingPurpose, day: string, now: Date): Promise<void> {
    const most = Math.floor(tokensPerDay * (purpose === "entries" ? entriesShare : 1));
    const isBounded = tokensPerDay > 0;
    const taken = await rowsOf(
      db,
      sql`insert into embedding_usage (day, tokens)
          select ${day}::date, ${tokens}::bigint where not ${isBounded}::boolean or ${tokens}::bigint <= ${most}::bigint
          on conflict (day) do update set tokens = embedding_usage.tokens + excluded.tokens
          where not ${isBounded}::boolean or embedding_usage.tokens + excluded.tokens <= ${most}::bigint
          returning tokens`,
    );
    if (taken.length > 0) return;
    throw new EmbeddingError("budget-used-up", `The ${tokensPerDay} tokens of this day are used up`, {
      retryAfterMs: dayMs - (now.getTime() % dayMs),
    });
  }

  async function correct(day: string, difference: number): Promise<void> {
    if (difference === 0) return;
    await db.execute(
      sql`update embedding_usage set tokens = greatest(0, tokens + ${difference}::bigint) where day = ${day}::date`,
    );
  }
}

function estimateOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Math.ceil(text.length / charactersPerToken), 0);
}
