import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { html } from "hono/html";
import { Problem } from "../../base/problem.ts";
import type { HttpDeps } from "../deps.ts";
import { openApiDocument } from "../openapi.ts";
import { problemResponses } from "../problems.ts";
import { addRoute } from "../route.ts";

const tags = ["Operations"];
const statusSchema = z.object({ status: z.literal("ok") });

/** What operators and developers look at: health, metrics, documentation. */
export function addOperationsRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  addRoute(app, {
    config: {
      method: "get",
      path: "/health/live",
      tags,
      summary: "Whether the process runs",
      responses: { 200: { description: "It does.", content: { "application/json": { schema: statusSchema } } } },
    },
    handler: (c) => c.json({ status: "ok" }),
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/health/ready",
      tags,
      summary: "Whether requests can be served",
      responses: {
        200: { description: "The database answers.", content: { "application/json": { schema: statusSchema } } },
        ...problemResponses("database-unavailable"),
      },
    },
    handler: async (c) => {
      try {
        await deps.checkReady();
      } catch (cause) {
        throw new Problem("database-unavailable", "The database does not answer.", { cause, retryAfterSeconds: 5 });
      }
      return c.json({ status: "ok" });
    },
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/metrics",
      tags,
      summary: "Metrics for Prometheus",
      responses: { 200: { description: "The metrics.", content: { "text/plain": { schema: z.string() } } } },
    },
    handler: async (c) => c.body(await deps.metrics.metrics(), 200, { "content-type": deps.metrics.contentType }),
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/openapi.json",
      tags,
      summary: "This API as OpenAPI 3.1",
      responses: {
        200: { description: "The document.", content: { "application/json": { schema: z.looseObject({}) } } },
      },
    },
    handler: (c) => c.json(openApiDocument(app, deps.publicUrl())),
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/docs",
      tags,
      summary: "This API for reading and trying",
      responses: { 200: { description: "A page.", content: { "text/html": { schema: z.string() } } } },
    },
    handler: (c) =>
      c.html(
        html`<!doctype html>
          <html lang="en">
            <head>
              <meta charset="utf-8" />
              <meta name="viewport" content="width=device-width, initial-scale=1" />
              <title>Thingstead API</title>
              <link rel="stylesheet" href="/docs/swagger-ui.css" />
            </head>
            <body>
              <div id="api"></div>
              <script src="/docs/swagger-ui-bundle.js"></script>
              <script>
                SwaggerUIBundle({ url: "/openapi.json", dom_id: "#api", deepLinking: true });
              </script>
            </body>
          </html>`,
      ),
  });

  // Served from the package: the page must work without any other host.
  const assets = { "swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript" };
  for (const [name, type] of Object.entries(assets)) {
    let content: Promise<string> | null = null;
    app.get(`/docs/${name}`, async (c) => {
      content ??= readFile(createRequire(import.meta.url).resolve(`swagger-ui-dist/${name}`), "utf8");
      return c.body(await content, 200, { "content-type": type, "cache-control": "max-age=86400" });
    });
  }

  app.get("/", (c) => {
    c.header(
      "link",
      '</.well-known/wot>; rel="describedby"; type="application/td+json", </openapi.json>; rel="service-desc"; type="application/json", </docs>; rel="service-doc"; type="text/html"',
    );
    return c.html(
      html`<!doctype html>
        <html lang="en">
          <head>
            <meta charset="utf-8" />
            <meta name="viewport" content="width=device-width, initial-scale=1" />
            <title>Thingstead</title>
          </head>
          <body style="font-family: system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; line-height: 1.5">
            <h1>Thingstead</h1>
            <p>A registry where AI agents and tools are published, verified and found.</p>
            <form action="/search">
              <label>Find an agent or a tool: <input name="q" type="search" /></label> <button>Search</button>
            </form>
            <ul>
              <li><a href="/docs">API documentation</a></li>
              <li><a href="/things">All things</a></li>
              <li><a href="/capabilities">Capabilities</a></li>
              <li><a href="/.well-known/wot">This directory's Thing Description</a></li>
            </ul>
          </body>
        </html>`,
    );
  });
}
