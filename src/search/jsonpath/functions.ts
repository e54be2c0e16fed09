import { jsonpath } from "json-p3";

const { FunctionExpressionType, functions } = jsonpath;
const length = new functions.Length();

/**
 * Functions of RFC 9535 §2.4 where the library's are looser: `length` counts a string's characters, not its UTF-16
 * units, and `match` and `search` hold for strings alone.
 */
export const strictFunctions: [string, jsonpath.FilterFunction][] = [
  [
    "length",
    {
      argTypes: [FunctionExpressionType.ValueType],
      returnType: FunctionExpressionType.ValueType,
      call: (value: unknown) => (typeof value === "string" ? charactersIn(value) : length.call(value as never)),
    },
  ],
  ["match", forStrings(new functions.Match())],
  ["search", forStrings(new functions.Search())],
];

function forStrings(test: { call(text: string, pattern: string): boolean }): jsonpath.FilterFunction {
  return {
    argTypes: [FunctionExpressionType.ValueType, FunctionExpressionType.ValueType],
    returnType: FunctionExpressionType.LogicalType,
    call: (text: unknown, pattern: unknown) =>
      typeof text === "string" && typeof pattern === "string" && test.call(text, pattern),
  };
}

function charactersIn(text: string): number {
  let characters = 0;
  for (const _ of text) characters += 1;
  return characters;
}
