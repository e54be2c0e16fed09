import { randomBytes } from "node:crypto";
import { and, count, desc, eq, gt, isNotNull, isNull, lt, lte, or, sql } from "drizzle-orm";
import { digestOf } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { Queryable } from "../db/client.ts";
import { apiTokens } from "../db/schema/index.ts";

/** A token as the registry knows it: never the token itself, nor its digest. */
export type ApiToken = Omit<typeof apiTokens.$inferSelect, "hash">;

/** What all tokens look like; whatever does not is not looked up. */
const tokenSyntax = /^tst_[A-Za-z0-9_-]{43}$/;

const columns = {
  id: apiTokens.id,
  name: apiTokens.name,
  scope: apiTokens.scope,
  created: apiTokens.created,
  expires: apiTokens.expires,
  revoked: apiTokens.revoked,
};

/**
 * API tokens that the operator gives out: `tst_` and 32 random bytes in base64url. Of a token its SHA-256 is kept, which
 * suffices for something that nobody can guess.
 */
export function createApiTokens(db: Queryable) {
  // Prepared once: it is asked with every request that carries a token.
  const byHash = db
    .select(columns)
    .from(apiTokens)
    .where(eq(apiTokens.hash, sql.param(sql.placeholder("hash"), apiTokens.hash)))
    .prepare("api_token_by_hash");

  const isLive = (now: Date) =>
    and(isNull(apiTokens.revoked), or(isNull(apiTokens.expires), gt(apiTokens.expires, now)));

  return {
    /**
     * Makes a token, which is told here and never again. Throws `too-many-requests` where `limits.apiTokensMax` are
     * live. Forgets those that have been over for `limits.apiTokenDeadMsMax`.
     */
    async create(
      { name, scope, expires }: Pick<ApiToken, "name" | "scope" | "expires">,
      now: Date,
    ): Promise<{ apiToken: ApiToken; token: string }> {
      const forgetBefore = new Date(now.getTime() - limits.apiTokenDeadMsMax);
      await db
        .delete(apiTokens)
        .where(
          or(
            lt(apiTokens.revoked, forgetBefore),
            and(isNotNull(apiTokens.expires), lt(apiTokens.expires, forgetBefore)),
          ),
        );
      const [live] = await db.select({ count: count() }).from(apiTokens).where(isLive(now));
      if ((live?.count ?? 0) >= limits.apiTokensMax) {
        throw new Problem(
          "too-many-requests",
          `There are ${limits.apiTokensMax} API tokens in use, and not more are possible: revoke some.`,
          { retry: "never" },
        );
      }
      const token = `tst_${randomBytes(32).toString("base64url")}`;
      const [apiToken] = await db
        .insert(apiTokens)
        .values({ name, scope, expires, created: now, hash: digestOf(token) })
        .returning(columns);
      if (apiToken === undefined) throw new Error("the token was not written");
      return { apiToken, token };
    },

    /** What is known of `token`, be it over or not; null if it was never given out here. */
    async find(token: string): Promise<ApiToken | null> {
      if (!tokenSyntax.test(token)) return null;
      const [found] = await byHash.execute({ hash: digestOf(token) });
      return found ?? null;
    },

    /** All tokens, those in use first and then the newest, at most `limits.apiTokensListMax`. */
    async list(now: Date): Promise<ApiToken[]> {
      const isOver = or(isNotNull(apiTokens.revoked), lte(apiTokens.expires, now));
      return db
        .select(columns)
        .from(apiTokens)
        .orderBy(sql`coalesce(${isOver}, false)`, desc(apiTokens.created), desc(apiTokens.id))
        .limit(limits.apiTokensListMax);
    },

    /** Ends a token from now on, if it was not revoked before; null if there is none with this id (a UUID). */
    async revoke(id: string, now: Date): Promise<ApiToken | null> {
      const [revoked] = await db
        .update(apiTokens)
        .set({ revoked: sql`coalesce(${apiTokens.revoked}, ${now.toISOString()}::timestamptz)` })
        .where(eq(apiTokens.id, id))
        .returning(columns);
      return revoked ?? null;
    },
  };
}

export type ApiTokens = ReturnType<typeof createApiTokens>;
