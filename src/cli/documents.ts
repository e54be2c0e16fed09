import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { isJsonObject, type JsonObject, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { thingIdOf } from "../things/thing-id.ts";
import { isSystemError, Refusal } from "./failure.ts";
import { printableLine, type Terminal } from "./terminal.ts";

/** A document that was read: the exact text and what it says. */
export interface LocalDocument {
  /** The path that it came from; null for standard input. */
  file: string | null;
  /** How to call it in messages. */
  name: string;
  text: string;
  json: JsonObject;
}

/** Reads a document from a file, or from standard input for `-`. Throws a Refusal, or a Problem for what is no I-JSON. */
export async function readDocument(source: string, terminal: Terminal): Promise<LocalDocument> {
  const file = source === "-" ? null : source;
  const bytes = file === null ? await readAll(terminal.stdin) : await readLocalFile(file);
  return parseDocument(bytes, file, file ?? "standard input");
}

/** `bytes` as a document. Throws a Refusal for JSON that is no object, or a Problem for what is no I-JSON. */
export function parseDocument(bytes: Uint8Array, file: string | null, name: string): LocalDocument {
  const { text, value } = parseJson(bytes);
  if (!isJsonObject(value)) throw new Refusal(`${name} is not a JSON object.`);
  return { file, name, text, json: value };
}

/** `sources` with every directory replaced by the `.json` and `.jsonld` files in it, in order of their names. */
export async function expandDirectories(sources: readonly string[]): Promise<string[]> {
  const expanded = await Promise.all(
    sources.map(async (source) => {
      if (source === "-" || !(await isDirectory(source))) return [source];
      const names = (await readdir(source)).filter((name) => /\.json(ld)?$/i.test(name)).sort();
      if (names.length === 0) throw new Refusal(`The directory ${source} holds no .json file.`);
      return names.map((name) => path.join(source, name));
    }),
  );
  return expanded.flat();
}

/** A short name for a document in messages: its title, or its id. */
export function titleOf(json: JsonObject): string {
  const name = typeof json.title === "string" ? json.title : (thingIdOf(json) ?? "a document without an id");
  return printableLine(name, 80);
}

/** Reads a file that the user named. Throws a Refusal. */
export async function readLocalFile(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const reason = error.code === "ENOENT" ? "there is no such file" : error.message;
    throw new Refusal(`${file} cannot be read: ${reason}.`, { cause: error });
  }
}

async function isDirectory(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isDirectory();
  } catch {
    return false;
  }
}

/** Standard input to its end, but no more than one byte beyond what a document may have. */
async function readAll(stdin: Terminal["stdin"]): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const buffer = Buffer.from(chunk);
    chunks.push(buffer);
    bytes += buffer.length;
    if (bytes > limits.documentBytesMax) break;
  }
  return Buffer.concat(chunks);
}
