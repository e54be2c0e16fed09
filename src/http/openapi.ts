import type { OpenAPIHono } from "@hono/zod-openapi";

/** The OpenAPI 3.1 document of the routes that were added to `app`. */
export function openApiDocument(app: OpenAPIHono, serverUrl: string) {
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Thingstead",
      version: "0.1.0",
      description:
        "A federated registry where AI agents and tools are published, verified and found: signed W3C Thing Descriptions, found by capability. Errors are RFC 9457 problem details.",
      license: { name: "MIT" },
    },
    servers: [{ url: serverUrl }],
    tags: [
      { name: "Things", description: "The W3C WoT Discovery Things API." },
      { name: "Owner acts", description: "What owners do without a new document, by signed requests (RFC 9421)." },
      { name: "Search", description: "Finding things." },
      { name: "Events", description: "Being told of changes (WoT Discovery, notification API)." },
      { name: "Log", description: "All accepted changes, chained by hashes." },
      { name: "LAN", description: "What the local network offers." },
      { name: "Federation", description: "Following and being followed, over ActivityPub." },
      { name: "Peers", description: "Other registries, for operators." },
      { name: "Introduction", description: "Getting to know the registry." },
      { name: "Tokens", description: "API tokens, for operators." },
      { name: "Operations", description: "Health, metrics, documentation." },
    ],
  });
}
