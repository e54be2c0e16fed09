import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { contexts } from "../things/vocabulary.ts";

/** What the description depends on. */
export interface DirectoryFacts {
  /** Without a trailing slash. */
  publicUrl: string;
  writesNeedToken: boolean;
  readsNeedToken: boolean;
}

const td = "application/td+json";
const json = "application/json";

const uriVariable = (title: string, schema: JsonObject = {}) => ({ title, type: "string", ...schema });

/** Problems (RFC 9457) that an interaction is answered with, by status. */
const failures = (...statuses: number[]): JsonValue =>
  statuses.map((status) => ({
    success: false,
    contentType: "application/problem+json",
    schema: "problem",
    "htv:statusCodeValue": status,
  }));

const idVariable = {
  id: { "@type": "ThingID", ...uriVariable("The thing's id", { format: "iri-reference" }) },
};

/**
 * The directory's own Thing Description: the Directory Service API of WoT Discovery §7.3.2 as affordances, with the
 * names of its Thing Model, and beside it what this registry adds. What is left out of the Thing Model (XPath and
 * SPARQL search) is not there.
 *
 * The model is a template, and in some places its forms would mislead consumers. Here,
 *
 * - a form's `contentType` is what a consumer is to ask for where it reads, and to send where it writes;
 * - every `response` has the mandatory `contentType`, also where it has no body: one that consumers know, since some
 *   compare it with what they take an empty answer for;
 * - events are of JSON, since that is what their `data` holds; that they come as an event stream is what the
 *   subprotocol says.
 */
export function directoryDescription(facts: DirectoryFacts): JsonObject {
  const { publicUrl, writesNeedToken, readsNeedToken } = facts;
  const href = (path: string) => `${publicUrl}${path}`;
  const reading = readsNeedToken ? "bearer_sc" : "nosec_sc";
  const writing = readsNeedToken || writesNeedToken ? "bearer_sc" : "nosec_sc";
  const refusals = (needsToken: boolean, ...statuses: number[]) =>
    failures(...(needsToken ? [...statuses, 401] : statuses).toSorted((a, b) => a - b));
  const readFailures = (...statuses: number[]) => refusals(readsNeedToken, ...statuses);
  const writeFailures = (...statuses: number[]) => refusals(writing === "bearer_sc", ...statuses, 403);

  const invocation = (method: string, path: string) => ({
    href: href(path),
    op: "invokeaction",
    "htv:methodName": method,
  });
  const writeForm = (method: string, path: string, contentType: string | null, status: number) => ({
    ...invocation(method, path),
    ...(contentType === null ? {} : { contentType }),
    response: { contentType: json, "htv:statusCodeValue": status },
    ...(writing === reading ? {} : { security: writing }),
  });
  const readForm = (path: string, contentType: string) => ({
    ...invocation("GET", path),
    response: { contentType, "htv:statusCodeValue": 200 },
  });
  const eventForm = (path: string) => ({
    href: href(path),
    op: ["subscribeevent", "unsubscribeevent"],
    subprotocol: "sse",
    contentType: json,
    additionalResponses: readFailures(400, 503),
  });
  const diffVariable = (title: string) => ({ diff: { title, type: "boolean", default: false } });

  return {
    "@context": [contexts.td11, contexts.discovery, { htv: "http://www.w3.org/2011/http#" }],
    "@type": "ThingDirectory",
    id: href("/.well-known/wot"),
    title: "Thingstead",
    description: "A registry of AI agents and tools: signed Thing Descriptions, found by capability.",
    version: { instance: "0.1.0" },
    securityDefinitions: {
      ...(reading === "nosec_sc" || writing === "nosec_sc" ? { nosec_sc: { scheme: "nosec" } } : {}),
      ...(writing === "bearer_sc" ? { bearer_sc: { scheme: "bearer", in: "header", name: "Authorization" } } : {}),
    },
    security: reading,
    schemaDefinitions: {
      problem: {
        title: "Problem details (RFC 9457)",
        type: "object",
        required: ["type", "title", "status", "detail"],
        properties: {
          type: { type: "string", format: "uri" },
          title: { type: "string" },
          status: { type: "integer" },
          detail: { type: "string" },
          validationErrors: {
            type: "array",
            items: {
              type: "object",
              required: ["field", "description"],
              properties: { field: { type: "string" }, description: { type: "string" } },
            },
          },
        },
      },
    },
    properties: {
      things: {
        title: "The Thing Descriptions here",
        description: "All of them, or a page: then the Link header leads on, with format=collection also `next`.",
        readOnly: true,
        uriVariables: {
          offset: { title: "Things to skip", type: "integer", minimum: 0, default: 0 },
          limit: { title: "Things in a page", type: "integer", minimum: 1, maximum: limits.listPageMax },
          format: { ...uriVariable("Form of the answer"), enum: ["array", "collection"], default: "array" },
        },
        oneOf: [
          { type: "array", items: { type: "object" } },
          { type: "object", required: ["total", "members"], properties: { members: { type: "array" } } },
        ],
        forms: [
          {
            href: href("/things{?offset,limit,format}"),
            op: "readproperty",
            "htv:methodName": "GET",
            contentType: "application/ld+json",
            response: {
              contentType: "application/ld+json",
              "htv:statusCodeValue": 200,
              "htv:headers": [{ "htv:fieldName": "Link" }],
            },
            additionalResponses: readFailures(400, 406, 501),
          },
        ],
      },
    },
    actions: {
      createAnonymousThing: {
        title: "Register a Thing Description without an id",
        input: { type: "object" },
        output: { type: "object", required: ["id", "href"], properties: registeredProperties },
        forms: [
          {
            ...writeForm("POST", "/things", td, 201),
            response: {
              contentType: json,
              "htv:statusCodeValue": 201,
              "htv:headers": [{ "htv:fieldName": "Location" }],
            },
            additionalResponses: writeFailures(400, 415),
          },
        ],
      },
      createThing: {
        title: "Register a Thing Description with an id",
        uriVariables: idVariable,
        input: { type: "object" },
        forms: [
          {
            ...writeForm("PUT", "/things/{id}", td, 201),
            additionalResponses: writeFailures(400, 409, 415),
          },
        ],
      },
      retrieveThing: {
        title: "Read a Thing Description",
        safe: true,
        idempotent: true,
        uriVariables: idVariable,
        output: { type: "object" },
        forms: [{ ...readForm("/things/{id}", td), additionalResponses: readFailures(404, 406, 410) }],
      },
      updateThing: {
        title: "Replace a Thing Description",
        uriVariables: idVariable,
        input: { type: "object" },
        forms: [
          {
            ...writeForm("PUT", "/things/{id}", td, 204),
            additionalResponses: writeFailures(400, 409, 415),
          },
        ],
      },
      partiallyUpdateThing: {
        title: "Change an unsigned Thing Description by a JSON Merge Patch (RFC 7396)",
        uriVariables: idVariable,
        input: { type: "object" },
        forms: [
          {
            ...writeForm("PATCH", "/things/{id}", "application/merge-patch+json", 204),
            additionalResponses: writeFailures(400, 404, 415),
          },
        ],
      },
      deleteThing: {
        title: "Delete an unsigned Thing Description",
        uriVariables: idVariable,
        forms: [{ ...writeForm("DELETE", "/things/{id}", null, 204), additionalResponses: writeFailures(404, 410) }],
      },
      searchJSONPath: {
        title: "Find things, or parts of them, by JSONPath (RFC 9535)",
        safe: true,
        idempotent: true,
        uriVariables: { query: uriVariable("A JSONPath over the array of all Thing Descriptions") },
        output: { type: "array" },
        forms: [{ ...readForm("/search/jsonpath{?query}", json), additionalResponses: readFailures(400, 503) }],
      },
      search: {
        title: "Find things by words, capability and other filters",
        safe: true,
        idempotent: true,
        uriVariables: searchVariables,
        output: {
          type: "object",
          required: ["items"],
          properties: { items: { type: "array", items: { type: "object" } } },
        },
        forms: [
          {
            ...readForm(`/search{?${Object.keys(searchVariables).join(",")}}`, json),
            additionalResponses: readFailures(400),
          },
        ],
      },
    },
    events: {
      thingCreated: {
        title: "A thing was registered",
        uriVariables: diffVariable("Whether the event carries the Thing Description"),
        data: changeData,
        forms: [eventForm("/events/thing_created{?diff}")],
      },
      thingUpdated: {
        title: "A thing's description was changed",
        uriVariables: diffVariable("Whether the event carries the change, as a JSON Merge Patch"),
        data: { ...changeData, contentMediaType: "application/merge-patch+json" },
        forms: [eventForm("/events/thing_updated{?diff}")],
      },
      thingDeleted: {
        title: "A thing is no longer listed: deleted, retracted or expired",
        data: changeData,
        forms: [eventForm("/events/thing_deleted")],
      },
    },
    links: [
      { rel: "service-desc", href: href("/openapi.json"), type: json },
      { rel: "service-doc", href: href("/docs"), type: "text/html" },
      { rel: "describedby", href: href("/.well-known/did.json"), type: "application/did+json" },
    ],
  };
}

const registeredProperties = { id: { type: "string" }, href: { type: "string", format: "uri" } };

/** What an event holds at least. */
const changeData = {
  title: "The thing's id, and what else was asked for",
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", format: "iri-reference" } },
};

/** Parameters of `GET /search`; what may be repeated there is given once here, since a variable is no array. */
const searchVariables = {
  q: uriVariable("Words"),
  capability: uriVariable("Name, title or @type of an affordance"),
  type: uriVariable("An @type of the thing"),
  protocol: uriVariable("Scheme or subprotocol of a form"),
  media: uriVariable("Content type of a form"),
  tag: uriVariable("A tag"),
  vendor: uriVariable("Name of the vendor"),
  lang: uriVariable("Language of the description (BCP 47)"),
  controller: uriVariable("DID of the controller"),
  verified: { title: "Whether a proof by the controller was verified", type: "boolean" },
  facets: uriVariable("Facets to count, separated by commas"),
  limit: { title: "Results in a page", type: "integer", minimum: 1, maximum: limits.searchPageMax },
  cursor: uriVariable("`next` of the page before"),
};
