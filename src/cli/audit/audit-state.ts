import { open, rename, rm } from "node:fs/promises";
import { isJsonObject, parseJson } from "../../base/json.ts";
import { Problem } from "../../base/problem.ts";
import { readLocalFile } from "../documents.ts";
import { isSystemError, Refusal } from "../failure.ts";
import { type LogHead, readLogHead } from "./log-head.ts";

/**
 * The head of the last audit that found nothing wrong: the registry's own words, with its signature. Null if there is no
 * such file yet. Throws a Refusal for a file that holds something else.
 */
export async function readState(file: string): Promise<LogHead | null> {
  const bytes = await readLocalFile(file).catch((error: unknown) => {
    if (error instanceof Refusal && isSystemError(error.cause) && error.cause.code === "ENOENT") return null;
    throw error;
  });
  if (bytes === null) return null;
  const head = headOf(bytes);
  if (head === null) throw new Refusal(`${file} does not hold the state of an audit. Name another file, or remove it.`);
  return head;
}

/** Writes the file whole or not at all. Throws a Refusal. */
export async function writeState(file: string, { document }: LogHead): Promise<void> {
  const unfinished = `${file}.${process.pid}.tmp`;
  try {
    const handle = await open(unfinished, "w");
    try {
      await handle.writeFile(`${JSON.stringify(document, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    if (!isSystemError(error)) throw error;
    throw new Refusal(`${file} cannot be written: ${error.message}.`, { cause: error });
  }
}

function headOf(bytes: Uint8Array): LogHead | null {
  try {
    const { value } = parseJson(bytes);
    return isJsonObject(value) ? readLogHead(value) : null;
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}
