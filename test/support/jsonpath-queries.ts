import * as fc from "fast-check";
import type { JsonObject, JsonValue } from "../../src/base/json.ts";

/** Names and values that are few, so that queries meet documents. Some need quotes, escapes or two UTF-16 units. */
const names = [
  ..."title properties actions status toggle forms href registration created version".split(" "),
  "@type",
  "@context",
  "it's",
  '"q"',
  "\u{1F600}",
];
const scalars: readonly JsonValue[] = [null, true, false, 0, -0, 1, 1.5, 1e3, -7, 2 ** 53, ""].concat([
  "a",
  "b",
  "lamp",
  "Lamp",
  "it's",
  "\uFB33",
  "\u{1F600}",
  "1",
  "true",
  "null",
]);

/** What jsonb cannot hold, and the library refuses in queries, may be in documents. */
const scalar = fc.constantFrom<JsonValue>(...scalars, "nul\u0000");

/** Members of documents: nested objects and arrays of the names and values that queries ask for. */
export const members: fc.Arbitrary<JsonObject> = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(fc.constantFrom(...names), tie("value"), { maxKeys: 4, noNullPrototype: true }),
})).object;

/** Queries (RFC 9535) of all that the grammar has, over a list of such documents. */
export const queries: fc.Arbitrary<string> = fc
  .record({
    first: fc.oneof(
      { weight: 6, arbitrary: fc.nat().map((seed) => `[?${filterOf(seeded(seed), 3)}]`) },
      { weight: 1, arbitrary: fc.constantFrom("[*]", ".*", "[0]", "[1:]", "[:2]", "[1:3]", ".title", "['title', *]") },
      { weight: 1, arbitrary: fc.nat().map((seed) => `..${selectionOf(seeded(seed), 2)}`) },
      { weight: 1, arbitrary: fc.nat().map((seed) => selectionOf(seeded(seed), 2)) },
      { weight: 1, arbitrary: fc.constantFrom("[-1]", "[::2]", "[::-1]", "[-2:]", "") },
    ),
    rest: fc.nat().map((seed) => segmentsOf(seeded(seed), 2)),
    hasRest: fc.boolean(),
  })
  .map(({ first, rest, hasRest }) => `$${first}${hasRest ? rest : ""}`);

type Draw = (below: number) => number;

/** Numbers below a bound, always the same ones for a seed. */
function seeded(seed: number): Draw {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * below);
  };
}

function oneOf<Value>(draw: Draw, values: readonly Value[]): Value {
  return values[draw(values.length)] as Value;
}

function quoted(draw: Draw, text: string): string {
  const inner = JSON.stringify(text).slice(1, -1);
  return draw(2) === 0 ? `"${inner}"` : `'${inner.replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

function literalOf(draw: Draw): string {
  const value = oneOf(draw, scalars);
  if (typeof value === "string") return quoted(draw, value);
  return oneOf(draw, [JSON.stringify(value), value === 1 ? "1.0" : value === 0 ? "-0" : JSON.stringify(value)]);
}

function singularOf(draw: Draw): string {
  return Array.from({ length: draw(4) }, () =>
    draw(4) === 0 ? oneOf(draw, ["[0]", "[1]", "[-1]"]) : `[${quoted(draw, oneOf(draw, names))}]`,
  ).join("");
}

function selectionOf(draw: Draw, depth: number): string {
  const one = () =>
    oneOf(draw, [
      () => quoted(draw, oneOf(draw, names)),
      () => quoted(draw, oneOf(draw, names)),
      () => "*",
      () => oneOf(draw, ["0", "1", "-1", "0:2", "::2", "::-1"]),
      () => (depth > 0 ? `?${filterOf(draw, depth - 1)}` : "*"),
    ])();
  return `[${Array.from({ length: draw(5) === 0 ? 2 : 1 }, one).join(", ")}]`;
}

function segmentsOf(draw: Draw, depth: number): string {
  return Array.from({ length: 1 + draw(3) }, () => (draw(6) === 0 ? ".." : "") + selectionOf(draw, depth)).join("");
}

function filterOf(draw: Draw, depth: number): string {
  const operator = () => oneOf(draw, ["==", "!=", "<", "<=", ">", ">="]);
  const leaves = [
    () => `@${singularOf(draw)} ${oneOf(draw, ["==", "=="])} ${literalOf(draw)}`,
    () => `@${singularOf(draw)} ${operator()} ${literalOf(draw)}`,
    () => `${literalOf(draw)} ${operator()} @${singularOf(draw)}`,
    () => `@${singularOf(draw)} ${operator()} @${singularOf(draw)}`,
    () => `@${segmentsOf(draw, depth - 1)}`,
    () => `@${singularOf(draw)}`,
    () => `length(@${singularOf(draw)}) ${operator()} ${draw(4)}`,
    () => `count(@${segmentsOf(draw, 0)}) ${operator()} ${draw(3)}`,
    () => `value(@..${quoted(draw, oneOf(draw, names)).replace(/^.*$/s, "[$&]")}) ${operator()} ${literalOf(draw)}`,
    () => `${oneOf(draw, ["match", "search"])}(@${singularOf(draw)}, ${oneOf(draw, ["'l.*'", "'[Ll]amp'", "'.'"])})`,
    () => (draw(6) === 0 ? `@${singularOf(draw)} == $[0]${singularOf(draw)}` : `@${singularOf(draw)}`),
  ];
  if (depth <= 0 || draw(3) === 0) return oneOf(draw, leaves)();
  const parts = [
    () => `!(${filterOf(draw, depth - 1)})`,
    () => `(${filterOf(draw, depth - 1)})`,
    () => `(${filterOf(draw, depth - 1)}) && (${filterOf(draw, depth - 1)})`,
    () => `(${filterOf(draw, depth - 1)}) || (${filterOf(draw, depth - 1)})`,
    () => `${filterOf(draw, depth - 1)} && !@${singularOf(draw)}`,
  ];
  return oneOf(draw, parts)();
}
