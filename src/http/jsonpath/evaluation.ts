import type { JsonValue } from "../../base/json.ts";
import { isJsonObject } from "../../base/json.ts";
import { findIn, planQuery } from "../../search/jsonpath/plan.ts";
import { enrichDescription, type Registration } from "../../things/enrich.ts";

/** A document as it is stored, and what it is enriched with before anybody sees it; null if it is shown as it is. */
export interface Source {
  document: string;
  registration: Registration | null;
}

/** A piece of work that is done at once: a part of a query on some documents, or a query on all documents together. */
export interface Task {
  query: string;
  /** Index into the plan's parts; null for the whole query. */
  part: number | null;
  sources: Source[];
  /** How long the result may be. */
  charactersMax: number;
}

/** The nodes that were found, as JSON and separated by commas; or that they would have been too long. */
export type Evaluation = { json: string } | { tooLong: true };

/** Evaluates a query on documents. Its cost has no bound but that of the query: only a cheap part may run in the service's own thread. */
export function evaluate(task: Task): Evaluation {
  const found: string[] = [];
  let characters = 0;
  for (const text of foundBy(task)) {
    characters += text.length + 1;
    if (characters > task.charactersMax) return { tooLong: true };
    found.push(text);
  }
  return { json: found.join(",") };
}

function* foundBy({ query, part: index, sources }: Task): Generator<string> {
  const plan = planQuery(query);
  if ("whole" in plan) {
    const documents = sources.map((source) => JSON.parse(shown(source).text) as JsonValue);
    for (const node of plan.whole.lazyQuery(documents)) yield JSON.stringify(node.value);
    return;
  }
  const part = plan.parts[index ?? 0];
  if (part === undefined) throw new TypeError("the plan has no such part");
  for (const source of sources) {
    const { value, text } = shown(source);
    for (const found of findIn(part, value)) yield "document" in found ? text : JSON.stringify(found.value);
  }
}

/** A document as readers see it (http/show-entry.ts). */
function shown({ document, registration }: Source): { value: JsonValue; readonly text: string } {
  const stored = JSON.parse(document) as JsonValue;
  if (registration === null || !isJsonObject(stored)) return { value: stored, text: document };
  const value = enrichDescription(stored, registration);
  return {
    value,
    get text() {
      return JSON.stringify(value);
    },
  };
}
