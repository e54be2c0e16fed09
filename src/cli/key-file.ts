import { Problem } from "../base/problem.ts";
import { loadSigningKey, type SigningKey } from "../identity/keys.ts";
import { readLocalFile } from "./documents.ts";
import { Refusal } from "./failure.ts";

/** Reads a key that `keygen` wrote, or any Multikey with its secret. Throws a Refusal that names the file. */
export async function readKey(file: string): Promise<SigningKey> {
  const bytes = await readLocalFile(file);
  try {
    return loadSigningKey(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (error) {
    // What the JSON parser says may quote the secret.
    if (error instanceof SyntaxError) throw new Refusal(`${file} is not a key file: it is not JSON.`);
    if (error instanceof Problem) throw new Refusal(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}
