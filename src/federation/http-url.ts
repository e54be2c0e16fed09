import { limits } from "../base/limits.ts";

/**
 * Whether `text` can be the id of something in ActivityPub, or an address of it: an absolute http or https URL without
 * credentials, controls and white space, of at most `limits.activityIdBytesMax` bytes.
 */
export function isHttpUrl(text: string): boolean {
  if (Buffer.byteLength(text) > limits.activityIdBytesMax || /[\p{Cc}\p{White_Space}]/u.test(text)) return false;
  const url = URL.parse(text);
  return url !== null && ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "";
}
