import { jsonpath } from "json-p3";
import { limits } from "../../base/limits.ts";
import { Problem } from "../../base/problem.ts";
import { strictFunctions } from "./functions.ts";

const { expressions, selectors } = jsonpath;

export type Query = jsonpath.JSONPathQuery;
export type Segment = jsonpath.JSONPathSegment;
export type Selector = jsonpath.JSONPathSelector;
export type Expression = jsonpath.expressions.FilterExpression;

/** json-p3's environment with the functions as RFC 9535 has them. */
export const environment = new jsonpath.JSONPathEnvironment();
for (const [name, definition] of strictFunctions) environment.functionRegister.set(name, definition);

/** The class of the segments `..`, which the library does not export. */
const descendantSegment = environment.compile("$..a").segments[0]?.constructor;

/** Whether the segment is `..`, which looks at all depths. */
export function isDescendant(segment: Segment): boolean {
  return segment.constructor === descendantSegment;
}

/**
 * Compiles a query (RFC 9535). Throws `invalid-parameter` (400) that says where for what is no JSONPath, longer than
 * `limits.jsonPathBytesMax`, or nested more than `limits.jsonPathDepthMax` deep.
 */
export function compileQuery(text: string): Query {
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.jsonPathBytesMax) {
    throw invalid(`has ${bytes} bytes in UTF-8; at most ${limits.jsonPathBytesMax} are accepted`);
  }
  checkDepth(text);
  const query = compile(text);
  for (const expression of expressionsIn(query.segments)) orderByCodePoint(expression);
  return query;
}

/** All filter expressions of `segments`, however deep. */
export function* expressionsIn(segments: readonly Segment[]): Generator<Expression> {
  for (const selector of segments.flatMap((segment) => segment.selectors)) {
    if (selector instanceof selectors.FilterSelector) yield* subexpressions(selector.expression);
  }
}

/** The expression and all that it consists of, filters in its paths included. */
export function* subexpressions(expression: Expression): Generator<Expression> {
  yield expression;
  if (expression instanceof expressions.LogicalExpression) {
    yield* subexpressions(expression.expression);
  } else if (expression instanceof expressions.PrefixExpression) {
    yield* subexpressions(expression.right);
  } else if (expression instanceof expressions.InfixExpression) {
    yield* subexpressions(expression.left);
    yield* subexpressions(expression.right);
  } else if (expression instanceof expressions.FunctionExtension) {
    for (const argument of expression.args) yield* subexpressions(argument);
  } else if (expression instanceof expressions.FilterQuery) {
    yield* expressionsIn(expression.path.segments);
  }
}

function compile(text: string): Query {
  try {
    return environment.compile(text);
  } catch (error) {
    if (!(error instanceof jsonpath.JSONPathError)) throw error;
    const { token } = error;
    // The library adds an excerpt and an offset in its own form.
    const what = error.message
      .replace(/ \('.*':-?\d+\)$/s, "")
      .replace("can't backup beyond start", () => "expected '$'");
    const at = token.index < 0 ? text.length : Math.min(token.index, text.length);
    const place = at === text.length ? "at its end" : `at character ${Array.from(text.slice(0, at)).length + 1}`;
    throw invalid(`is not a JSONPath query (RFC 9535): ${what}, ${place}`, error);
  }
}

/** Counts brackets and parentheses outside of strings. */
function checkDepth(text: string): void {
  let depth = 0;
  let quote = "";
  for (let at = 0; at < text.length; at += 1) {
    const unit = text[at] ?? "";
    if (quote !== "") {
      if (unit === "\\") at += 1;
      else if (unit === quote) quote = "";
    } else if (unit === '"' || unit === "'") {
      quote = unit;
    } else if (unit === "[" || unit === "(") {
      depth += 1;
      if (depth > limits.jsonPathDepthMax) {
        throw invalid(
          `is nested more than ${limits.jsonPathDepthMax} deep, at character ${Array.from(text.slice(0, at)).length + 1}`,
        );
      }
    } else if (unit === "]" || unit === ")") {
      depth -= 1;
    }
  }
}

/** Strings are ordered by code points (RFC 9535 §2.3.5.2.2); the library does so by UTF-16 units. */
function orderByCodePoint(expression: Expression): void {
  if (!(expression instanceof expressions.InfixExpression) || !/^[<>]=?$/.test(expression.operator)) return;
  expression.evaluate = (context) => {
    const left = valueOf(expression.left.evaluate(context));
    const right = valueOf(expression.right.evaluate(context));
    if (typeof left !== "string" || typeof right !== "string") {
      return expressions.compare(left, expression.operator, right);
    }
    return expressions.compare(Buffer.compare(Buffer.from(left), Buffer.from(right)), expression.operator, 0);
  };
}

/** What a singular query has found; other values stay as they are. */
function valueOf(value: unknown): unknown {
  return value instanceof jsonpath.JSONPathNodeList && value.length === 1 ? value.nodes[0]?.value : value;
}

function invalid(description: string, cause?: unknown): Problem {
  return new Problem("invalid-parameter", `query: ${description}.`, {
    validationErrors: [{ field: "query", description }],
    cause,
  });
}
