import { type SQL, sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";

/**
 * `search_samples` holds every 13th entry by its sequence number; every 169th and every 2197th of them have indexes of their
 * own. Nobody chooses the sequence number of an entry; and since the steps are powers of a prime, no rhythm in which numbers
 * are used up, two or three an entry, keeps entries out.
 */
export const sampleSteps = [2197, 169, 13] as const;
export type SampleStep = (typeof sampleSteps)[number];

/** The step of the whole sample. */
export const finestStep = 13;

/** The sample as `e`, and the condition that makes it the sample of `step`; written so that the index of that step is used. */
export function sampleOf(step: SampleStep): { source: SQL; condition: SQL } {
  return {
    source: sql`search_samples e`,
    condition: step === finestStep ? sql`true` : sql`e.sequence % ${sql.raw(String(step))} = 0`,
  };
}

/** Entries of a sample that are enough for an estimate. */
export const sampledMin = 1_000;

/** About how many of all entries, which are `all`, fulfil `matches`, a condition on an entry `e`. */
export async function estimateMatches(db: Queryable, matches: SQL, all: number): Promise<number> {
  const step = sampleSteps.find((one) => all / one >= sampledMin) ?? finestStep;
  const { source, condition } = sampleOf(step);
  const [row] = await rowsOf<{ found: number }>(
    db,
    sql`select count(*)::integer as found from ${source} where ${matches} and ${condition}`,
  );
  return (row?.found ?? 0) * step;
}
