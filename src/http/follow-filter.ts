import { z } from "@hono/zod-openapi";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { FollowFilter } from "../db/schema/index.ts";

/** One term of the filter of a follow. */
export const followTerm = z
  .string()
  .min(1, "must not be empty")
  .refine((text) => Buffer.byteLength(text) <= limits.followTermBytesMax, {
    message: `must have at most ${limits.followTermBytesMax} bytes`,
  })
  .refine((text) => /^\P{Cc}*$/u.test(text), { message: "must not hold control characters" });

/** The filter that has `terms`; null where there are none. Throws `invalid-parameter` for too many. */
export function followFilterOf(terms: FollowFilter): FollowFilter | null {
  const { capability, type, lang } = terms;
  const count = capability.length + type.length + lang.length;
  if (count === 0) return null;
  if (count <= limits.followTermsMax) return { capability, type, lang };
  const description = `must have at most ${limits.followTermsMax} terms in all, not ${count}`;
  throw new Problem("invalid-parameter", `The filter ${description}.`, {
    validationErrors: [{ field: "filter", description }],
  });
}
