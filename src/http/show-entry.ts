import { enrichDescription } from "../things/enrich.ts";
import { descriptionOf, type StoredEntry } from "../things/entry-store.ts";

/**
 * What a reader is shown of an active entry: a signed description as it was signed, byte for byte, unless it is asked
 * for `enriched`; an unsigned one enriched (design §3.7, WoT Discovery §7.3.1.1).
 */
export function showEntry(stored: StoredEntry, options: { enriched: boolean; now: Date }): string {
  const { controller, created, modified, expires, ttlSeconds } = stored.entry;
  if (controller !== null && !options.enriched) return stored.document;
  const registration = { created, modified, expires, ttlSeconds, retrieved: options.now };
  return JSON.stringify(enrichDescription(descriptionOf(stored), registration));
}
