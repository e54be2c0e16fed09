import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { directoryDescription } from "../directory-description.ts";
import type { HttpDeps } from "../deps.ts";
import { addRoute } from "../route.ts";

const tags = ["Introduction"];

/** How clients get to know the registry (WoT Discovery §6): well-known URI and DID document. */
export function addIntroductionRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  addRoute(app, {
    config: {
      method: "get",
      path: "/.well-known/wot",
      tags,
      summary: "The registry's own Thing Description",
      responses: {
        200: {
          description: "A TD of @type `ThingDirectory`.",
          content: { "application/td+json": { schema: z.looseObject({}) } },
        },
      },
    },
    handler: () =>
      new Response(JSON.stringify(directoryDescription(deps.publicUrl(), deps.admissionMode === "token")), {
        headers: { "content-type": "application/td+json" },
      }),
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/.well-known/did.json",
      tags,
      summary: "The registry's own DID document",
      description: "Its `WotDirectory` service leads to the registry's Thing Description.",
      responses: {
        200: { description: "A DID document.", content: { "application/did+json": { schema: z.looseObject({}) } } },
      },
    },
    handler: () =>
      new Response(JSON.stringify(deps.didDocument()), { headers: { "content-type": "application/did+json" } }),
  });
}
