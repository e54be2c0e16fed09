import { isUtf8 } from "node:buffer";
import { limits } from "./limits.ts";
import { Problem } from "./problem.ts";

/** A value as JSON can express it (RFC 8259). */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export type JsonObject = { [member: string]: JsonValue };

/** A document that was parsed: the exact text and what it says. */
export interface ParsedJson {
  text: string;
  value: JsonValue;
}

/** How large a document may be; each bound is itself still accepted. */
export interface JsonBounds {
  bytesMax: number;
  depthMax: number;
  nodesMax: number;
}

const defaultBounds: JsonBounds = {
  bytesMax: limits.documentBytesMax,
  depthMax: limits.jsonDepthMax,
  nodesMax: limits.jsonNodesMax,
};

export function parseJson(bytes: Uint8Array, bounds: JsonBounds = defaultBounds): ParsedJson {
  if (bytes.length > bounds.bytesMax) throw new Problem("document-too-large", `${bytes.length} > ${bounds.bytesMax}`);
  if (!isUtf8(bytes)) throw new Problem("invalid-json", "The body is not UTF-8.");
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  try {
    return { text, value: JSON.parse(text) as JsonValue };
  } catch (cause) {
    throw new Problem("invalid-json", "The body is not JSON.", { cause });
  }
}

/** Whether `value` is a JSON object (not null, not an array). */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
