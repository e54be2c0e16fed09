/*
 * Filter expressions as Meilisearch documents them, for the stand-in of its server:
 * https://www.meilisearch.com/docs/capabilities/filtering_sorting_faceting/advanced/filter_expression_syntax
 */

/** Whether a document passes. */
export type Filter = (document: Record<string, unknown>) => boolean;

/** A filter that Meilisearch would refuse (`invalid_search_filter`). */
export class FilterFault extends Error {}

/** Bytes of a string value that are compared. */
const valueBytesMax = 468;

/** The filter that `given` (a string, or an array of strings and arrays of strings) means. Throws FilterFault. */
export function filterOf(given: unknown, filterable: readonly string[]): Filter {
  if (given === undefined || given === null) return () => true;
  if (typeof given === "string") return given.trim() === "" ? () => true : parsed(given, filterable);
  if (!Array.isArray(given)) throw new FilterFault("Invalid syntax for the filter parameter");
  const all = given.map((one) => {
    if (!Array.isArray(one)) return filterOf(String(one), filterable);
    const any = one.map((inner) => filterOf(String(inner), filterable));
    return (document: Record<string, unknown>) => any.some((filter) => filter(document));
  });
  return (document) => all.every((filter) => filter(document));
}

/** What is at a path such as `facets.tag`, as a list. */
export function valuesAt(document: Record<string, unknown>, path: string): unknown[] {
  const value = rawAt(document, path);
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}

/** How string values are compared: without case and accents, and no further than their first bytes. */
export function normalised(value: string): string {
  const folded = value.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase().trim();
  return Buffer.from(folded, "utf8").subarray(0, valueBytesMax).toString("utf8");
}

function rawAt(document: Record<string, unknown>, path: string): unknown {
  if (path in document) return document[path];
  let value: unknown = document;
  for (const name of path.split(".")) value = (value as Record<string, unknown> | undefined)?.[name];
  return value;
}

interface Token {
  text: string;
  /** Words in quotes are never keywords. */
  isQuoted: boolean;
}

function tokensOf(text: string): Token[] {
  const pattern = /\s*(?:([()[\],])|(!=|>=|<=|=|>|<)|"((?:[^"\\]|\\[^])*)"|'((?:[^'\\]|\\[^])*)'|([\p{L}\p{N}_.-]+))/uy;
  const tokens: Token[] = [];
  while (pattern.lastIndex < text.trimEnd().length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (match === null) throw new FilterFault(`unexpected characters at ${at}: ${text.slice(at, at + 20)}`);
    const [, mark, operator, double, single, word] = match;
    const quoted = double ?? single;
    if (quoted === undefined) tokens.push({ text: mark ?? operator ?? word ?? "", isQuoted: false });
    else tokens.push({ text: quoted.replaceAll(/\\([^])/g, "$1"), isQuoted: true });
  }
  return tokens;
}

function parsed(text: string, filterable: readonly string[]): Filter {
  const tokens = tokensOf(text);
  let at = 0;
  const is = (...words: string[]) =>
    words.every((word, index) => tokens[at + index]?.text === word && !tokens[at + index]?.isQuoted);
  const take = (...words: string[]) => {
    if (!is(...words)) return false;
    at += words.length;
    return true;
  };
  const expect = (word: string) => {
    if (!take(word)) throw new FilterFault(`expected ${word} in ${text}`);
  };
  const value = (): string => {
    const token = tokens[at];
    const isKeyword = ["AND", "OR", "IN", "NOT", "TO", "EXISTS", "IS", "NULL", "EMPTY"].includes(token?.text ?? "");
    if (token === undefined || (!token.isQuoted && (isKeyword || !/^[\p{L}\p{N}_.-]+$/u.test(token.text)))) {
      throw new FilterFault(`expected a value in ${text}`);
    }
    at += 1;
    return token.text;
  };

  const or = (): Filter => {
    const any = [and()];
    while (take("OR")) any.push(and());
    return any.length === 1 ? (any[0] as Filter) : (document) => any.some((filter) => filter(document));
  };
  const and = (): Filter => {
    const all = [not()];
    while (take("AND")) all.push(not());
    return all.length === 1 ? (all[0] as Filter) : (document) => all.every((filter) => filter(document));
  };
  const not = (): Filter => {
    if (!take("NOT")) return primary();
    const filter = not();
    return (document) => !filter(document);
  };
  const primary = (): Filter => {
    if (take("(")) {
      const filter = or();
      expect(")");
      return filter;
    }
    const attribute = value();
    if (!filterable.includes(attribute)) throw new FilterFault(`Attribute \`${attribute}\` is not filterable.`);
    const isEqual = (wanted: string): Filter => {
      const number = Number(wanted);
      return (document) =>
        valuesAt(document, attribute).some((one) =>
          typeof one === "number" ? one === number : typeof one === "string" && normalised(one) === normalised(wanted),
        );
    };
    if (take("EXISTS")) return (document) => rawAt(document, attribute) !== undefined;
    if (take("NOT", "EXISTS")) return (document) => rawAt(document, attribute) === undefined;
    if (take("IS", "NULL")) return (document) => rawAt(document, attribute) === null;
    if (take("IS", "NOT", "NULL")) return (document) => rawAt(document, attribute) !== null;
    const isNotIn = take("NOT", "IN");
    if (isNotIn || take("IN")) {
      expect("[");
      const any: Filter[] = [];
      while (!take("]")) {
        any.push(isEqual(value()));
        if (!is("]")) expect(",");
      }
      return (document) => any.some((filter) => filter(document)) !== isNotIn;
    }
    if (take("=")) return isEqual(value());
    if (take("!=")) {
      const equal = isEqual(value());
      return (document) => !equal(document);
    }
    const operator = (["<=", ">=", "<", ">"] as const).find((one) => take(one));
    if (operator === undefined) throw new FilterFault(`expected an operator in ${text}`);
    const wanted = value();
    const number = Number(wanted);
    return (document) =>
      valuesAt(document, attribute).some((one) =>
        typeof one === "number"
          ? !Number.isNaN(number) && compared(operator, one - number)
          : typeof one === "string" && compared(operator, codePointOrder(normalised(one), normalised(wanted))),
      );
  };

  const filter = or();
  if (at < tokens.length) throw new FilterFault(`unexpected ${tokens[at]?.text} in ${text}`);
  return filter;
}

function compared(operator: "<" | "<=" | ">" | ">=", order: number): boolean {
  if (order === 0) return operator.endsWith("=");
  return order < 0 ? operator.startsWith("<") : operator.startsWith(">");
}

export function codePointOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"));
}
