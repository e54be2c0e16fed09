import { createHash, type Hash } from "node:crypto";
import type { Digest, EntryKey } from "../base/ids.ts";
import { limits } from "../base/limits.ts";

/** An entry as it is listed. */
export interface ListedDigest {
  key: EntryKey;
  /** See `listedDigestOf`. */
  digest: Digest;
}

/**
 * The digest of an entry as a registry lists it. That of its document where the registry lists it of its own; of an entry
 * that came through others SHA-256 over the 32 bytes of the document's digest and the origins of these registries in their
 * order, a line feed between two, in UTF-8. So the comparison also finds ways that have changed: registries that relay must
 * not go on holding for each other what nobody else lists any more.
 * @param through the path without the registry that lists the entry.
 */
export function listedDigestOf(digest: Digest, through: readonly string[]): Digest {
  if (through.length === 0) return digest;
  return createHash("sha256").update(digest, "hex").update(through.join("\n")).digest("hex") as Digest;
}

/** What is listed under one prefix of entry keys, told by its number and one digest. */
export interface DigestSummary {
  /** Lower-case hex; empty for all. */
  prefix: string;
  count: number;
  /** See `digestOfListed` and `digestOfRoot`; lower-case hex. */
  digest: string;
}

/**
 * A node of the prefix tree in which two registries find where their lists differ, without reading them: the entries
 * themselves where they are few, else the summaries of the prefixes that are one digit longer and under which something
 * is listed.
 */
export type DigestNode = DigestSummary &
  ({ entries: ListedDigest[]; children: null } | { entries: null; children: DigestSummary[] });

export const hexDigits = [..."0123456789abcdef"];

/**
 * The digest of the list under a prefix that is not empty: SHA-256 over, for each entry in the order of the keys, the 32
 * bytes of its key and the 32 bytes of its digest as it is listed. That of an empty list is SHA-256 of nothing.
 */
export function digestOfListed(sorted: readonly ListedDigest[]): string {
  const hash = createHash("sha256");
  for (const listed of sorted) addTo(hash, listed);
  return hash.digest("hex");
}

/**
 * The digest of the whole list, which no single pass has to read: SHA-256 over the 32 bytes of the digest of each prefix of
 * one digit, "0" to "f", all sixteen of them.
 * @param byDigit the digests of the prefixes under which something is listed.
 */
export function digestOfRoot(byDigit: ReadonlyMap<string, string>): string {
  const hash = createHash("sha256");
  for (const digit of hexDigits) hash.update(byDigit.get(digit) ?? emptyDigest, "hex");
  return hash.digest("hex");
}

/** The node of `prefix` in the tree over `sorted`, which is in the order of the keys. Pure. */
export function digestNodeOf(sorted: readonly ListedDigest[], prefix: string): DigestNode {
  const builder = createDigestNode(prefix);
  for (const listed of sorted) if (listed.key.startsWith(prefix)) builder.add(listed);
  return builder.node();
}

/** Makes a node of what is added in the order of the keys, and keeps no more of it than the node has. */
export interface DigestNodeBuilder {
  /** Adds an entry whose key starts with the prefix. */
  add(listed: ListedDigest): void;
  /** The node; to be called once. */
  node(): DigestNode;
}

export function createDigestNode(prefix: string): DigestNodeBuilder {
  const whole = createHash("sha256");
  const parts = new Map<string, { count: number; hash: Hash }>();
  const entries: ListedDigest[] = [];
  let count = 0;
  return {
    add(listed) {
      count += 1;
      if (entries.length <= limits.digestEntriesMax) entries.push(listed);
      addTo(whole, listed);
      const digit = listed.key.charAt(prefix.length);
      const part = parts.get(digit) ?? { count: 0, hash: createHash("sha256") };
      parts.set(digit, part);
      part.count += 1;
      addTo(part.hash, listed);
    },

    node() {
      const children = [...parts].map(([digit, part]) => ({
        prefix: prefix + digit,
        count: part.count,
        digest: part.hash.digest("hex"),
      }));
      const digest = prefix === "" ? digestOfRoot(digestsByDigit(children)) : whole.digest("hex");
      return entries.length === count && count <= limits.digestEntriesMax
        ? { prefix, count, digest, entries, children: null }
        : { prefix, count, digest, entries: null, children };
    },
  };
}

/** The digests of the children of the root, by their digit. */
export function digestsByDigit(children: readonly DigestSummary[]): Map<string, string> {
  return new Map(children.map(({ prefix, digest }) => [prefix, digest]));
}

const emptyDigest = createHash("sha256").digest("hex");

function addTo(hash: Hash, { key, digest }: ListedDigest): void {
  hash.update(key, "hex").update(digest, "hex");
}
