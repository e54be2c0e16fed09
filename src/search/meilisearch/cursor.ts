import { z } from "zod";
import { invalidCursor } from "../cursor.ts";
import { rankedHitsMax } from "./settings.ts";

/** Where a page of ranked hits ended: Meilisearch pages them by their number alone. */
const rankedSchema = z.tuple([z.string(), z.literal("offset"), z.int().min(1).max(rankedHitsMax)]);

export function encodeOffset(fingerprint: string, offset: number): string {
  return Buffer.from(JSON.stringify([fingerprint, "offset", offset])).toString("base64url");
}

/** Throws `invalid-parameter` (400) unless `text` was made by `encodeOffset` for the same query. */
export function decodeOffset(text: string, fingerprint: string): number {
  const parsed = rankedSchema.safeParse(valueOf(text));
  if (!parsed.success) throw invalidCursor("must be `next` of the page before");
  const [query, , offset] = parsed.data;
  if (query !== fingerprint) {
    throw invalidCursor("belongs to another query; all other parameters must be as on the page before");
  }
  return offset;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    return null;
  }
}
