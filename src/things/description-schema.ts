import publishedSchema from "wot-thing-description-types/schema/td-json-schema-validation.json" with { type: "json" };
import type { JsonObject, JsonValue } from "../base/json.ts";
import { isJsonObject } from "../base/json.ts";

/** The versions of the Thing Description recommendation that a document can be held to. */
export type TdVersion = "1.0" | "1.1";

/** Security schemes of TD 1.0 §5.3.3 and the definitions of the published schema that describe them. */
const schemes10 = {
  nosec: "noSecurityScheme",
  basic: "basicSecurityScheme",
  digest: "digestSecurityScheme",
  apikey: "apiKeySecurityScheme",
  bearer: "bearerSecurityScheme",
  psk: "pskSecurityScheme",
  oauth2: "oAuth2SecurityScheme",
};

/** TD 1.1 §5.3.3 added two. */
const schemes11 = { ...schemes10, auto: "autoSecurityScheme", combo: "comboSecurityScheme" };

/** The security schemes that TD 1.1 names; others are written with a prefix. */
export const securitySchemeNames = Object.keys(schemes11);

/**
 * The JSON Schema (draft-07) for descriptions of one version, made from the one that the W3C publishes for TD 1.1.
 * `@context` is left to the caller, which has chosen the version by it, and so is the format of `id`, which may be an
 * IRI and has a length.
 */
export function descriptionSchemaOf(version: TdVersion): JsonObject {
  const schema = structuredClone(publishedSchema) as unknown as JsonObject;
  // The published identifier would make two schemas of one validator collide.
  delete schema.$id;
  delete at(schema, "properties")["@context"];
  delete at(schema, "properties", "id").format;
  dropRequired(schema, "@context");
  admitTypeLists(schema);
  boundCost(schema);
  nameFaults(schema, version === "1.1" ? schemes11 : schemes10, version === "1.1");
  if (version === "1.0") relaxTo10(schema);
  return schema;
}

/**
 * Admits several types for one value, e.g. `["integer", "null"]`, as JSON Schema does and TD does not. The schemas of
 * tools that were made for other protocols (MCP above all) are full of them, and no consumer is worse off than with
 * such a tool missing.
 */
function admitTypeLists(schema: JsonObject): void {
  const definitions = at(schema, "definitions");
  const simpleTypes = at(definitions, "dataSchema-type");
  definitions["dataSchema-type"] = {
    oneOf: [simpleTypes, { type: "array", minItems: 1, distinctItems: true, items: simpleTypes }],
  };
}

/**
 * Replaces what takes quadratic time on hostile input by an equivalent that takes linear time. The patterns are not
 * anchored, so a part that may repeat at their start adds nothing to what they match.
 */
function boundCost(schema: JsonObject): void {
  at(schema, "definitions", "additionalSecurityScheme", "properties", "scheme").pattern = ".:";
  for (const holder of ["dataSchema", "property_element"]) {
    const enumeration = at(schema, "definitions", holder, "properties", "enum");
    delete enumeration.uniqueItems;
    enumeration.distinctItems = true;
  }
}

/**
 * Writes two choices as conditions, so that a fault is reported for the alternative that was meant and not once for
 * each of ten: the security scheme by its `scheme`, and the link by its `rel`.
 */
function nameFaults(schema: JsonObject, schemes: Record<string, string>, isPrefixRequired: boolean): void {
  const definitions = at(schema, "definitions");
  const conditions = Object.entries(schemes).map(([scheme, definition]) =>
    when({ properties: { scheme: { const: scheme } } }, { $ref: `#/definitions/${definition}` }),
  );
  if (isPrefixRequired) {
    const isNamed = { properties: { scheme: { enum: Object.keys(schemes) } } };
    conditions.push(when(isNamed, {}, { $ref: "#/definitions/additionalSecurityScheme" }));
  }
  definitions.securityScheme = {
    type: "object",
    required: ["scheme"],
    properties: { scheme: { type: "string" } },
    ...when(
      { type: "object", required: ["scheme"], properties: { scheme: { type: "string" } } },
      { allOf: conditions },
    ),
  };
  at(schema, "properties", "links").items = {
    allOf: [
      { $ref: "#/definitions/base_link_element" },
      when(
        { type: "object", required: ["rel"], properties: { rel: { const: "icon" } } },
        // As published, but for the digits before the "x": the pattern is not anchored, so they add only cost.
        { properties: { sizes: { type: "string", pattern: "x[0-9]" } } },
        { properties: { sizes: false, rel: { not: { const: "tm:extends" } } } },
      ),
    ],
  };
}

/**
 * Takes back what TD 1.1 added or tightened, so that a document with only the TD 1.0 context is held to TD 1.0 (W3C
 * Recommendation of 9 April 2020, §5.3, and its JSON Schema in appendix B). What 1.0 did not know is there an unknown
 * term, which may have any value. `id` was optional already, and `title`, `security`, `securityDefinitions`,
 * `version.instance` and the `href` of forms and links were mandatory. Operations that 1.1 added stay accepted, because
 * the published schema for 1.1 accepts them under this context, too.
 *
 * - Thing: no `profile`, `schemaDefinitions` or `uriVariables`; a form may leave out `op` (its default was not excluded
 *   by the schema).
 * - Actions had no `synchronous`, events no `dataResponse`.
 * - Forms: no `additionalResponses`; `security` might be an empty array.
 * - Data schemas: no `default`, `contentEncoding`, `contentMediaType`, `exclusiveMinimum`, `exclusiveMaximum`,
 *   `minLength`, `maxLength` or `multipleOf`.
 * - Links: no `hreflang`, and `sizes` and `tm:extends` had no meaning.
 * - Security schemes: neither `auto` nor `combo`, and other schemes (`cert`, `public` and `pop` of its drafts) needed
 *   no prefix.
 */
function relaxTo10(schema: JsonObject): void {
  const definitions = at(schema, "definitions");
  forget(schema, ["profile", "schemaDefinitions", "uriVariables"]);
  forget(at(definitions, "action_element"), ["synchronous"]);
  forget(at(definitions, "event_element"), ["dataResponse"]);
  forget(at(definitions, "form_element_base"), ["additionalResponses"]);
  dropRequired(at(definitions, "form_element_root"), "op");
  for (const holder of ["dataSchema", "property_element"]) {
    forget(at(definitions, holder), [
      "default",
      "contentEncoding",
      "contentMediaType",
      "exclusiveMinimum",
      "exclusiveMaximum",
      "minLength",
      "maxLength",
      "multipleOf",
    ]);
  }
  forget(at(definitions, "base_link_element"), ["hreflang"]);
  at(schema, "properties", "links").items = { $ref: "#/definitions/base_link_element" };
  definitions.security = { oneOf: [{ type: "array", items: { type: "string" } }, { type: "string" }] };
}

function when(condition: JsonObject, consequence: JsonObject, alternative: JsonObject = {}): JsonObject {
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  return { if: condition, then: consequence, else: alternative };
}

function forget(holder: JsonObject, members: string[]): void {
  const properties = at(holder, "properties");
  for (const member of members) delete properties[member];
}

function dropRequired(holder: JsonObject, member: string): void {
  const { required } = holder;
  if (Array.isArray(required)) holder.required = required.filter((name) => name !== member);
}

/** The object at a path of the schema. Missing means that the installed schema is another than this was made for. */
function at(schema: JsonObject, ...path: string[]): JsonObject {
  let node: JsonValue = schema;
  for (const name of path) {
    const next: JsonValue | undefined = isJsonObject(node) ? node[name] : undefined;
    if (!isJsonObject(next)) throw new TypeError(`the schema of Thing Descriptions has no ${path.join("/")}`);
    node = next;
  }
  return node as JsonObject;
}
