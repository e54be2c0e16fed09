import { fullFormats } from "ajv-formats/dist/formats.js";

/** The `date-time` format of JSON Schema (RFC 3339), as the published schema of Thing Descriptions asks for it. */
export const dateTimeFormat = fullFormats["date-time"];

/** The instant that an RFC 3339 date-time with a time zone names, e.g. `2026-01-31T12:00:00Z`; null for other text. */
export function parseDateTime(text: string): Date | null {
  const check = typeof dateTimeFormat === "object" && "validate" in dateTimeFormat ? dateTimeFormat.validate : null;
  // The format has at most a fraction of a second beyond 25 characters; what is longer is not worth reading.
  if (text.length > 64 || typeof check !== "function" || check(text as never) !== true) return null;
  const milliseconds = Date.parse(text);
  return Number.isFinite(milliseconds) ? new Date(milliseconds) : null;
}
