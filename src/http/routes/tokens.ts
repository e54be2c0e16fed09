import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { requireScope } from "../../admission/authorize.ts";
import { tokenScopes } from "../../admission/stages.ts";
import { limits } from "../../base/limits.ts";
import { loggerOf } from "../../base/log.ts";
import { Problem } from "../../base/problem.ts";
import type { ApiToken } from "../../identity/api-tokens.ts";
import { readBody } from "../body.ts";
import type { HttpDeps } from "../deps.ts";
import { readBearer, readEvidence, readToken } from "../evidence.ts";
import { readFields } from "../json-fields.ts";
import { problemResponses } from "../problems.ts";
import { addRoute } from "../route.ts";

const tags = ["Tokens"];
const jsonType = "application/json";
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const tokenFields = z
  .strictObject({
    name: z
      .string()
      .min(1, "must not be empty")
      .max(limits.apiTokenNameCharactersMax, `must have at most ${limits.apiTokenNameCharactersMax} characters`)
      .regex(/^\P{Cc}*$/u, "must not hold control characters")
      .openapi({ description: "For whom or what it is." }),
    scope: z
      .enum(tokenScopes, `must be one of ${tokenScopes.join(", ")}`)
      .openapi({ description: "What it allows; each scope includes those before it." }),
    expires: z.iso
      .datetime({ offset: true, error: "must be a date-time with an offset (RFC 3339)" })
      .optional()
      .openapi({ description: "Until when it counts; without it, until it is revoked." }),
    ttl: z
      .int("must be a whole number of seconds")
      .min(1, "must be at least 1")
      .max(limits.registrationTtlSecondsMax, `must be at most ${limits.registrationTtlSecondsMax}`)
      .optional()
      .openapi({ description: "The same in seconds from now on." }),
  })
  .refine(({ expires, ttl }) => expires === undefined || ttl === undefined, {
    path: ["ttl"],
    message: "must not be given beside expires",
  })
  .openapi("NewToken");

const tokenSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    scope: z.enum(tokenScopes),
    created: z.iso.datetime(),
    expires: z.iso.datetime().nullable(),
    revoked: z.iso.datetime().nullable(),
  })
  .openapi("Token");

const createdTokenSchema = tokenSchema
  .extend({ token: z.string().openapi({ description: "The token itself, which is told here and never again." }) })
  .openapi("CreatedToken");

const idParam = z.object({ id: z.uuid().openapi({ param: { name: "id", in: "path" } }) });

/** Answers about tokens are for nobody's cache. */
const headers = { "cache-control": "no-store" };

/** API tokens, for operators: each route needs a token of the scope `admin`, such as ADMIN_TOKEN. */
export function addTokensRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  const log = loggerOf("tokens");

  const requireAdmin = async (c: Context) => requireScope(await readToken(c, deps), "admin", "Managing API tokens");

  /** The id of the token that did it; null for ADMIN_TOKEN. */
  const actorOf = async (c: Context) => (await readBearer(c, deps))?.id ?? null;

  addRoute(app, {
    config: {
      method: "post",
      path: "/tokens",
      tags,
      summary: "Make an API token",
      description: "The answer holds the token, which the registry itself does not keep.",
      request: { body: { required: true, content: { [jsonType]: { schema: tokenFields } } } },
      responses: {
        201: { description: "Made.", content: { [jsonType]: { schema: createdTokenSchema } } },
        ...problemResponses(
          "invalid-json",
          "invalid-parameter",
          "token-required",
          "insufficient-scope",
          "unsupported-media-type",
          "too-many-requests",
        ),
      },
    },
    handler: async (c) => {
      await requireAdmin(c);
      const body = await readBody(c, [jsonType]);
      const { name, scope, ...fields } = readFields(body, tokenFields);
      const now = deps.clock.now();
      const expires = expiryOf(fields, now);
      await readEvidence(c, deps, body);
      const { apiToken, token } = await deps.apiTokens.create({ name, scope, expires }, now);
      log.info("token created", { ...shown(apiToken), by: await actorOf(c) });
      const answer: z.infer<typeof createdTokenSchema> = { ...shown(apiToken), token };
      return c.json(answer, 201, { ...headers, location: `${deps.publicUrl()}/tokens/${apiToken.id}` });
    },
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/tokens",
      tags,
      summary: "List API tokens",
      description: "Those in use first, then those that are over, newest first. Never the tokens themselves.",
      responses: {
        200: {
          description: "The tokens.",
          content: { [jsonType]: { schema: z.object({ tokens: z.array(tokenSchema) }) } },
        },
        ...problemResponses("token-required", "insufficient-scope"),
      },
    },
    handler: async (c) => {
      await requireAdmin(c);
      const tokens = await deps.apiTokens.list(deps.clock.now());
      return c.json({ tokens: tokens.map(shown) }, 200, headers);
    },
  });

  addRoute(app, {
    config: {
      method: "delete",
      path: "/tokens/{id}",
      tags,
      summary: "Revoke an API token",
      description: "From now on it is refused. Revoking it again changes nothing.",
      request: { params: idParam },
      responses: {
        204: { description: "Revoked." },
        ...problemResponses("token-required", "insufficient-scope", "not-found"),
      },
    },
    handler: async (c) => {
      await requireAdmin(c);
      await readEvidence(c, deps, await readBody(c, [jsonType]));
      const id = c.req.param("id") ?? "";
      const revoked = uuid.test(id) ? await deps.apiTokens.revoke(id, deps.clock.now()) : null;
      if (revoked === null) throw new Problem("not-found", "There is no API token with this id.");
      log.info("token revoked", { ...shown(revoked), by: await actorOf(c) });
      return new Response(null, { status: 204 });
    },
  });
}

/** When a token that is to be made expires. Throws `invalid-parameter` for what lies in the past. */
function expiryOf({ expires, ttl }: Pick<z.infer<typeof tokenFields>, "expires" | "ttl">, now: Date): Date | null {
  if (ttl !== undefined) return new Date(now.getTime() + ttl * 1000);
  if (expires === undefined) return null;
  const instant = new Date(expires);
  if (instant > now) return instant;
  throw new Problem("invalid-parameter", `The token would expire at ${expires}, which has passed.`, {
    validationErrors: [{ field: "/expires", description: "must lie in the future" }],
  });
}

function shown({ id, name, scope, created, expires, revoked }: ApiToken): z.infer<typeof tokenSchema> {
  return {
    id,
    name,
    scope,
    created: created.toISOString(),
    expires: expires?.toISOString() ?? null,
    revoked: revoked?.toISOString() ?? null,
  };
}
