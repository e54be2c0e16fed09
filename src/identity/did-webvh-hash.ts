import { hash } from "node:crypto";
import { base58 } from "@scure/base";
import { canonicalize } from "../base/canonical.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";

/** What stands for the SCID where it is not known yet (did:webvh §"Generate SCID"). */
export const scidPlaceholder = "{SCID}";

/** The multicodec of SHA-256, the only hash that did:webvh 1.0 permits, and its length in bytes. */
const sha256Prefix = Buffer.of(0x12, 0x20);

/** The SHA-256 of `text` in UTF-8 as a multihash in base58btc, 46 characters that start with `Qm`. */
export function multihashOf(text: string): string {
  return base58.encode(Buffer.concat([sha256Prefix, hash("sha256", text, "buffer")]));
}

/** The hash of a log entry, which chains it to `predecessor`: the versionId before it, or the SCID (§"Verify The Entry Hash"). */
export function entryHashOf(entry: JsonObject, predecessor: string): string {
  const { proof: _proof, ...content } = entry;
  return multihashOf(canonicalize({ ...content, versionId: predecessor }));
}

/** The SCID that follows from a log's first entry, in which `scid` stands for it (§"Verify SCID"). */
export function scidOf(entry: JsonObject, scid: string): string {
  const { proof: _proof, ...content } = entry;
  const text = canonicalize({ ...content, versionId: scidPlaceholder }).replaceAll(scid, scidPlaceholder);
  // Names of members may have changed, and with them their order.
  return multihashOf(canonicalize(JSON.parse(text) as JsonValue));
}
