import type { z } from "@hono/zod-openapi";
import { parseJson } from "../base/json.ts";
import { Problem } from "../base/problem.ts";

/**
 * A small JSON body by `schema`; an empty body counts as `{}`. Throws `invalid-json`, or `invalid-parameter` that names
 * each fault.
 */
export function readFields<Schema extends z.ZodType>(body: Uint8Array, schema: Schema): z.infer<Schema> {
  const parsed = schema.safeParse(body.length === 0 ? {} : parseJson(body).value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, 20).map(({ path, message }) => ({
    field: path.map((name) => `/${String(name)}`).join(""),
    description: message,
  }));
  const list = faults.map(({ field, description }) => `${field || "(body)"}: ${description}`).join("; ");
  throw new Problem("invalid-parameter", `The body is not valid: ${list}`.slice(0, 1_000), {
    validationErrors: faults,
  });
}
