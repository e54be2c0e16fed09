import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { limits } from "../../base/limits.ts";
import type { HttpDeps } from "../deps.ts";
import { negotiateType } from "../negotiation.ts";
import { problemResponses } from "../problems.ts";
import { addRoute, readQuery } from "../route.ts";

const jsonPathQuery = z.object({
  query: z.string("must be a JSONPath query (RFC 9535), such as $[?@.title=='Lamp']").openapi({
    description: `A JSONPath query (RFC 9535) of at most ${limits.jsonPathBytesMax} bytes, on the array of all things.`,
    example: "$[?@.actions.getWeather]",
  }),
});

/** Syntactic search with JSONPath (WoT Discovery §7.3.2.3.1). */
export function addJsonPathRoutes(app: OpenAPIHono, deps: Pick<HttpDeps, "jsonPath">): void {
  addRoute(app, {
    config: {
      method: "get",
      path: "/search/jsonpath",
      tags: ["Search"],
      summary: "Find things, or parts of them, by JSONPath",
      description:
        "Evaluates the query on the array that `GET /things` lists: in its order, each thing as it shows it. Filters in the first segment are fast.",
      request: { query: jsonPathQuery },
      responses: {
        200: {
          description: "The nodes that the query selects, in order.",
          content: { "application/json": { schema: z.array(z.unknown()) } },
        },
        ...problemResponses(
          "invalid-parameter",
          "not-acceptable",
          "query-too-long",
          "too-many-requests",
          "query-too-costly",
        ),
      },
    },
    handler: async (c) => {
      const { query } = readQuery(c.req.url, jsonPathQuery);
      const type = negotiateType(c, ["application/json"]);
      return c.body(await deps.jsonPath.find(query), 200, { "content-type": type, vary: "accept" });
    },
  });
}
