import { writeFile } from "node:fs/promises";
import { newUuidUrn, type ThingId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { SigningKey } from "../identity/keys.ts";
import { signDocument } from "../identity/sign.ts";
import { validateDescription } from "../things/description.ts";
import { isTombstone, validateTombstone } from "../things/tombstone.ts";
import type { LocalDocument } from "./documents.ts";
import { isSystemError, Refusal } from "./failure.ts";

/**
 * The document with an id. One that has none gets a new `urn:uuid`, which is also written into its file: without it,
 * the next registration would make another entry instead of a new version of this one. `note` is told.
 */
async function withId(document: LocalDocument, note: (line: string) => void): Promise<LocalDocument> {
  if (document.json.id !== undefined) return document;
  const { file, name } = document;
  const id = newUuidUrn();
  const identified = insertId(document, id);
  const advice = `Put "id": "${id}" into it, or the next registration makes another entry.`;
  if (file === null) {
    note(`${name} had no id and got a new one. ${advice}`);
    return identified;
  }
  try {
    await writeFile(file, identified.text);
    note(`${name} had no id. "${id}" was written into it, so that the next registration makes a new version.`);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    note(`${name} had no id and got a new one, but cannot be written (${error.message}). ${advice}`);
  }
  return identified;
}

/** The document with `id` as its first member, all else as it was written. */
function insertId(document: LocalDocument, id: ThingId): LocalDocument {
  const { text, json } = document;
  const [head = "{", space = ""] = /^\s*\{(\s*)/.exec(text) ?? [];
  const rest = text.slice(head.length);
  const separator = Object.keys(json).length === 0 ? "" : `,${space === "" ? " " : space}`;
  const identified = `${head}"id": ${JSON.stringify(id)}${separator}${rest}`;
  return { ...document, text: identified, json: { id, ...json } };
}

/**
 * `document` with a proof by `key`, made now; a proof that it had is replaced, an id that it lacked is added (`withId`).
 * Checks the document first: nobody takes a signed document that breaks the rules. Throws a Refusal that lists the
 * faults.
 */
export async function signNow(
  document: LocalDocument,
  key: SigningKey,
  { now, note }: { now: Date; note: (line: string) => void },
): Promise<{ text: string; id: string }> {
  const validationErrors = isTombstone(document.json)
    ? validateTombstone(document.json)
    : validateDescription(document.json);
  if (validationErrors.length > 0) {
    throw new Refusal(`${document.name} was not signed, because it breaks these rules:`, { validationErrors });
  }
  const { proof: _, ...unsigned } = (await withId(document, note)).json;
  const signed = signDocument(unsigned, key, { created: now });
  const pretty = `${JSON.stringify(signed, null, 2)}\n`;
  const text = Buffer.byteLength(pretty) <= limits.documentBytesMax ? pretty : JSON.stringify(signed);
  return { text, id: String(unsigned.id) };
}
