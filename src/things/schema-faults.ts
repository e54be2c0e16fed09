import type { ErrorObject } from "ajv";
import type { ValidationError } from "../base/problem.ts";
import { securitySchemeNames } from "./description-schema.ts";
import { pointerToken } from "./vocabulary.ts";

/** What the members of a Thing Description hold, for messages; found by the member's name. */
const expectations: Record<string, string> = {
  "@type": 'a string or an array of strings, none of them "tm:ThingModel" (a Thing Model is not a Thing Description)',
  title: "a string, the name of the thing for people",
  security: "the name of a definition in securityDefinitions, or a non-empty array of such names",
  securityDefinitions: 'an object with at least one security scheme, e.g. {"nosec_sc": {"scheme": "nosec"}}',
  scheme: `a string: ${securitySchemeNames.join(", ")}, or a scheme with the prefix of its vocabulary, e.g. "ace:…"`,
  forms: "an array of at least one form, each with an href",
  href: "a string, the URI (or URI template) to interact with",
  op: "an operation or an array of operations",
  instance: "a string, the version of this description",
  contentType: 'a media type, e.g. "application/json"',
  scopes: "a string or an array of strings",
  items: "a data schema or an array of data schemas",
  profile: "a URI or an array of URIs",
  hreflang: 'a language tag or an array of them, e.g. "en" (BCP 47)',
  id: 'a URI without spaces, e.g. "urn:uuid:…"',
};

/** What the alternatives of a `combo` security scheme ask for. */
const comboExpectations: Record<string, string> = {
  oneOf: "an array of at least two names from securityDefinitions, in either oneOf or allOf",
  allOf: "an array of at least two names from securityDefinitions, in either oneOf or allOf",
};

/** How many raw faults are looked at: many times more than are listed, so that the choice below has enough of them. */
const rawFaultsMax = 400;

/** Characters of all their pointers together: they are copied on use, and one name may take up most of a document. */
const rawPointerUnitsMax = 1024 * 1024;

/** Names in documents may be long: a pointer ends at the innermost container that can be named in this length. */
const pointerUnitsMax = 512;

interface Fault extends ValidationError {
  /** Says which type was expected, and so nothing to somebody who meant another alternative. */
  isAboutType: boolean;
  /** Says that a member is missing, which another alternative may not ask for. */
  isAboutMissing: boolean;
}

/**
 * Turns the errors of a JSON Schema validator into few faults that say where and what was expected. An `anyOf` or
 * `oneOf` that fails reports an error for every alternative: where one alternative got further into the value, only its
 * faults are kept, otherwise they become one.
 */
export function faultsOf(errors: ErrorObject[]): ValidationError[] {
  const faults: Fault[] = [];
  let pointerUnits = 0;
  for (const error of errors.slice(0, rawFaultsMax)) {
    pointerUnits += error.instancePath.length;
    if (pointerUnits > rawPointerUnitsMax) break;
    if (error.keyword === "if") continue;
    if (error.keyword !== "oneOf" && error.keyword !== "anyOf") {
      faults.push(faultOf(error));
      continue;
    }
    const field = error.instancePath;
    const start = faults.findLastIndex((fault) => !isWithin(fault.field, field)) + 1;
    const alternatives = faults.splice(start);
    faults.push(...mostTelling(alternatives, error));
  }
  const specificFields = new Set(faults.filter((fault) => !fault.isAboutType).map(({ field }) => field));
  return faults
    .filter((fault) => !fault.isAboutType || !specificFields.has(fault.field))
    .map(({ field, description }) => ({ field: shortPointer(field), description }));
}

/** Of the faults of all alternatives of a choice, those of the alternative that was probably meant. */
function mostTelling(alternatives: Fault[], choice: ErrorObject): Fault[] {
  const field = choice.instancePath;
  const deeper = alternatives.filter((fault) => fault.field !== field);
  const present = deeper.filter((fault) => !fault.isAboutMissing);
  if (present.length > 0) return present;
  const [missing] = deeper;
  if (missing !== undefined) return [missing];
  const specific = alternatives.find((fault) => !fault.isAboutType);
  if (specific !== undefined) return [specific];
  const isAmbiguous = alternatives.length === 0;
  const expected = isAmbiguous ? "only one of oneOf and allOf" : (known(field) ?? "a value of another type");
  return [{ field, description: `Expected ${expected}.`, isAboutType: !isAmbiguous, isAboutMissing: false }];
}

/** `pointer`, or that of a container around it that can be shown. */
export function shortPointer(pointer: string): string {
  return pointer.length <= pointerUnitsMax ? pointer : pointer.slice(0, pointer.lastIndexOf("/", pointerUnitsMax));
}

/** A name or value from a document, for a message: quoted and of bounded length. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}

function faultOf(error: ErrorObject): Fault {
  const { instancePath, keyword } = error;
  const params = error.params as Record<string, unknown>;
  const isAboutType = keyword === "type" || keyword === "const";
  if (keyword === "required" && typeof params.missingProperty === "string") {
    const member = params.missingProperty;
    const expected = expectations[member] ?? comboExpectations[member] ?? "a value";
    const description = `${shown(member)} is missing; expected ${expected}.`;
    return { field: `${instancePath}/${pointerToken(member)}`, description, isAboutType, isAboutMissing: true };
  }
  const description = `Expected ${expectationOf(error, params)}.`;
  return { field: instancePath, description, isAboutType, isAboutMissing: false };
}

function expectationOf(error: ErrorObject, params: Record<string, unknown>): string {
  switch (error.keyword) {
    case "type":
      return known(error.instancePath) ?? withArticle(String(params.type));
    case "enum":
      return Array.isArray(params.allowedValues)
        ? `one of ${params.allowedValues.map((value) => String(value)).join(", ")}`
        : "one of the defined values";
    case "const":
      return shown(params.allowedValue);
    case "minItems":
      return `at least ${String(params.limit)} item${params.limit === 1 ? "" : "s"}`;
    case "minProperties":
      return `at least ${String(params.limit)} member${params.limit === 1 ? "" : "s"}`;
    case "minimum":
    case "exclusiveMinimum":
      return `a number ${String(params.comparison)} ${String(params.limit)}`;
    case "distinctItems":
      return "items that all differ";
    case "format":
      return params.format === "date-time" ? "a date and time, e.g. 2026-01-31T12:00:00Z (RFC 3339)" : "a URI";
    case "pattern":
      return error.instancePath.endsWith("/sizes")
        ? 'the size of the icon, e.g. "16x16"'
        : (known(error.instancePath) ?? `a string that matches ${String(params.pattern)}`);
    case "false schema":
      return 'no such member: only links with the rel "icon" have sizes';
    case "not":
      if (error.instancePath.endsWith("/rel")) return 'another relation than "tm:extends", which is for Thing Models';
      return known(error.instancePath.replace(/\/\d+$/, "")) ?? "another value";
    default:
      return "another value";
  }
}

/** What the member that `pointer` ends with is expected to be. */
function known(pointer: string): string | undefined {
  const name = pointer.slice(pointer.lastIndexOf("/") + 1);
  return Object.hasOwn(expectations, name) ? expectations[name] : undefined;
}

function withArticle(types: string): string {
  return types
    .split(",")
    .map((type) => (/^[aio]/.test(type) ? `an ${type}` : type === "null" ? type : `a ${type}`))
    .join(" or ");
}

function isWithin(pointer: string, container: string): boolean {
  return pointer.startsWith(container) && (pointer.length === container.length || pointer[container.length] === "/");
}
