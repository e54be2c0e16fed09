import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { type HttpDeps, lanServiceStates } from "../deps.ts";
import { answerJson } from "../negotiation.ts";
import { problemResponses } from "../problems.ts";
import { addRoute } from "../route.ts";

const typeSchema = z.enum(["Thing", "Directory"]);

const lanReportSchema = z
  .object({
    enabled: z.boolean(),
    reason: z.string().openapi({ description: "Why it is enabled, or not." }),
    interfaces: z.array(
      z.object({
        name: z.string(),
        address: z.string().nullable(),
        announced: z
          .boolean()
          .openapi({ description: "The registry has heard its own announcement on this interface." }),
        error: z.string().nullable(),
      }),
    ),
    announced: z
      .array(z.object({ instance: z.string(), type: typeSchema, td: z.string() }))
      .openapi({ description: "What this registry announces: itself, and with LAN_PROXY=on things." }),
    services: z.array(
      z.object({
        instance: z.string().openapi({ description: "The DNS-SD name, such as `Lamp._wot._tcp.local`." }),
        type: typeSchema,
        host: z.string().nullable(),
        address: z.string().nullable(),
        port: z.int().nullable(),
        url: z.string().nullable().openapi({ description: "Where its description is fetched." }),
        state: z.enum(lanServiceStates),
        ids: z.array(z.string()).openapi({ description: "The things that are registered here because of it." }),
        title: z.string().nullable(),
        lastSeen: z.iso.datetime(),
        error: z.string().nullable(),
      }),
    ),
  })
  .openapi("LanReport");

/** What the local network offers (docs/lan.md). */
export function addLanRoutes(app: OpenAPIHono, deps: Pick<HttpDeps, "lan">): void {
  addRoute(app, {
    config: {
      method: "get",
      path: "/lan",
      tags: ["LAN"],
      summary: "What the local network offers",
      description:
        "Things and directories that were found by multicast DNS, and how the registry itself is announced. All texts are by others, and nothing about them is proven.",
      responses: {
        200: { description: "The state now.", content: { "application/json": { schema: lanReportSchema } } },
        ...problemResponses("not-acceptable"),
      },
    },
    handler: (c) => {
      c.header("cache-control", "no-store");
      return answerJson(c, deps.lan.report());
    },
  });
}
