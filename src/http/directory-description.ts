import type { JsonObject } from "../base/json.ts";

const thingsSchema = { type: "array", items: { type: "object" } };
const idVariable = {
  id: { "@type": "ThingID", title: "Thing Description id", type: "string", format: "iri-reference" },
};

/**
 * The directory's own Thing Description (WoT Discovery §7.3.2, exploration-directory-description-type): what it
 * offers, as affordances.
 */
export function directoryDescription(publicUrl: string, writesNeedToken: boolean): JsonObject {
  const json = "application/json";
  const td = "application/td+json";
  const writing = writesNeedToken ? { security: "bearer_sc" } : {};
  const href = (path: string) => `${publicUrl}${path}`;
  return {
    "@context": ["https://www.w3.org/2022/wot/td/v1.1", "https://www.w3.org/2022/wot/discovery"],
    "@type": "ThingDirectory",
    id: `${publicUrl}/.well-known/wot`,
    title: "Thingstead",
    description: "A registry of AI agents and tools: signed Thing Descriptions, found by capability.",
    version: { instance: "0.1.0" },
    securityDefinitions: { nosec_sc: { scheme: "nosec" }, bearer_sc: { scheme: "bearer", in: "header" } },
    security: "nosec_sc",
    properties: {
      things: {
        title: "The Thing Descriptions here, in pages",
        readOnly: true,
        uriVariables: {
          limit: { title: "Things in a page", type: "integer", minimum: 1 },
          offset: { title: "Things to skip", type: "integer", minimum: 0 },
        },
        ...thingsSchema,
        forms: [{ href: href("/things{?limit,offset}"), op: "readproperty", contentType: "application/ld+json" }],
      },
    },
    actions: {
      createAnonymousThing: {
        title: "Register a Thing Description without an id",
        input: { type: "object" },
        forms: [
          {
            href: href("/things"),
            op: "invokeaction",
            "htv:methodName": "POST",
            contentType: td,
            response: { contentType: json },
            ...writing,
          },
        ],
      },
      createThing: {
        title: "Register or replace a Thing Description",
        uriVariables: idVariable,
        input: { type: "object" },
        forms: [
          { href: href("/things/{id}"), op: "invokeaction", "htv:methodName": "PUT", contentType: td, ...writing },
        ],
      },
      retrieveThing: {
        title: "Read a Thing Description",
        safe: true,
        idempotent: true,
        uriVariables: idVariable,
        output: { type: "object" },
        forms: [
          { href: href("/things/{id}"), op: "invokeaction", "htv:methodName": "GET", response: { contentType: td } },
        ],
      },
      deleteThing: {
        title: "Delete a Thing Description",
        uriVariables: idVariable,
        forms: [{ href: href("/things/{id}"), op: "invokeaction", "htv:methodName": "DELETE", ...writing }],
      },
      search: {
        title: "Find things by words and capability",
        safe: true,
        idempotent: true,
        uriVariables: {
          q: { title: "Words", type: "string" },
          capability: { title: "Name, title or @type of an affordance", type: "string" },
          limit: { title: "Results in a page", type: "integer", minimum: 1, maximum: 100 },
        },
        output: { type: "object" },
        forms: [
          {
            href: href("/search{?q,capability,limit}"),
            op: "invokeaction",
            "htv:methodName": "GET",
            response: { contentType: json },
          },
        ],
      },
    },
    links: [
      { rel: "service-desc", href: href("/openapi.json"), type: json },
      { rel: "service-doc", href: href("/docs"), type: "text/html" },
    ],
  };
}
