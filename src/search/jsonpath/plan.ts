import { jsonpath } from "json-p3";
import type { JsonValue } from "../../base/json.ts";
import {
  compileQuery,
  environment,
  type Expression,
  expressionsIn,
  isDescendant,
  type Query,
  subexpressions,
} from "./compile.ts";
import { allOf, type Condition, conditionOfFilter, conditionOfSegments } from "./narrowing.ts";

const { expressions, selectors } = jsonpath;

/**
 * A part of the answer that is found document by document: all parts, one after the other, each over the documents in
 * their order, are the answer.
 */
export interface Part {
  /** The positions in the list that it looks at; `to` is exclusive, null for the end. */
  from: number;
  to: number | null;
  /** What a document must have to be looked at. */
  condition: Condition;
  /** What must hold for the document, if anything. */
  filter: Expression | null;
  /** What is looked for in it. */
  query: Query;
  /** Whether it costs no more than reading the document a few times. */
  isCheap: boolean;
}

/** How to evaluate a query: in parts, or on the list of all documents at once. */
export type Plan = { parts: Part[] } | { whole: Query };

/** A node that a query has found: a document itself, or something in it. */
export type Found = { document: true } | { value: JsonValue };

/**
 * Plans the evaluation of the query `text` over a list of documents. Throws `invalid-parameter` (400) for what is no
 * acceptable query.
 *
 * The first segment picks elements of the list. A query over them all is the concatenation of what it finds in each,
 * selector by selector, since every later segment handles node after node. That ends where a filter looks at the whole
 * list by `$`, or where positions are counted from the end or in steps.
 */
export function planQuery(text: string): Plan {
  const query = compileQuery(text);
  const [first, ...rest] = query.segments;
  if (first === undefined || usesRoot(query)) return { whole: query };

  const inside = new jsonpath.JSONPathQuery(environment, rest);
  const condition = conditionOfSegments(rest);
  const parts: Part[] = [];
  for (const selector of first.selectors) {
    // The list is an array, which has no names.
    if (selector instanceof selectors.NameSelector) continue;
    const range = rangeOf(selector);
    if (range === null) return { whole: query };
    const filter = selector instanceof selectors.FilterSelector ? selector.expression : null;
    parts.push({
      ...range,
      // Positions are those in the whole list, which cannot be told from a part of it.
      condition:
        range.from > 0 || range.to !== null
          ? true
          : allOf([filter === null ? true : conditionOfFilter(filter), condition]),
      filter,
      query: inside,
      isCheap: (filter === null || isCheapFilter(filter)) && isCheapPath(inside),
    });
  }
  if (isDescendant(first)) {
    const below = new jsonpath.JSONPathQuery(environment, query.segments);
    parts.push({
      from: 0,
      to: null,
      condition: conditionOfSegments(query.segments),
      filter: null,
      query: below,
      isCheap: false,
    });
  }
  return { parts };
}

/** What the part finds in one document, in order. */
export function* findIn(part: Part, document: JsonValue): Generator<Found> {
  if (part.filter !== null) {
    const context = { environment, currentValue: document, rootValue: document, lazy: true };
    if (part.filter.evaluate(context) !== true) return;
  }
  if (part.query.segments.length === 0) {
    yield { document: true };
    return;
  }
  for (const node of part.query.lazyQuery(document)) yield { value: node.value as JsonValue };
}

function usesRoot(query: Query): boolean {
  for (const expression of expressionsIn(query.segments)) {
    if (expression instanceof expressions.RootQuery) return true;
  }
  return false;
}

/** The positions that a selector picks in an array, as a range; null if they are none, or counted from the end. */
function rangeOf(selector: jsonpath.JSONPathSelector): { from: number; to: number | null } | null {
  if (selector instanceof selectors.IndexSelector) {
    return selector.index < 0 ? null : { from: selector.index, to: selector.index + 1 };
  }
  if (selector instanceof selectors.SliceSelector) {
    const { start = 0, stop = null, step = 1 } = selector;
    return step !== 1 || start < 0 || (stop ?? 0) < 0 ? null : { from: start, to: stop };
  }
  return { from: 0, to: null };
}

/** Whether a filter costs the same in any document: it follows fixed paths and compares what is there with literals. */
function isCheapFilter(filter: Expression): boolean {
  return [...subexpressions(filter)].every((expression) => {
    if (expression instanceof expressions.FunctionExtension) return false;
    if (expression instanceof expressions.FilterQuery) return expression.path.singularQuery();
    if (!(expression instanceof expressions.InfixExpression)) return true;
    // Two values are compared deeply.
    return !(expression.left instanceof expressions.FilterQuery && expression.right instanceof expressions.FilterQuery);
  });
}

/** Whether a path visits no value twice. */
function isCheapPath(path: Query): boolean {
  return path.segments.every(
    (segment) =>
      !isDescendant(segment) &&
      segment.selectors.length === 1 &&
      !(segment.selectors[0] instanceof selectors.FilterSelector),
  );
}
