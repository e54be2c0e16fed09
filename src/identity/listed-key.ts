import type { JsonValue } from "../base/json.ts";
import type { VerificationMethod } from "./did-document.ts";
import { instantOf, normaliseInstant } from "./instant.ts";
import { EncodingError } from "./multikey.ts";
import { importVerificationKey, type VerificationKey } from "./public-key.ts";
import type { DidResolution } from "./resolver.ts";

/**
 * By which member a key that a DID document lists must not be used any more (Controlled Identifiers 1.0 §2.2); null if
 * it may.
 */
export function endedBy(method: VerificationMethod, now: Date): "revoked" | "expires" | null {
  if (hasPassed(method.revoked, now)) return "revoked";
  return hasPassed(method.expires, now) ? "expires" : null;
}

/** The key of `method`, imported once for as long as its document is kept; an EncodingError if it cannot be used. */
export function importListedKey(method: VerificationMethod, { keys }: DidResolution): VerificationKey | EncodingError {
  const known = keys?.get(method.id);
  if (known !== undefined) return known;
  try {
    const imported = importVerificationKey(method);
    keys?.set(method.id, imported);
    return imported;
  } catch (error) {
    if (error instanceof EncodingError) return error;
    throw error;
  }
}

/** Whether an instant has come; what cannot be read counts as come. */
function hasPassed(value: JsonValue | undefined, now: Date): boolean {
  if (value === undefined) return false;
  const instant = typeof value === "string" ? normaliseInstant(value) : null;
  return instant === null || instant <= instantOf(now);
}
