import { asc, inArray, lte, sql } from "drizzle-orm";
import { type Did, digestOf } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import { requestNonces } from "../db/schema/index.ts";
import type { RequestSignature } from "./http-signature.ts";

/**
 * Which signed requests were received, so that each counts once: at every node on the database, and after a restart as
 * well. A nonce is kept until its request is refused for its age, and for `limits.requestNonceMarginMs` more, since the
 * clocks of nodes differ.
 */
export interface RequestNonces {
  /**
   * Records a request whose signature holds; to be called before anything is done for it. Deletes some of the expired
   * nonces on the way, more than the one that it adds.
   *
   * Throws `request-replayed` if it was recorded before, `too-many-requests` if the controller has
   * `limits.requestNoncesPerControllerMax` live ones. Requests that come at the very same moment may exceed that bound.
   */
  record(signature: Pick<RequestSignature, "controller" | "nonce" | "created">, now: Date): Promise<void>;
  /** Deletes expired nonces, at most `limits.requestNoncesDeletedMax`. */
  deleteExpired(now: Date): Promise<void>;
}

export function createRequestNonces(db: Queryable): RequestNonces {
  async function deleteExpired(now: Date): Promise<void> {
    const expired = db
      .select({ key: requestNonces.key })
      .from(requestNonces)
      .where(lte(requestNonces.expires, now))
      .orderBy(asc(requestNonces.expires))
      .limit(limits.requestNoncesDeletedMax)
      .for("update", { skipLocked: true });
    await db.delete(requestNonces).where(inArray(requestNonces.key, expired));
  }

  return {
    async record({ controller, nonce, created }, now) {
      const key = sql`${sql.param(digestOf(`${controller}\n${nonce}`), requestNonces.key)}::bytea`;
      const lifetimeMs = limits.requestSignatureAgeMsMax + limits.requestNonceMarginMs;
      const expires = new Date(created.getTime() + lifetimeMs).toISOString();
      const at = sql`${now.toISOString()}::timestamptz`;
      // One statement, so that of two that are the same one inserts and the other does not. A row that has expired
      // stands for a request that nobody accepts any more.
      const [outcome] = await rowsOf<{ recorded: boolean; known: boolean; live: number; seconds: number | null }>(
        db,
        sql`with live as (
              select count(*)::int as count, min(expires) as first from ${requestNonces}
              where controller = ${controller} and expires > ${at}),
            recorded as (
              insert into ${requestNonces} (key, controller, expires)
              select ${key}, ${controller}::text, ${expires}::timestamptz from live
              where live.count < ${limits.requestNoncesPerControllerMax}::int
              on conflict (key) do update set expires = excluded.expires where ${requestNonces.expires} <= ${at}
              returning key)
            select exists (select from recorded) as recorded,
                   exists (select from ${requestNonces} where key = ${key} and expires > ${at}) as known,
                   live.count as live,
                   ceil(extract(epoch from live.first - ${at}))::int as seconds
            from live`,
      );
      if (outcome === undefined) throw new Error("the database did not say whether the nonce is new");
      if (!outcome.recorded) throw refusal(controller, nonce, outcome);
      await deleteExpired(now);
    },
    deleteExpired,
  };
}

function refusal(
  controller: Did,
  nonce: string,
  { known, live, seconds }: { known: boolean; live: number; seconds: number | null },
): Problem {
  if (!known && live >= limits.requestNoncesPerControllerMax) {
    return new Problem(
      "too-many-requests",
      `${controller} has sent ${live} signed requests lately, and more are not accepted for now.`,
      { retryAfterSeconds: Math.max(seconds ?? 1, 1) },
    );
  }
  return new Problem(
    "request-replayed",
    `A request by ${controller} with the nonce "${nonce}" was received before. Sign each request anew, with a nonce of its own.`,
  );
}
