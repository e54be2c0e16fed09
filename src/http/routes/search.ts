import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { limits } from "../../base/limits.ts";
import { Problem } from "../../base/problem.ts";
import type { HttpDeps } from "../deps.ts";
import { liveQueryOf, requireLiveSearch } from "../live-search.ts";
import { answerJson } from "../negotiation.ts";
import { problemResponses } from "../problems.ts";
import { addRoute, readQuery } from "../route.ts";
import { searchQuery, searchSchema } from "../search-schemas.ts";
import { answerOf, searchEverywhere, searchHere } from "../search-results.ts";

const tags = ["Search"];

const capabilitiesQuery = z.object({
  prefix: z.string().max(200).default("").openapi({ description: "Only names that start so." }),
  limit: z.coerce.number().int().min(1).max(limits.searchPageMax).default(limits.searchPageDefault),
  cursor: z.string().min(1).optional(),
});

const capabilitiesSchema = z
  .object({
    items: z.array(z.object({ capability: z.string(), count: z.int() })),
    next: z.string().nullable(),
  })
  .openapi("Capabilities");

/** Ranked search and the catalogue of capabilities. */
export function addSearchRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  addRoute(app, {
    config: {
      method: "get",
      path: "/search",
      tags,
      summary: "Find things by words and capability",
      description: "Ranked by how well they answer; without words, newest first. All filters must hold.",
      request: { query: searchQuery },
      responses: {
        200: { description: "A page of results.", content: { "application/json": { schema: searchSchema } } },
        ...problemResponses("invalid-parameter", "query-too-long"),
      },
    },
    handler: async (c) => {
      const query = readQuery(c.req.url, searchQuery);
      if (query.scope === "local") return answerJson(c, answerOf(await searchHere(query, deps), query));
      requireLiveSearch(query, deps.federation.enabled);
      return answerJson(c, answerOf(await searchEverywhere(query, liveQueryOf(c.req.url), deps), query));
    },
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/capabilities",
      tags,
      summary: "The catalogue of capabilities",
      description: "Names of affordances with the number of entries that have them, most frequent first.",
      request: { query: capabilitiesQuery },
      responses: {
        200: {
          description: "A page of the catalogue.",
          content: { "application/json": { schema: capabilitiesSchema } },
        },
        ...problemResponses("invalid-parameter"),
      },
    },
    handler: async (c) => {
      const query = readQuery(c.req.url, capabilitiesQuery);
      const after = query.cursor === undefined ? null : parseCatalogueCursor(query.cursor);
      const found = await deps.search.capabilities(
        { prefix: query.prefix, limit: query.limit + 1, after },
        deps.clock.now(),
      );
      const items = found.slice(0, query.limit);
      const last = items.at(-1);
      const next = found.length > items.length && last !== undefined ? encodeCatalogueCursor(last) : null;
      const body: z.infer<typeof capabilitiesSchema> = { items, next };
      return answerJson(c, body);
    },
  });
}

function encodeCatalogueCursor(last: { capability: string; count: number }): string {
  return Buffer.from(JSON.stringify([last.count, last.capability])).toString("base64url");
}

function parseCatalogueCursor(cursor: string): { capability: string; count: number } {
  const schema = z.tuple([z.int().min(0), z.string()]);
  try {
    const [count, capability] = schema.parse(JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")));
    return { capability, count };
  } catch {
    throw new Problem("invalid-parameter", "cursor: must be `next` of the page before.", {
      validationErrors: [{ field: "cursor", description: "must be `next` of the page before" }],
    });
  }
}
