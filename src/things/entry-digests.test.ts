import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Digest, EntryKey } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { type DigestNode, digestNodeOf, digestOfListed, type ListedDigest } from "./entry-digests.ts";

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest();
const listedOf = (seeds: readonly string[]): ListedDigest[] =>
  seeds
    .map((seed) => ({
      key: sha256(`key ${seed}`).toString("hex") as EntryKey,
      digest: sha256(`document ${seed}`).toString("hex") as Digest,
    }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
const many = listedOf(Array.from({ length: 5_000 }, (_, index) => String(index)));

describe("the digest of a list", () => {
  test("is that of keys and digests, one after the other", () => {
    const [one, other] = listedOf(["a", "b"]) as [ListedDigest, ListedDigest];
    const bytes = Buffer.from(one.key + one.digest + other.key + other.digest, "hex");
    expect(digestOfListed([one, other])).toBe(sha256(bytes).toString("hex"));
    expect(digestOfListed([])).toBe(sha256("").toString("hex"));
  });

  test("of all is that of the sixteen lists by first digit", () => {
    const parts = [..."0123456789abcdef"].map((digit) =>
      digestOfListed(many.filter(({ key }) => key.startsWith(digit))),
    );
    expect(digestNodeOf(many, "").digest).toBe(sha256(Buffer.from(parts.join(""), "hex")).toString("hex"));
  });
});

describe("a node", () => {
  test("has the entries themselves up to a number, and then its parts", () => {
    const few = many.slice(0, limits.digestEntriesMax);
    expect(digestNodeOf(few, "")).toMatchObject({ count: few.length, entries: few, children: null });
    const more = many.slice(0, limits.digestEntriesMax + 1);
    const node = digestNodeOf(more, "");
    expect(node).toMatchObject({ count: more.length, entries: null });
    expect(node.children?.reduce((sum, { count }) => sum + count, 0)).toBe(more.length);
  });

  test("says of a part what the part's own node says", () => {
    const check = (node: DigestNode): void => {
      for (const { prefix, count, digest } of node.children ?? []) {
        const child = digestNodeOf(many, prefix);
        expect([child.count, child.digest]).toEqual([count, digest]);
        check(child);
      }
    };
    check(digestNodeOf(many, ""));
  });

  test("differs exactly where the lists do", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: many.length - 1 }), fc.boolean(), (index, isRemoved) => {
        const changed = many.flatMap((one, at) =>
          at !== index ? [one] : isRemoved ? [] : [{ ...one, digest: "00".repeat(32) as Digest }],
        );
        const { key } = many[index] as ListedDigest;
        expect(digestNodeOf(changed, "").digest).not.toBe(digestNodeOf(many, "").digest);
        for (const prefix of ["0", "7", "f", key.slice(0, 1), key.slice(0, 2)]) {
          const isEqual = digestNodeOf(changed, prefix).digest === digestNodeOf(many, prefix).digest;
          expect(isEqual).toBe(!key.startsWith(prefix));
        }
      }),
      { numRuns: 20 },
    );
  });
});
