import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { limits } from "../../base/limits.ts";
import { journalKinds } from "../../db/public-log.ts";
import { signDocument } from "../../identity/sign.ts";
import type { HttpDeps } from "../deps.ts";
import { answerJson } from "../negotiation.ts";
import { problemResponses } from "../problems.ts";
import { addRoute, readQuery } from "../route.ts";
import { immutable } from "../versions.ts";

const tags = ["Log"];

const logQuery = z.object({
  after: z.coerce
    .number("must be a number of an entry, or zero")
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .default(0)
    .openapi({ description: "The entry before the first one that is wanted; `next` has it." }),
  limit: z.coerce
    .number("must be a positive integer")
    .int()
    .min(1)
    .max(limits.logPageMax)
    .default(limits.logPageDefault)
    .openapi({ description: "At most so many entries." }),
});

const hashSchema = z.string().regex(/^[0-9a-f]{64}$/);

const logPageSchema = z
  .object({
    entries: z.array(
      z.object({
        seq: z.int().openapi({ description: "1, 2, 3 …, without gaps." }),
        at: z.iso.datetime(),
        kind: z.enum(journalKinds),
        controller: z.string().nullable(),
        id: z.string(),
        digest: z
          .string()
          .nullable()
          .openapi({ description: "SHA-256 of the document that the change brought, lower-case hex." }),
        hash: hashSchema.openapi({
          description: "SHA-256 of the hash before, and of the entry without `hash` in its JCS form.",
        }),
      }),
    ),
    next: z.int().nullable().openapi({ description: "`after` of the next page; null where nothing follows yet." }),
  })
  .openapi("LogPage");

const logHeadSchema = z
  .object({
    registry: z.string().openapi({ description: "The registry's DID." }),
    seq: z.int().openapi({ description: "The number of the last entry; 0 where there is none." }),
    hash: hashSchema,
    time: z.iso.datetime(),
    proof: z.looseObject({}),
  })
  .openapi("LogHead", { description: "How far the log goes, signed by the registry (W3C Data Integrity)." });

/** The public log: every accepted change, chained by hashes, with a head that the registry signs (docs/log.md). */
export function addLogRoutes(app: OpenAPIHono, deps: Pick<HttpDeps, "log" | "signingKey" | "clock">): void {
  addRoute(app, {
    config: {
      method: "get",
      path: "/log",
      tags,
      summary: "Read the log of all changes",
      description: "Oldest first. Says which entry changed, how and when, and the digest of its document; no contents.",
      request: { query: logQuery },
      responses: {
        200: { description: "A page of entries.", content: { "application/json": { schema: logPageSchema } } },
        ...problemResponses("invalid-parameter", "not-acceptable"),
      },
    },
    handler: async (c) => {
      const { after, limit } = readQuery(c.req.url, logQuery);
      const page = await deps.log.readLog(after, limit);
      // A full page that others follow stays what it is.
      c.header("cache-control", page.next === null ? "no-cache" : immutable);
      return answerJson(c, page);
    },
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/log/head",
      tags,
      summary: "The log's signed head",
      description:
        "The number and hash of the last entry, with a proof by the registry's own key. Keep it as evidence.",
      responses: {
        200: { description: "The head.", content: { "application/json": { schema: logHeadSchema } } },
        ...problemResponses("not-acceptable"),
      },
    },
    handler: async (c) => {
      const key = deps.signingKey();
      const { seq, hash } = await deps.log.head();
      // Later than the head was read: what it says was so at that time.
      const created = deps.clock.now();
      const head = { registry: key.controller, seq, hash, time: created.toISOString() };
      c.header("cache-control", "no-cache");
      return answerJson(c, signDocument(head, key, { created }));
    },
  });
}
