import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { type Affordance, affordancesOf, arrayOf, formsOf, listOf, objectOf, stringsOf } from "./vocabulary.ts";

/** Content types in lower case and without parameters, each once. */
export interface MediaTypes {
  /** All that the description names. */
  all: string[];
  /** What can be sent to it. */
  input: string[];
  /** What it can answer or tell. */
  output: string[];
}

/** TD 1.1 §5.4: a form without a content type has this one. */
const defaultMediaType = "application/json";

/** Operations that carry data to the thing, and those that bring data from it (TD 1.1 §5.3.4.2). */
const inputOperations = new Set(["writeproperty", "writeallproperties", "writemultipleproperties", "invokeaction"]);
const outputOperations = new Set([
  "readproperty",
  "observeproperty",
  "readallproperties",
  "readmultipleproperties",
  "observeallproperties",
  "invokeaction",
  "subscribeevent",
  "subscribeallevents",
]);

/** Members in which capability manifests list what goes in and out, and what they call the content type. */
const manifestMembers = { input: ["inputs", "lmos:inputs"], output: ["outputs", "lmos:outputs"] } as const;
const mimeMembers = ["mime", "lmos:mime", "mimeType"];

/**
 * The content types that things take and give: of forms (TD 1.1 §5.3.4.2), of data schemas (`contentMediaType`, §5.3.2.1)
 * and of the `inputs` and `outputs` of capability manifests.
 */
export function mediaTypesIn(td: JsonObject): MediaTypes {
  const affordances = affordancesOf(td);
  const holders = [td, ...affordances.map(({ value }) => value)];
  const forms = holders.flatMap((holder) => formsOf(holder, "").map(({ value }) => value));
  const parts = [ofThing(td), ...affordances.map(ofAffordance)];
  const input = unique(parts.flatMap((part) => part.input));
  const output = unique(parts.flatMap((part) => part.output));
  return { all: unique([...forms.flatMap(allOfForm), ...input, ...output]), input, output };
}

type Directions = Omit<MediaTypes, "all">;

function ofThing(td: JsonObject): Directions {
  const forms = formsOf(td, "").map(({ value }) => value);
  const manifests = [td, objectOf(td["lmos:metadata"])].map(ofManifest);
  return {
    input: [
      ...forms.filter((form) => isFor(form, [], inputOperations)).map(requestTypeOf),
      ...manifests.flatMap(({ input }) => input),
    ],
    output: [
      ...forms.filter((form) => isFor(form, [], outputOperations)).flatMap(answerTypesOf),
      ...manifests.flatMap(({ output }) => output),
    ],
  };
}

function ofAffordance({ kind, value }: Affordance): Directions {
  const forms = formsOf(value, "").map((form) => form.value);
  const manifest = ofManifest(value);
  if (kind === "action") {
    const takes = isJsonObject(value.input) ? forms : forms.filter(saysWhatItTakes);
    const gives = isJsonObject(value.output) ? forms : forms.filter(({ response }) => isJsonObject(response));
    return {
      input: [
        ...takes.filter((form) => isFor(form, ["invokeaction"], inputOperations)).map(requestTypeOf),
        ...schemaTypesOf(value.input),
        ...manifest.input,
      ],
      output: [
        ...gives.filter((form) => isFor(form, ["invokeaction"], outputOperations)).flatMap(answerTypesOf),
        ...schemaTypesOf(value.output),
        ...manifest.output,
      ],
    };
  }
  if (kind === "event") {
    return {
      input: [...schemaTypesOf(value.subscription), ...manifest.input],
      output: [
        ...forms.filter((form) => isFor(form, ["subscribeevent"], outputOperations)).flatMap(answerTypesOf),
        ...schemaTypesOf(value.data),
        ...manifest.output,
      ],
    };
  }
  const isRead = value.writeOnly !== true;
  const isWritten = value.readOnly !== true;
  const operations = [...(isRead ? ["readproperty"] : []), ...(isWritten ? ["writeproperty"] : [])];
  const written = forms.filter((form) => isFor(form, operations, inputOperations));
  const read = forms.filter((form) => isFor(form, operations, outputOperations));
  return {
    input: [...written.map(requestTypeOf), ...(written.length === 0 ? [] : schemaTypesOf(value)), ...manifest.input],
    output: [...read.flatMap(answerTypesOf), ...(read.length === 0 ? [] : schemaTypesOf(value)), ...manifest.output],
  };
}

/** Whether one of the form's operations, by default `defaults` (TD 1.1 §5.4), is one of `operations`. */
function isFor(form: JsonObject, defaults: string[], operations: ReadonlySet<string>): boolean {
  const own = form.op === undefined ? defaults : stringsOf(form.op);
  return own.some((operation) => operations.has(operation));
}

/** Of an action without a schema for its input, a form that tells request and answer apart says what it takes. */
function saysWhatItTakes(form: JsonObject): boolean {
  return mediaTypeOf(form.contentType) !== null && isJsonObject(form.response);
}

function requestTypeOf(form: JsonObject): string {
  return mediaTypeOf(form.contentType) ?? defaultMediaType;
}

/** An answer is of the form's content type unless `response` says otherwise (TD 1.1 §5.3.4.2). */
function answerTypesOf(form: JsonObject): string[] {
  const further = arrayOf(form.additionalResponses).filter(isJsonObject);
  return [
    mediaTypeOf(isJsonObject(form.response) ? form.response.contentType : undefined) ?? requestTypeOf(form),
    ...further.filter(({ success }) => success === true).flatMap((response) => mediaTypeOf(response.contentType) ?? []),
  ];
}

/** With the content types of errors. */
function allOfForm(form: JsonObject): string[] {
  const responses = [form.response, ...arrayOf(form.additionalResponses)].filter(isJsonObject);
  return [requestTypeOf(form), ...responses.flatMap((response) => mediaTypeOf(response.contentType) ?? [])];
}

/** `contentMediaType` of a data schema and of those within it. */
function schemaTypesOf(schema: JsonValue | undefined): string[] {
  const types: string[] = [];
  const queue: JsonValue[] = schema === undefined ? [] : [schema];
  for (let next = 0; next < queue.length; next += 1) {
    const inner = queue[next];
    if (!isJsonObject(inner)) continue;
    const type = mediaTypeOf(inner.contentMediaType);
    // Encodings such as `8bit` are found here as well.
    if (type?.includes("/") === true) types.push(type);
    queue.push(...Object.values(objectOf(inner.properties)), ...listOf(inner.items), ...arrayOf(inner.oneOf));
  }
  return types;
}

function ofManifest(holder: JsonObject): Directions {
  const typesIn = (members: readonly string[]) =>
    members
      .flatMap((member) => listOf(holder[member]))
      .filter(isJsonObject)
      .flatMap((item) => mimeMembers.flatMap((member) => mediaTypeOf(item[member]) ?? []));
  return { input: typesIn(manifestMembers.input), output: typesIn(manifestMembers.output) };
}

function mediaTypeOf(value: JsonValue | undefined): string | null {
  if (typeof value !== "string") return null;
  const type = value.split(";", 1)[0]?.trim().toLowerCase();
  return type === undefined || type === "" ? null : type;
}

function unique(values: string[]): string[] {
  return [...new Set(values)];
}
