import { createHash } from "node:crypto";
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { etagOf } from "../../base/ids.ts";
import type { JsonObject } from "../../base/json.ts";
import { isNotModified } from "../conditions.ts";
import type { HttpDeps } from "../deps.ts";
import { directoryDescription } from "../directory-description.ts";
import { filterLinks, formatLinks, type WebLink } from "../link-format.ts";
import { descriptionTypes, negotiateType } from "../negotiation.ts";
import { problemResponses } from "../problems.ts";
import { addRoute } from "../route.ts";

const tags = ["Introduction"];

/** What `/.well-known/core` leads to. 432 is the CoAP Content-Format of Thing Descriptions, 50 that of JSON. */
const coreLinks: readonly WebLink[] = [
  { href: "/.well-known/wot", attributes: { rt: "wot.directory", ct: "432", title: "Thing Description Directory" } },
  { href: "/things", attributes: { title: "Thing Descriptions" } },
  { href: "/openapi.json", attributes: { rel: "service-desc", ct: "50", title: "OpenAPI" } },
];

/** How clients get to know the registry (WoT Discovery §6): well-known URIs and DID document. */
export function addIntroductionRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  addRoute(app, {
    config: {
      method: "get",
      path: "/.well-known/wot",
      tags,
      summary: "The registry's own Thing Description",
      description: "With the whole Directory Service API as affordances, for WoT clients.",
      responses: {
        200: {
          description: "A TD of @type `ThingDirectory`.",
          content: { "application/td+json": { schema: z.looseObject({}) } },
        },
        304: { description: "`If-None-Match` names the current entity tag." },
        ...problemResponses("not-acceptable"),
      },
    },
    handler: (c) =>
      answerStable(
        c,
        directoryDescription({
          publicUrl: deps.publicUrl(),
          writesNeedToken: deps.admissionMode === "token",
          readsNeedToken: deps.readAccess === "token",
        }),
        descriptionTypes,
      ),
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/.well-known/core",
      tags,
      summary: "Links in the CoRE Link Format",
      description:
        "The directory's Thing Description has `rt=wot.directory`. Parameters filter by attribute, `*` at their end stands for any rest (RFC 6690 §4.1).",
      request: {
        query: z.object({
          rt: z.string().optional().openapi({ description: "Resource type, e.g. `wot.directory` or `wot.*`." }),
          href: z.string().optional().openapi({ description: "Target, e.g. `/.well-known/*`." }),
        }),
      },
      responses: {
        200: { description: "The links.", content: { "application/link-format": { schema: z.string() } } },
        ...problemResponses("not-acceptable"),
      },
    },
    handler: (c) => {
      const type = negotiateType(c, ["application/link-format"]);
      const links = filterLinks(coreLinks, new URL(c.req.url).searchParams);
      return new Response(formatLinks(links), { headers: { "content-type": type, vary: "accept" } });
    },
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
        304: { description: "`If-None-Match` names the current entity tag." },
      },
    },
    // Resolvers of did:web differ in what they accept: there is but one form.
    handler: (c) => answerStable(c, deps.didDocument(), null),
  });
}

/** A document that changes only with the registry's configuration. */
function answerStable(c: Context, document: JsonObject, types: readonly string[] | null): Response {
  const type = types === null ? "application/did+json" : negotiateType(c, types);
  const body = JSON.stringify(document);
  const etag = etagOf(createHash("sha256").update(body).digest("base64url"));
  const headers = { etag, vary: "accept", "content-type": type };
  return isNotModified(c, etag)
    ? new Response(null, { status: 304, headers: { etag, vary: "accept" } })
    : new Response(body, { headers });
}
