import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { badJson } from "../../test/fixtures/bad-json.ts";
import { isJsonObject, parseJson, type JsonBounds } from "./json.ts";
import { limits } from "./limits.ts";
import { Problem } from "./problem.ts";

const roomy: JsonBounds = { bytesMax: 1e8, depthMax: 1e6, nodesMax: 1e7 };

function parse(text: string, bounds?: JsonBounds): unknown {
  return parseJson(Buffer.from(text), bounds).value;
}

function problemOf(work: () => unknown): Problem {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const problemWith = (text: string, bounds?: JsonBounds): Problem => problemOf(() => parse(text, bounds));

/** Whether plain JSON of `value` holds what I-JSON refuses; written another way than the parser does it. */
function isIJson(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed() && !/\p{Noncharacter_Code_Point}/u.test(value);
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isIJson);
  return Object.entries(value).every(([name, item]) => name !== "__proto__" && isIJson(name) && isIJson(item));
}

const anyValue = fc.jsonValue({ stringUnit: "binary", maxDepth: 8 });

const fragments = [
  ...'{}[],:"\\- \n\t\0x0',
  ...'{"a":1}|"a"|"\\u0061"|"b"|1|.5|e9|1e999|true|false|null|\\u|d83d|\\ude00|\uFFFF|\uFEFF'.split("|"),
];

/** Text made of JSON's own tokens, some of it right and most of it nearly so. */
const tokens = fc.array(fc.constantFrom(...fragments), { maxLength: 24 }).map((parts) => parts.join(""));

const arrayText = (length: number): string => `[${Array(length).fill("{}").join()}]`;
const objectText = (count: number): string => JSON.stringify(Object.fromEntries(Array(count).fill(0).entries()));

function acceptsOnlyJson(bytes: Uint8Array): void {
  let parsed: ReturnType<typeof parseJson>;
  try {
    parsed = parseJson(bytes, roomy);
  } catch (error) {
    expect(error).toBeInstanceOf(Problem);
    return;
  }
  expect(Buffer.from(parsed.text).equals(bytes)).toBe(true);
  expect(parsed.value).toEqual(JSON.parse(parsed.text));
  expect(isIJson(parsed.value)).toBe(true);
}

describe("parseJson", () => {
  test.each(badJson)("refuses $name", ({ bytes }) => {
    const problem = problemOf(() => parseJson(bytes));
    expect(problem.type).toBe(bytes.length > limits.documentBytesMax ? "document-too-large" : "invalid-json");
    expect(problem.message.length).toBeLessThan(2_000);
    expect(problem.validationErrors).toHaveLength(1);
  });

  test("the table of bad bodies has no name and no body twice", () => {
    expect(badJson.length).toBeGreaterThanOrEqual(60);
    expect(new Set(badJson.map(({ name }) => name)).size).toBe(badJson.length);
    expect(new Set(badJson.map(({ bytes }) => Buffer.from(bytes).toString("latin1"))).size).toBe(badJson.length);
  });

  test.each([
    "null",
    "true",
    " false\r\n",
    "0",
    "-0",
    "-0.0e-0",
    "1E+2",
    "1e308",
    "1e-400",
    "123456789012345678901234567890",
    `1${"0".repeat(308)}`,
    '""',
    "[]",
    " { } ",
    "\t[ 1 , [ ] , { } ]\n",
    '{"":{"":{"":0}}}',
    '{"a":1,"A":2,"ä":3,"a\\u0308":4}',
    '{"a":{"a":{"a":1}},"b":{"a":1}}',
    '[{"a":1},{"a":2}]',
    '"\\u0000\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\u007F\u0080\u2028\uFEFF\uFFFD\uFDCF\uFDF0\u{1FFFD}\u{10FFFD}\u{1F600}"',
    '"\\uD83D\\uDE00\\ud83d\\ude00\\uFFFD"',
    '{"\\uD83D\\uDE00":1,"prot":2,"proto":3,"__proto":4,"constructor":5}',
  ])("accepts %j as JSON.parse does", (text) => {
    expect(parseJson(Buffer.from(text))).toEqual({ text, value: JSON.parse(text) });
  });

  test("gives back the text that the bytes spell, from a view into a larger buffer", () => {
    const text = '{"title":"Zürich ☀ 😀"}';
    const padded = Buffer.from(`xx${text}yy`);
    const view = new Uint8Array(padded.buffer, padded.byteOffset + 2, padded.length - 4);
    expect(parseJson(view).text).toBe(text);
  });

  test("reads integers past 2^53 as the nearest double", () => {
    expect(parse("9007199254740993")).toBe(9007199254740992);
  });

  test("agrees with JSON.parse on every value, or refuses it for what I-JSON forbids", () => {
    fc.assert(
      fc.property(anyValue, fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const plain: unknown = JSON.parse(text);
        if (isIJson(plain)) expect(parse(text, roomy)).toEqual(plain);
        else expect(problemWith(text, roomy).type).toBe("invalid-json");
      }),
      { numRuns: 2_000 },
    );
  });

  test("agrees with JSON.parse on texts of fast-check's json()", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        fc.pre(isIJson(JSON.parse(text)));
        expect(parse(text, roomy)).toEqual(JSON.parse(text));
      }),
      { numRuns: 1_000 },
    );
  });

  test("accepts only what JSON.parse accepts, and throws nothing but problems: any bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), acceptsOnlyJson), { numRuns: 2_000 });
  });

  test("accepts only what JSON.parse accepts, and throws nothing but problems: nearly JSON", () => {
    const changed = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom("", ...'{}[],:"\\ \n0-.eu\0'))
      .map(([text, at, letter]) => text.slice(0, at % text.length) + letter + text.slice((at % text.length) + 1));
    fc.assert(
      fc.property(fc.oneof(tokens, changed), (text) => acceptsOnlyJson(Buffer.from(text))),
      { numRuns: 20_000 },
    );
  });

  test("refuses what JSON.parse accepts only for a reason of I-JSON's", () => {
    fc.assert(
      fc.property(tokens, (text) => {
        let plain: unknown;
        try {
          plain = JSON.parse(text);
        } catch {
          return;
        }
        const reasons = /twice|already has|surrogate|noncharacter|too large for a double|__proto__/;
        try {
          expect(parse(text, roomy)).toEqual(plain);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          expect(error.message).toMatch(reasons);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  describe("at its limits", () => {
    test("accepts the most bytes, and not one more", () => {
      const text = `"${"x".repeat(limits.documentBytesMax - 2)}"`;
      expect(parse(text)).toHaveLength(limits.documentBytesMax - 2);
      const problem = problemWith(`${text} `);
      expect(problem).toMatchObject({ type: "document-too-large", status: 413 });
      expect(problem.message).toContain(String(limits.documentBytesMax));
    });

    test("counts bytes, not characters", () => {
      expect(problemWith('"€€€"', { ...roomy, bytesMax: 10 }).type).toBe("document-too-large");
      expect(parse('"€€€"', { ...roomy, bytesMax: 11 })).toBe("€€€");
    });

    test.each([
      ["arrays", "[", "]"],
      ["objects", '{"a":', "}"],
    ])("accepts the deepest nesting of %s, and not one level more", (_kind, open, close) => {
      const nested = (depth: number): string => open.repeat(depth) + (open === "[" ? "" : "0") + close.repeat(depth);
      expect(parse(nested(limits.jsonDepthMax))).toEqual(JSON.parse(nested(limits.jsonDepthMax)));
      const problem = problemWith(nested(limits.jsonDepthMax + 1));
      expect(problem).toMatchObject({ type: "invalid-json", status: 400 });
      expect(problem.message).toContain(`more than ${limits.jsonDepthMax} deep`);
    });

    test("counts an empty container as a level, and a scalar as none", () => {
      expect(problemWith("{}", { ...roomy, depthMax: 0 }).type).toBe("invalid-json");
      expect(parse("1", { ...roomy, depthMax: 0 })).toBe(1);
      expect(parse("[{}]", { ...roomy, depthMax: 2 })).toEqual([{}]);
    });

    test("accepts the most values, and not one more", () => {
      expect(parse(arrayText(limits.jsonNodesMax - 1))).toHaveLength(limits.jsonNodesMax - 1);
      expect(problemWith(arrayText(limits.jsonNodesMax)).message).toContain(`more than ${limits.jsonNodesMax} values`);
      expect(Object.keys(parse(objectText(limits.jsonNodesMax - 1)) as object)).toHaveLength(limits.jsonNodesMax - 1);
      expect(problemWith(objectText(limits.jsonNodesMax)).type).toBe("invalid-json");
    });

    test("neither recurses nor hoards: 200,000 levels are read, or refused at once", () => {
      const deep = "[".repeat(200_000) + "]".repeat(200_000);
      expect(problemWith(deep, { ...roomy, depthMax: 32 }).message).toContain("byte 32");
      expect(Array.isArray(parse(deep, roomy))).toBe(true);
    });
  });

  describe("says where", () => {
    test.each([
      ["the pointer to a repeated name", '{"a":[0,{"b":1,"b":2}]}', "/a/1/b", "line 1, column 16 (byte 15)"],
      ["escapes in pointers", '{"a/b~c":{"x":1,"x":2}}', "/a~1b~0c/x", "line 1, column 17"],
      ["the pointer to a bad number", '{"a":[0,1,1e400]}', "/a/2", "line 1, column 11"],
      ["the object that holds a bad name", '{"a":{"b":1,"\\uD800":2}}', "/a", "U+D800"],
      ["the object in which a name is missing", '{"a":{"b":1,}}', "/a", '"}" where a member name in double quotes'],
      ["lines and columns", '{\n  "a": 1,\n  "b": x\n}', "/b", "line 3, column 8 (byte 19)"],
      ["bytes apart from columns", '{"ä":"€",}', "", "line 1, column 10 (byte 12)"],
      ["the end of the text", '{"a":', "/a", "the end of the text"],
      ["the whole document", "[1] 2", "", "after the end of the document"],
      ["a comma that is missing", '{"a":1 "b":2}', "/a", 'where "," or "}" was expected'],
    ])("%s", (_what, text, field, part) => {
      const problem = problemWith(text);
      expect(problem.validationErrors?.[0]?.field).toBe(field);
      expect(problem.validationErrors?.[0]?.description).toContain(part);
      expect(problem.message).toContain(part);
    });

    test.each([
      ["abc\u00FFdef", "latin1", 3],
      ['"\uFFFD\uFFFDx', "utf8", undefined],
    ] as const)("the first byte that is not UTF-8, in %j", (text, encoding, offset) => {
      const bytes = Buffer.concat([Buffer.from(text, encoding), Buffer.from([0xff])]);
      const place = offset ?? bytes.length - 1;
      expect(problemOf(() => parseJson(bytes)).message).toContain(`from byte ${place} on`);
    });

    test("the nearest container that can be named in reasonable length", () => {
      const problem = problemWith(`{"a":{"${"x".repeat(10_000)}":[1e999]}}`);
      expect(problem.validationErrors?.[0]?.field).toBe("/a");
    });

    test("names that occur among many others, and only those", () => {
      const names = Array.from({ length: 500 }, (_, n) => `"m${n}":${n}`);
      expect(Object.keys(parse(`{${names.join()}}`) as object)).toHaveLength(500);
      for (const repeated of [0, 7, 8, 9, 499]) {
        const problem = problemWith(`{${names.join()},"m${repeated}":0}`);
        expect(problem.validationErrors?.[0]?.field).toBe(`/m${repeated}`);
      }
    });

    test("names are forgotten with their object", () => {
      const wide = `{${Array.from({ length: 20 }, (_, n) => `"m${n}":{"m${n}":[]}`).join()}}`;
      expect(parse(`[${wide},${wide},{"m0":1},[${wide}]]`)).toHaveLength(4);
    });
  });
});

describe("isJsonObject", () => {
  test("tells objects from everything else", () => {
    expect(isJsonObject({})).toBe(true);
    for (const other of [undefined, null, [], "x", 1, true]) expect(isJsonObject(other)).toBe(false);
  });
});
