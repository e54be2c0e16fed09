import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { limits } from "../../base/limits.ts";
import { Problem } from "../../base/problem.ts";
import { snippetOf } from "../../base/shown-text.ts";
import type { HttpDeps } from "../deps.ts";
import { liveQueryOf, requireLiveSearch } from "../live-search.ts";
import { answerJson } from "../negotiation.ts";
import { problemResponses } from "../problems.ts";
import { addRoute, readQuery } from "../route.ts";
import { searchHeaders, searchQuery, searchSchema } from "../search-schemas.ts";
import { answerOf, searchEverywhere, searchHere } from "../search-results.ts";

const tags = ["Search"];

const nameCharactersMax = 200;

const capabilitiesQuery = z.object({
  prefix: z
    .string()
    .max(nameCharactersMax)
    .default("")
    .openapi({ description: "Only names that start so; where none does, the nearest ones." }),
  limit: z.coerce.number().int().min(1).max(limits.searchPageMax).default(limits.searchPageDefault),
  cursor: z.string().min(1).optional(),
});

const countedSchema = z.array(z.object({ capability: z.string(), count: z.int() }));

const capabilitiesSchema = z
  .object({
    items: countedSchema,
    next: z.string().nullable(),
    nearest: z.boolean().openapi({
      description: "True where no name starts with `prefix`: the items are names that it can have been mistyped for.",
    }),
  })
  .openapi("Capabilities");

const relatedSchema = z
  .object({
    capability: z
      .string()
      .openapi({ description: "The name as most entries write it; as asked for where none has it." }),
    count: z.int().openapi({ description: "Entries that have it, under whatever spelling." }),
    spellings: countedSchema,
    similar: countedSchema.openapi({ description: "Names that have some of its words." }),
    together: countedSchema.openapi({ description: "Names of the same entries, and in how many of them." }),
    approximate: z
      .boolean()
      .openapi({ description: "True when `together` was counted in a sample and scaled to all entries." }),
  })
  .openapi("RelatedCapabilities");

/** Ranked search and the catalogue of capabilities. */
export function addSearchRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  addRoute(app, {
    config: {
      method: "get",
      path: "/search",
      tags,
      summary: "Find things by words and capability",
      description:
        "Ranked by how well they answer; without words, in the order that is asked for. All filters must hold. By `order=modified`, an entry that changes while pages are read may come again.",
      request: { query: searchQuery },
      responses: {
        200: {
          description: "A page of results.",
          headers: searchHeaders,
          content: { "application/json": { schema: searchSchema } },
        },
        ...problemResponses("invalid-parameter", "query-too-long"),
      },
    },
    handler: async (c) => {
      const query = readQuery(c.req.url, searchQuery);
      if (query.scope === "peers") requireLiveSearch(query, deps.federation.enabled);
      const page =
        query.scope === "local"
          ? await searchHere(query, deps)
          : await searchEverywhere(query, liveQueryOf(c.req.url), deps);
      if (page.degraded.length > 0) c.header("Search-Degraded", page.degraded.join(", "));
      return answerJson(c, answerOf(page, query));
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
      const isNearest = found.length === 0 && after === null && query.prefix.trim() !== "";
      const items = isNearest ? await deps.catalogue.nearest(query.prefix, query.limit) : found.slice(0, query.limit);
      const last = items.at(-1);
      const next = found.length > items.length && last !== undefined ? encodeCatalogueCursor(last) : null;
      const body: z.infer<typeof capabilitiesSchema> = {
        items: items.map(shown),
        next,
        nearest: isNearest && items.length > 0,
      };
      return answerJson(c, body);
    },
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/capabilities/{name}",
      tags,
      summary: "What is related to the name of a capability",
      description:
        "How often the name occurs and how it is written, names that share words with it, and names of the same entries. A name that no entry has is no fault: its count is 0.",
      request: { params: z.object({ name: z.string().min(1).max(nameCharactersMax) }) },
      responses: {
        200: { description: "What is related.", content: { "application/json": { schema: relatedSchema } } },
        ...problemResponses("invalid-parameter"),
      },
    },
    handler: async (c) => {
      const name = c.req.param("name") ?? "";
      if (name.length > nameCharactersMax) {
        const description = `must have at most ${nameCharactersMax} characters`;
        throw new Problem("invalid-parameter", `name: ${description}.`, {
          validationErrors: [{ field: "name", description }],
        });
      }
      const related = await deps.catalogue.related(name, deps.clock.now());
      const { spellings, similar, together } = related;
      const body: z.infer<typeof relatedSchema> = {
        ...related,
        capability: snippetOf(related.capability, limits.snippetTitleCharactersMax),
        spellings: spellings.map(shown),
        similar: similar.map(shown),
        together: together.map(shown),
      };
      return answerJson(c, body);
    },
  });
}

/** Names are strangers' texts: harmless to show. */
function shown({ capability, count }: { capability: string; count: number }): { capability: string; count: number } {
  return { capability: snippetOf(capability, limits.snippetTitleCharactersMax), count };
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
