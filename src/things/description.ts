import type { ValidateFunction } from "ajv";
import { Ajv } from "ajv";
import { canonicalize } from "../base/canonical.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { isJsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import type { ValidationError } from "../base/problem.ts";
import { dateTimeFormat } from "./date-time.ts";
import type { TdVersion } from "./description-schema.ts";
import { descriptionSchemaOf } from "./description-schema.ts";
import { discoveryFaults } from "./discovery-extension.ts";
import { faultsOf, shortPointer, shown } from "./schema-faults.ts";
import { thingIdFault } from "./thing-id.ts";
import { affordancesOf, arrayOf, contexts, formsOf, listOf, objectOf, pointerToken } from "./vocabulary.ts";

export { isUri, parseThingId, thingIdOf } from "./thing-id.ts";

/**
 * Checks a Thing Description: its context says which version it is held to (TD 1.1, or TD 1.0 if only that context is
 * there), then the JSON Schema of that version, then what a schema cannot say: that every security and schema
 * definition that is named exists; and what WoT Discovery adds. A missing `id` is no fault.
 *
 * Returns at most `limits.validationErrorsMax` faults, each with the JSON Pointer of the offending place (for a missing
 * member, of that member) and what was expected there; an empty array means that the description is valid.
 */
export function validateDescription(td: JsonObject): ValidationError[] {
  const version = versionOf(td["@context"]);
  const validate = validatorOf(version ?? "1.1");
  const errors = [...contextFaults(td["@context"], version)];
  if (!validate(td)) errors.push(...faultsOf(validate.errors ?? []));
  errors.push(...idFaults(td), ...nameFaults(td), ...discoveryFaults(td));
  return distinct(errors).slice(0, limits.validationErrorsMax);
}

/** The version of TD that a context calls for; null if it calls for none. A context of TD 1.1 wins over one of 1.0. */
function versionOf(context: JsonValue | undefined): TdVersion | null {
  const items = listOf(context);
  if (items.includes(contexts.td11)) return "1.1";
  return items.includes(contexts.td10) ? "1.0" : null;
}

/**
 * The context must equal or contain that of the TD (TD 1.1, assertion td-context). The recommendation asks for it first; the
 * published schema does not, and neither does this: no reader of ours depends on the order.
 */
function contextFaults(context: JsonValue | undefined, version: TdVersion | null): ValidationError[] {
  if (version === null) {
    const found = context === undefined ? "is missing" : "names no version of Thing Descriptions";
    const wanted = `"${contexts.td11}", alone or as the first item of an array (or "${contexts.td10}" for TD 1.0)`;
    return [{ field: "/@context", description: `"@context" ${found}; expected ${wanted}.` }];
  }
  return arrayOf(context).flatMap((item, index) =>
    typeof item === "string" || isJsonObject(item)
      ? []
      : [
          {
            field: `/@context/${index}`,
            description: "Expected the URI of a context, or an object that defines terms.",
          },
        ],
  );
}

function idFaults(td: JsonObject): ValidationError[] {
  const fault = typeof td.id === "string" ? thingIdFault(td.id) : null;
  return fault === null ? [] : [{ field: "/id", description: `The id ${fault}.` }];
}

/**
 * Names that refer to nothing: in `security` of the thing and its forms and in `combo` schemes to `securityDefinitions`
 * (TD 1.1 §5.3.1.1 and §5.3.3), in `additionalResponses` to `schemaDefinitions` (§5.3.4.4).
 */
function nameFaults(td: JsonObject): ValidationError[] {
  const errors: ValidationError[] = [];
  const check = (
    names: JsonValue | undefined,
    pointer: string,
    definitions: "securityDefinitions" | "schemaDefinitions",
  ) => {
    const defined = objectOf(td[definitions]);
    for (const [index, name] of listOf(names).entries()) {
      if (typeof name !== "string" || Object.hasOwn(defined, name)) continue;
      if (errors.length === limits.validationErrorsMax) return;
      const field = shortPointer(Array.isArray(names) ? `${pointer}/${index}` : pointer);
      errors.push({ field, description: `${shown(name)} is not defined; expected a name from ${definitions}.` });
    }
  };

  check(td.security, "/security", "securityDefinitions");
  for (const [name, definition] of Object.entries(objectOf(td.securityDefinitions))) {
    if (!isJsonObject(definition) || definition.scheme !== "combo") continue;
    const pointer = `/securityDefinitions/${pointerToken(name)}`;
    check(arrayOf(definition.oneOf), `${pointer}/oneOf`, "securityDefinitions");
    check(arrayOf(definition.allOf), `${pointer}/allOf`, "securityDefinitions");
  }
  const affordances = affordancesOf(td);
  const forms = [...formsOf(td, ""), ...affordances.flatMap(({ value, pointer }) => formsOf(value, pointer))];
  for (const form of forms) {
    check(form.value.security, `${form.pointer}/security`, "securityDefinitions");
    for (const [index, response] of arrayOf(form.value.additionalResponses).entries()) {
      if (!isJsonObject(response)) continue;
      check(response.schema, `${form.pointer}/additionalResponses/${index}/schema`, "schemaDefinitions");
    }
  }
  return errors;
}

function distinct(errors: ValidationError[]): ValidationError[] {
  const fields = new Set<string>();
  return errors.filter(({ field, description }) => {
    const key = `${field}\n${description}`;
    return !fields.has(key) && fields.add(key);
  });
}

const validators = new Map<TdVersion, ValidateFunction>();

/** The compiled schema of a version, made on first use (tens of milliseconds) and kept. */
function validatorOf(version: TdVersion): ValidateFunction {
  const existing = validators.get(version);
  if (existing !== undefined) return existing;
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false });
  ajv.addFormat("date-time", dateTimeFormat);
  ajv.addKeyword({ keyword: "distinctItems", type: "array", schemaType: "boolean", validate: hasDistinctItems });
  const compiled = ajv.compile(descriptionSchemaOf(version));
  validators.set(version, compiled);
  return compiled;
}

/** What `uniqueItems` checks, in time linear in the size of the items instead of quadratic in their number. */
function hasDistinctItems(_isWanted: boolean, items: JsonValue[]): boolean {
  return new Set(items.map((item) => canonicalize(item))).size === items.length;
}
