import { jsonpath } from "json-p3";
import { type Expression, isDescendant, type Segment } from "./compile.ts";
import {
  elementOf,
  memberOf,
  nameTerm,
  nonObjectTerm,
  objectTerm,
  type Path,
  type PathTerm,
  rootPath,
  valueTerm,
} from "./paths.ts";

const { expressions, selectors } = jsonpath;

/**
 * What a document must have among its terms if a query is to find anything in it. `true` rules nothing out. It may
 * hold for documents in which the query finds nothing; it never fails for one in which it does.
 *
 * There is no "not": the index finds too much, and its negation would find too little. Negations are pushed down to
 * the comparisons; what is left of them there rules nothing out.
 */
export type Condition = true | { term: PathTerm } | { all: Condition[] } | { any: Condition[] };

/** Members that the registry itself adds to an unsigned description, and which the index therefore does not have. */
const addedAtTop = new Set(["registration", "@context"]);
const addedNames = new Set(["registration", "created", "modified", "expires", "ttl", "retrieved", "@context"]);

/** Members that every description has, by its schema or because an id was given to it. */
const everywhere = new Set(["id", "title", "security", "securityDefinitions"]);

/** What the filter `expression` on a document needs to hold. */
export function conditionOfFilter(expression: Expression): Condition {
  return ofExpression(expression, rootPath, true);
}

/** What `segments`, applied to a document, need to find anything. */
export function conditionOfSegments(segments: readonly Segment[]): Condition {
  return ofSegments(segments, rootPath);
}

export function allOf(conditions: Condition[]): Condition {
  const parts = conditions.filter((condition) => condition !== true);
  return parts.length === 0 ? true : parts.length === 1 ? (parts[0] ?? true) : { all: parts };
}

export function anyOf(conditions: Condition[]): Condition {
  if (conditions.includes(true)) return true;
  return conditions.length === 1 ? (conditions[0] ?? true) : { any: conditions };
}

/** The condition as the text of a `tsquery`; null where it rules nothing out. */
export function toTsquery(condition: Condition): string | null {
  return condition === true ? null : tsqueryOf(condition);
}

function tsqueryOf(condition: Exclude<Condition, true>): string {
  if ("term" in condition) return condition.term;
  const [parts, operator] = "all" in condition ? [condition.all, "&"] : [condition.any, "|"];
  return `(${parts.flatMap((part) => (part === true ? [] : [tsqueryOf(part)])).join(operator)})`;
}

/** Whether `expression` comes out as `holds` where `@` is at `path`. */
function ofExpression(expression: Expression, path: Path, holds: boolean): Condition {
  if (expression instanceof expressions.LogicalExpression) return ofExpression(expression.expression, path, holds);
  if (expression instanceof expressions.PrefixExpression) return ofExpression(expression.right, path, !holds);
  if (expression instanceof expressions.RelativeQuery) return holds ? ofSegments(expression.path.segments, path) : true;
  if (expression instanceof expressions.FunctionExtension) return holds ? ofStringTest(expression, path) : true;
  if (!(expression instanceof expressions.InfixExpression)) return true;

  const { left, right, operator } = expression;
  if (operator === "&&" || operator === "||") {
    const both = [ofExpression(left, path, holds), ofExpression(right, path, holds)];
    // Not (a and b) is (not a) or (not b), and the other way round.
    return (operator === "&&") === holds ? allOf(both) : anyOf(both);
  }
  const literal = literalOf(left) ?? literalOf(right);
  const operand = literalOf(left) === null ? left : right;
  if (literal === null || literalOf(operand) !== null) return true;
  if (operator === (holds ? "==" : "!=")) return ofComparison(operand, path, literal);
  // An order holds only between two values; all other comparisons also hold where there is none.
  return holds && operator !== "!=" ? ofComparison(operand, path, null) : true;
}

/** Whether `operand` is `literal`; with null, whether it is anything. */
function ofComparison(operand: Expression, path: Path, literal: Literal | null): Condition {
  if (operand instanceof expressions.RelativeQuery) return ofSegments(operand.path.segments, path, literal);
  const [argument] = operand instanceof expressions.FunctionExtension && operand.name === "length" ? operand.args : [];
  return argument instanceof expressions.RelativeQuery ? ofSegments(argument.path.segments, path) : true;
}

/** `match` and `search` hold for strings only, so there must be one. */
function ofStringTest({ name, args }: { name: string; args: Expression[] }, path: Path): Condition {
  const [text] = name === "match" || name === "search" ? args : [];
  return text instanceof expressions.RelativeQuery ? ofSegments(text.path.segments, path) : true;
}

/** Whether `segments` lead from `path` to something; with a literal, to that value. */
function ofSegments(segments: readonly Segment[], path: Path, literal: Literal | null = null): Condition {
  const [segment, ...rest] = segments;
  if (segment === undefined) {
    if (literal !== null) return { term: valueTerm(path, literal.value) };
    return existenceOf(path);
  }
  const reached = existenceOf(path);
  if (isDescendant(segment)) return allOf([reached, ofNamesAnywhere(segments)]);

  const [selector, ...others] = segment.selectors;
  if (others.length > 0) {
    // Following each of several selectors further could double the condition at each segment.
    const names = segment.selectors.map((one) => (one instanceof selectors.NameSelector ? one.name : null));
    return anyOf(names.map((name) => (name === null ? reached : ofName(path, name, [], null))));
  }
  if (selector instanceof selectors.NameSelector) return ofName(path, selector.name, rest, literal);
  if (selector instanceof selectors.IndexSelector || selector instanceof selectors.SliceSelector) {
    return ofSegments(rest, elementOf(path), literal);
  }
  // What is left selects members of objects as well, whose names nobody knows.
  if (path === rootPath) return true;
  const inArray = ofSegments(rest, elementOf(path), literal);
  const isSelected =
    selector instanceof selectors.FilterSelector ? ofExpression(selector.expression, elementOf(path), true) : true;
  return anyOf([allOf([inArray, isSelected]), { term: objectTerm(path) }]);
}

function existenceOf(path: Path): Condition {
  return path === rootPath ? true : { any: [{ term: objectTerm(path) }, { term: nonObjectTerm(path) }] };
}

function ofName(path: Path, name: string, rest: readonly Segment[], literal: Literal | null): Condition {
  if (path === rootPath && addedAtTop.has(name)) return true;
  if (path === rootPath && rest.length === 0 && literal === null && everywhere.has(name)) return true;
  return ofSegments(rest, memberOf(path, name), literal);
}

/** After `..` the place is unknown: what remains are the names that must occur somewhere. */
function ofNamesAnywhere(segments: readonly Segment[]): Condition {
  return allOf(
    segments.map(({ selectors: [selector, ...others] }) =>
      selector instanceof selectors.NameSelector && others.length === 0 && !addedNames.has(selector.name)
        ? { term: nameTerm(selector.name) }
        : true,
    ),
  );
}

interface Literal {
  value: string | number | boolean | null;
}

function literalOf(expression: Expression): Literal | null {
  if (
    expression instanceof expressions.StringLiteral ||
    expression instanceof expressions.NumberLiteral ||
    expression instanceof expressions.BooleanLiteral
  ) {
    return { value: expression.value };
  }
  return expression instanceof expressions.NullLiteral ? { value: null } : null;
}
