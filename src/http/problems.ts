import { randomUUID } from "node:crypto";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { z } from "@hono/zod-openapi";
import { loggerOf } from "../base/log.ts";
import { Problem, problemTypes } from "../base/problem.ts";

/** What `type` URIs start with; the rest is the problem's name. The same in every registry, so that clients can compare. */
const typeBase = "urn:thingstead:problem:";

export const problemMediaType = "application/problem+json; charset=utf-8";

/** Problem details (RFC 9457) with the extension of WoT Discovery §7.3.2.1.6. */
export const problemSchema = z
  .object({
    type: z
      .string()
      .openapi({ example: `${typeBase}not-found`, description: "Stable; every type is listed in docs/problems.md." }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    retry: z.enum(["never", "later"]).openapi({ description: "Whether the same request can succeed later." }),
    validationErrors: z
      .array(
        z.object({
          field: z.string().openapi({ description: "JSON Pointer (RFC 6901), or the parameter's name." }),
          description: z.string(),
        }),
      )
      .optional(),
  })
  .openapi("Problem");

const log = () => loggerOf("http");

/** Turns anything thrown into a problem response. What we do not know is a bare 500 whose request id is in the log. */
export function respondToError(error: Error, c: Context): Response {
  if (error instanceof Problem) return problemResponse(error);
  if (error instanceof HTTPException && error.status < 500) {
    return problemResponse(new Problem("invalid-parameter", error.message));
  }
  if (isDatabaseOutage(error)) {
    log().error("database unavailable: {error}", { error });
    return problemResponse(
      new Problem("database-unavailable", "The database does not answer; try again.", { retryAfterSeconds: 5 }),
    );
  }
  const requestId = randomUUID();
  log().error("{method} {path} failed: {error}", { method: c.req.method, path: c.req.path, requestId, error });
  return problemResponse(
    new Problem("internal-error", "The registry failed on this request. Tell its operator the requestId.", {
      extensions: { requestId },
    }),
  );
}

export function problemResponse(problem: Problem, headers: Record<string, string> = {}): Response {
  return new Response(problemBody(problem), {
    status: problem.status,
    headers: {
      "content-type": problemMediaType,
      ...(problem.retryAfterSeconds === undefined ? {} : { "retry-after": String(problem.retryAfterSeconds) }),
      // RFC 9110 §15.5.2. There is no registered scheme for signatures of messages: they come beside any.
      ...(problem.status === 401 ? { "www-authenticate": 'Bearer realm="thingstead"' } : {}),
      ...headers,
    },
  });
}

/** The problem details object of a problem, as it is sent. */
export function problemBody(problem: Problem): string {
  return JSON.stringify({
    type: typeBase + problem.type,
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    retry: problem.retry,
    ...(problem.validationErrors === undefined ? {} : { validationErrors: problem.validationErrors }),
    ...problem.extensions,
  });
}

/** The OpenAPI responses for the named problem types, one for each status. */
export function problemResponses(...types: (keyof typeof problemTypes)[]) {
  const byStatus = Map.groupBy(types, (type) => problemTypes[type].status);
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [
      status,
      {
        description: names.map((name) => `\`${name}\`: ${problemTypes[name].title}.`).join(" "),
        content: { "application/problem+json": { schema: problemSchema } },
      },
    ]),
  );
}

/** Connection trouble as the drivers name it, and a statement that ran out of time. */
function isDatabaseOutage(error: unknown): boolean {
  const outages = new Set([
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "CONNECTION_CLOSED",
    "CONNECTION_ENDED",
    "CONNECTION_DESTROYED",
    "CONNECT_TIMEOUT",
    "57014", // query_canceled: statement_timeout
    "57P01", // admin_shutdown
    "57P03", // cannot_connect_now
    "53300", // too_many_connections
  ]);
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (typeof code === "string" && outages.has(code)) return true;
  }
  return false;
}
