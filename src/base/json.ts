import { isUtf8 } from "node:buffer";
import { limits } from "./limits.ts";
import { Problem } from "./problem.ts";

/** A value as JSON can express it (RFC 8259). */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export type JsonObject = { [member: string]: JsonValue };

/** A document that was parsed: the exact text that its bytes spell, and what it says. */
export interface ParsedJson {
  text: string;
  value: JsonValue;
}

/** How large a document may be. Each bound is itself still accepted. */
export interface JsonBounds {
  bytesMax: number;
  /** Nesting of arrays and objects; a scalar has depth 0, `{}` has depth 1. */
  depthMax: number;
  /** Values, the document itself included; member names do not count. */
  nodesMax: number;
}

const documentBounds: JsonBounds = {
  bytesMax: limits.documentBytesMax,
  depthMax: limits.jsonDepthMax,
  nodesMax: limits.jsonNodesMax,
};

/**
 * Parses `bytes` as strict I-JSON (RFC 7493). Everything is checked in one pass, without recursion, before `JSON.parse`
 * builds anything, so that no document costs more than reading it.
 *
 * Refused beyond plain JSON: bytes that are not UTF-8, a byte order mark, member names that occur twice in an object
 * (compared after unescaping), unpaired surrogates and noncharacters in strings and names, numbers too large for a
 * double, the member name `__proto__`, and whatever exceeds `bounds`. Accepted: any value at the top level, `\u0000`
 * in strings, and integers beyond 2^53: they become the nearest double, and that double is what a JCS proof signs
 * (RFC 8785 §3.2.2.3).
 *
 * Throws `document-too-large` (413) past `bounds.bytesMax`, and `invalid-json` (400) for all else, with the place in the
 * text and, in `validationErrors`, its JSON Pointer.
 */
export function parseJson(bytes: Uint8Array, bounds: JsonBounds = documentBounds): ParsedJson {
  if (bytes.length > bounds.bytesMax) {
    const description = `The document has ${bytes.length} bytes; at most ${bounds.bytesMax} are accepted.`;
    throw new Problem("document-too-large", description, { validationErrors: [{ field: "", description }] });
  }
  const text = decodeUtf8(bytes);
  checkText(text, bounds);
  return { text, value: JSON.parse(text) as JsonValue };
}

/** Whether `value` is a JSON object (not null, not an array). */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decodeUtf8(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString("utf8");
  if (!isUtf8(buffer)) {
    throw invalid("", `its bytes are not UTF-8, from byte ${firstBrokenByte(buffer, text)} on. Send UTF-8 only`);
  }
  if (text.startsWith("\uFEFF")) throw invalid("", "it starts with a byte order mark. Send UTF-8 without one");
  return text;
}

/** The offset of the first byte that is not UTF-8, which the lenient decoder has turned into U+FFFD. */
function firstBrokenByte(buffer: Buffer, lenientText: string): number {
  let from = 0;
  let offset = 0;
  for (;;) {
    const at = lenientText.indexOf("\uFFFD", from);
    if (at < 0) return buffer.length;
    offset += Buffer.byteLength(lenientText.slice(from, at));
    const isWritten = buffer[offset] === 0xef && buffer[offset + 1] === 0xbf && buffer[offset + 2] === 0xbd;
    if (!isWritten) return offset;
    from = at + 1;
    offset += 3;
  }
}

/** An array or object that is open at the place being read; reused for its siblings. */
interface Frame {
  isObject: boolean;
  /** In an array: the position of the current element. */
  index: number;
  /** In an object: the name of the current member, undefined until it has been read. */
  name: string | undefined;
  /** The names read so far: in `names` while they are few, in `nameSet` once they are many. */
  names: string[];
  nameSet: Set<string> | undefined;
}

/** Up to so many names, comparing them one by one is faster than hashing them. */
const namesComparedMax = 8;

const quote = 0x22;
const minus = 0x2d;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** Throws `invalid-json` unless `text` is I-JSON within `bounds`. */
function checkText(text: string, bounds: JsonBounds): void {
  const frames: Frame[] = [];
  const reader: Reader = { text, frames, depth: 0 };
  let nodes = 0;
  let at = skipSpace(text, 0);
  for (;;) {
    // Here a value must start.
    if (++nodes > bounds.nodesMax) {
      throw faultAt(reader, at, `more than ${bounds.nodesMax} values. Split the document, or make it smaller`);
    }
    const first = text.charCodeAt(at);
    if (first === quote) {
      at = endOfString(reader, at);
    } else if (first === openBrace || first === openBracket) {
      if (reader.depth === bounds.depthMax) {
        throw faultAt(reader, at, `arrays and objects nested more than ${bounds.depthMax} deep. Make it flatter`);
      }
      const isObject = first === openBrace;
      at = skipSpace(text, at + 1);
      if (text.charCodeAt(at) === (isObject ? closeBrace : closeBracket)) {
        at += 1;
      } else {
        openFrame(reader, isObject);
        if (isObject) at = endOfName(reader, at);
        continue;
      }
    } else if (first === minus || isDigit(first)) {
      at = endOfNumber(reader, at);
    } else {
      at = endOfLiteral(reader, at);
    }

    // Here a value has ended: close what it was the last of, up to where the next value starts.
    for (;;) {
      at = skipSpace(text, at);
      const frame = frames[reader.depth - 1];
      if (reader.depth === 0 || frame === undefined) {
        if (at < text.length) throw faultAt(reader, at, `${shown(text, at)} after the end of the document. Remove it`);
        return;
      }
      const next = text.charCodeAt(at);
      if (next === comma) {
        at = skipSpace(text, at + 1);
        if (frame.isObject) {
          frame.name = undefined;
          at = endOfName(reader, at);
        } else {
          frame.index += 1;
        }
        break;
      }
      if (next !== (frame.isObject ? closeBrace : closeBracket)) {
        throw faultAt(reader, at, `${shown(text, at)} where "," or "${frame.isObject ? "}" : "]"}" was expected`);
      }
      reader.depth -= 1;
      at += 1;
    }
  }
}

/** Where the check is: the frames below `depth` are open. */
interface Reader {
  readonly text: string;
  readonly frames: Frame[];
  depth: number;
}

function openFrame(reader: Reader, isObject: boolean): void {
  const frame = reader.frames[reader.depth];
  if (frame === undefined) {
    reader.frames.push({ isObject, index: 0, name: undefined, names: [], nameSet: undefined });
  } else {
    frame.isObject = isObject;
    frame.index = 0;
    frame.name = undefined;
    frame.names.length = 0;
    frame.nameSet = undefined;
  }
  reader.depth += 1;
}

/** Reads the member name at `at` and its colon; returns where the member's value starts. */
function endOfName(reader: Reader, at: number): number {
  const { text } = reader;
  if (text.charCodeAt(at) !== quote) {
    throw faultAt(reader, at, `${shown(text, at)} where a member name in double quotes was expected`);
  }
  let end = endOfPlainRun(text, at + 1);
  let name: string;
  if (text.charCodeAt(end) === quote) {
    name = text.slice(at + 1, end);
    end += 1;
  } else {
    end = endOfString(reader, at);
    name = JSON.parse(text.slice(at, end)) as string;
  }
  addName(reader, name, at);
  end = skipSpace(text, end);
  if (text.charCodeAt(end) !== colon) throw faultAt(reader, end, `${shown(text, end)} where ":" was expected`);
  return skipSpace(text, end + 1);
}

function addName(reader: Reader, name: string, at: number): void {
  const frame = reader.frames[reader.depth - 1];
  if (frame === undefined) throw new TypeError("a name was read outside any object");
  const { names } = frame;
  const isRepeated = frame.nameSet === undefined ? names.includes(name) : frame.nameSet.has(name);
  frame.name = name;
  if (isRepeated) throw faultAt(reader, at, "a member name that the object already has. Send each name once");
  if (name === "__proto__") {
    throw faultAt(reader, at, "the member name __proto__, which can change how programs read the object. Rename it");
  }
  if (frame.nameSet !== undefined) {
    frame.nameSet.add(name);
  } else {
    names.push(name);
    if (names.length > namesComparedMax) frame.nameSet = new Set(names);
  }
}

/** The end of the string that starts with the quote at `start`: past its closing quote. */
function endOfString(reader: Reader, start: number): number {
  const { text } = reader;
  let at = start + 1;
  for (;;) {
    at = endOfPlainRun(text, at);
    const unit = text.charCodeAt(at);
    if (unit === quote) return at + 1;
    if (unit === backslash) {
      at = endOfEscape(reader, at);
    } else if (unit >= 0xd800) {
      const point = text.codePointAt(at) ?? 0;
      if (isNoncharacter(point)) throw noncharacterAt(reader, at, point);
      at += point > 0xffff ? 2 : 1;
    } else if (at >= text.length) {
      throw faultAt(reader, start, "a string without its closing quote");
    } else {
      throw faultAt(reader, at, `the control character ${codePointName(unit)} in a string. Write it as an escape`);
    }
  }
}

function endOfEscape(reader: Reader, at: number): number {
  const { text } = reader;
  const letter = text[at + 1] ?? "";
  if (letter !== "u") {
    if (letter !== "" && '"\\/bfnrt'.includes(letter)) return at + 2;
    throw faultAt(reader, at, `a backslash before ${shown(text, at + 1)}, which is no JSON escape`);
  }
  const unit = hexValue(text, at + 2);
  if (unit < 0) throw faultAt(reader, at, "an escape \\u that is not followed by four hexadecimal digits");
  if (unit < 0xd800 || unit > 0xdfff) {
    if (isNoncharacter(unit)) throw noncharacterAt(reader, at, unit);
    return at + 6;
  }
  const low = unit < 0xdc00 && text.startsWith("\\u", at + 6) ? hexValue(text, at + 8) : -1;
  if (low < 0xdc00 || low > 0xdfff) {
    throw faultAt(reader, at, `the unpaired surrogate ${codePointName(unit)}, which stands for no character`);
  }
  const point = 0x10000 + (unit - 0xd800) * 0x400 + (low - 0xdc00);
  if (isNoncharacter(point)) throw noncharacterAt(reader, at, point);
  return at + 12;
}

function endOfNumber(reader: Reader, start: number): number {
  const { text } = reader;
  const integerStart = text.charCodeAt(start) === minus ? start + 1 : start;
  let at = endOfDigits(reader, integerStart);
  if (text.charCodeAt(integerStart) === 0x30 && at > integerStart + 1) {
    throw faultAt(reader, start, "a number with a leading zero");
  }
  if (text.charCodeAt(at) === 0x2e) at = endOfDigits(reader, at + 1);
  let hasExponent = false;
  const letter = text.charCodeAt(at);
  if (letter === 0x65 || letter === 0x45) {
    hasExponent = true;
    const sign = text.charCodeAt(at + 1);
    at = endOfDigits(reader, sign === minus || sign === 0x2b ? at + 2 : at + 1);
  }
  // The largest double has 309 digits, so anything shorter without an exponent is finite.
  if ((hasExponent || at - start > 308) && !Number.isFinite(Number(text.slice(start, at)))) {
    throw faultAt(reader, start, "a number too large for a double (RFC 7493 §2.2). Send it as a string");
  }
  return at;
}

function endOfDigits(reader: Reader, start: number): number {
  const { text } = reader;
  let at = start;
  while (isDigit(text.charCodeAt(at))) at += 1;
  if (at === start) throw faultAt(reader, at, `${shown(text, at)} where a digit was expected`);
  return at;
}

function endOfLiteral(reader: Reader, at: number): number {
  const { text } = reader;
  if (text.startsWith("true", at) || text.startsWith("null", at)) return at + 4;
  if (text.startsWith("false", at)) return at + 5;
  throw faultAt(reader, at, `${shown(text, at)} where a JSON value was expected`);
}

/** The first unit from `start` on that ends a string or needs a closer look. */
function endOfPlainRun(text: string, start: number): number {
  const { length } = text;
  let at = start;
  while (at < length) {
    const unit = text.charCodeAt(at);
    if (unit === quote || unit === backslash || unit < 0x20 || unit >= 0xd800) break;
    at += 1;
  }
  return at;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  for (;;) {
    const unit = text.charCodeAt(at);
    if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return at;
    at += 1;
  }
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

/** The value of the four hexadecimal digits at `at`, or -1. */
function hexValue(text: string, at: number): number {
  const digits = text.slice(at, at + 4);
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
}

/** Unicode's 66 noncharacters, which I-JSON forbids (RFC 7493 §2.1). */
function isNoncharacter(point: number): boolean {
  return (point & 0xfffe) === 0xfffe || (point >= 0xfdd0 && point <= 0xfdef);
}

function noncharacterAt(reader: Reader, at: number, point: number): Problem {
  return faultAt(reader, at, `the noncharacter ${codePointName(point)}, which must not be interchanged`);
}

function codePointName(point: number): string {
  return `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** What stands at `at`, for a message. */
function shown(text: string, at: number): string {
  const point = text.codePointAt(at);
  if (point === undefined) return "the end of the text";
  return point > 0x20 && point < 0x7f ? `"${String.fromCodePoint(point)}"` : codePointName(point);
}

function faultAt(reader: Reader, at: number, description: string): Problem {
  const before = reader.text.slice(0, at);
  let line = 1;
  let lineStart = 0;
  for (let end = before.indexOf("\n"); end >= 0; end = before.indexOf("\n", lineStart)) {
    line += 1;
    lineStart = end + 1;
  }
  const column = at - lineStart + 1;
  const place = `line ${line}, column ${column} (byte ${Buffer.byteLength(before)})`;
  return invalid(pointerOf(reader), `${description}, at ${place}`);
}

/** The pointer to what is being read; to the innermost container of it that can be named in reasonable length. */
function pointerOf(reader: Reader): string {
  let pointer = "";
  for (const frame of reader.frames.slice(0, reader.depth)) {
    const name = frame.isObject ? frame.name : String(frame.index);
    if (name === undefined || pointer.length + name.length > pointerUnitsMax) break;
    pointer += `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  }
  return pointer;
}

const pointerUnitsMax = 512;

function invalid(field: string, description: string): Problem {
  const where = field === "" ? "The document" : `The document, in ${JSON.stringify(field)},`;
  return new Problem("invalid-json", `${where} is not I-JSON (RFC 7493): ${description}.`, {
    validationErrors: [{ field, description }],
  });
}
