import type { Context } from "hono";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";

/**
 * The request's body, at most `bytesMax` bytes; reading stops at the first byte beyond. Throws `unsupported-media-type`
 * for another type than `types` and for any content coding, `document-too-large`.
 */
export async function readBody(
  c: Context,
  types: readonly string[],
  bytesMax: number = limits.documentBytesMax,
): Promise<Uint8Array> {
  const type = c.req.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== undefined && !types.includes(type)) {
    throw new Problem("unsupported-media-type", `The body is ${type}; send ${types.join(" or ")}.`, {
      extensions: { accepted: types },
    });
  }
  const coding = c.req.header("content-encoding")?.trim().toLowerCase();
  if (coding !== undefined && coding !== "identity") {
    throw new Problem(
      "unsupported-media-type",
      `The content coding ${coding} is not accepted: send the body as it is.`,
    );
  }
  if (Number(c.req.header("content-length") ?? 0) > bytesMax) throw tooLarge(bytesMax);

  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of c.req.raw.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(bytesMax: number): Problem {
  return new Problem("document-too-large", `The body must have at most ${bytesMax} bytes.`, {
    extensions: { bytesMax },
  });
}
