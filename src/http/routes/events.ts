import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { Problem } from "../../base/problem.ts";
import { cutConnection, remoteAddressOf } from "../connection.ts";
import type { HttpDeps } from "../deps.ts";
import { type EventType, eventTypes } from "../events/change-events.ts";
import { negotiateType } from "../negotiation.ts";
import { problemResponses } from "../problems.ts";
import { addRoute, readQuery } from "../route.ts";

const tags = ["Events"];
const mediaType = "text/event-stream";

const eventsQuery = z.object({
  diff: z.enum(["true", "false"]).optional().openapi({
    description:
      "`true`: `thing_created` carries the Thing Description, `thing_updated` a JSON Merge Patch (RFC 7396).",
  }),
});

const eventsHeaders = z.object({
  "last-event-id": z.string().optional().openapi({ description: "The id of the last event that the client has had." }),
});

const typeParam = z.object({
  type: z.enum(eventTypes).openapi({ param: { name: "type", in: "path" }, description: "The type of event." }),
});

const responses = {
  200: {
    description:
      "Server-sent events `thing_created`, `thing_updated` and `thing_deleted`. `id` says where to resume, `data` is a JSON object with the thing's `id`. An event `gap` says that the past cannot be told. See docs/events.md.",
    content: { [mediaType]: { schema: z.string() } },
  },
  ...problemResponses("invalid-parameter", "not-acceptable", "too-many-requests", "too-many-event-clients"),
};

/** The notification API (WoT Discovery §7.3.2.2), replayable with `Last-Event-ID`. */
export function addEventsRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  async function answer(c: Context, type: EventType | null): Promise<Response> {
    const { diff } = readQuery(c.req.url, eventsQuery);
    const headers = {
      "content-type": negotiateType(c, [mediaType]),
      "cache-control": "no-store",
      // Asks reverse proxies to pass events on as they come.
      "x-accel-buffering": "no",
    };
    if (c.req.method === "HEAD") return new Response(null, { headers });
    const stream = await deps.events.open({
      type,
      diff: diff === "true",
      lastEventId: c.req.header("last-event-id") || null,
      address: remoteAddressOf(c),
      cut: () => cutConnection(c),
    });
    // Nothing follows on the connection of a stream that has ended, and a server that stops need not wait for it.
    return new Response(stream, { headers: { ...headers, connection: "close" } });
  }

  addRoute(app, {
    config: {
      method: "get",
      path: "/events",
      tags,
      summary: "Be told of changes",
      description: "With `Last-Event-ID` first what has happened since that event.",
      request: { query: eventsQuery, headers: eventsHeaders },
      responses,
    },
    handler: (c) => answer(c, null),
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/events/{type}",
      tags,
      summary: "Be told of changes of one type",
      request: { params: typeParam, query: eventsQuery, headers: eventsHeaders },
      responses: { ...responses, ...problemResponses("not-found") },
    },
    handler: (c) => {
      const name = c.req.param("type");
      const type = eventTypes.find((one) => one === name);
      if (type === undefined) {
        throw new Problem("not-found", `There are no events of this type; there are ${eventTypes.join(", ")}.`);
      }
      return answer(c, type);
    },
  });
}
