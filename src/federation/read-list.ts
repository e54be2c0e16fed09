import { z } from "zod";
import type { Digest, EntryKey } from "../base/ids.ts";
import { isJsonObject, type JsonBounds, type JsonValue, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { digestNodeOf, digestOfRoot } from "../things/entry-digests.ts";
import type { EntriesPage, PeerDigests } from "./ports.ts";
import { cursorSchema, readListItem } from "./read-activity.ts";

/*
 * A peer's list of entries and the digests over it. They are read strictly: what is not as it should be says nothing, and
 * least of all that there are no entries.
 */

const pageBounds: JsonBounds = {
  bytesMax: limits.entriesPageBytesMax,
  depthMax: limits.jsonDepthMax,
  nodesMax: 200 * limits.entriesPageMax,
};

const pageSchema = z.object({
  type: z.literal("OrderedCollectionPage"),
  orderedItems: z.array(z.unknown()).max(limits.entriesPageMax),
  next: z.string().optional(),
  "thingstead:cursor": cursorSchema.optional(),
});

/**
 * Reads a page of the list of entries of `actor`. `after` is where it had to start; undefined where entries were asked for
 * by their keys, so that there is no cursor. Throws `invalid-json` and `document-too-large`.
 */
export function readEntriesPage(body: Uint8Array, actor: string, after: string | null | undefined): EntriesPage {
  const { value } = parseJson(body, pageBounds);
  const page = pageSchema.safeParse(value);
  if (!page.success) throw invalid("The page of entries", page.error);
  const { orderedItems, next, "thingstead:cursor": cursor } = page.data;
  const reports = orderedItems.map((item) => readListItem(item as JsonValue, actor));
  if (after === undefined) return { reports, cursor: "", atEnd: true };
  if (cursor === undefined) throw new Problem("invalid-json", 'The page of entries has no "thingstead:cursor".');
  const atEnd = next === undefined;
  if (!atEnd && cursor === after) {
    throw new Problem("invalid-json", "The page of entries leads to itself.");
  }
  return { reports, cursor, atEnd };
}

const hexSchema = z.string().regex(/^[0-9a-f]{64}$/);
const summarySchema = z.object({ prefix: z.string(), count: z.int().min(0), digest: hexSchema });
const digestsSchema = summarySchema.extend({
  epoch: cursorSchema,
  cursor: cursorSchema,
  entries: z
    .array(
      z.object({
        key: hexSchema.transform((hex) => hex as EntryKey),
        digest: hexSchema.transform((hex) => hex as Digest),
      }),
    )
    .max(limits.digestEntriesMax)
    .nullable(),
  children: z.array(summarySchema).max(16).nullable(),
});

/**
 * Reads the node of `prefix`. What it says has to agree with itself: its entries with its digest, its children with its
 * count, and both with the prefix. Throws `invalid-json` and `document-too-large`.
 */
export function readDigests(body: Uint8Array, prefix: string): PeerDigests {
  const { value } = parseJson(body);
  const read = digestsSchema.safeParse(isJsonObject(value) ? value : null);
  if (!read.success) throw invalid("The digests", read.error);
  const { epoch, cursor, entries, children, ...summary } = read.data;
  if (summary.prefix !== prefix) throw inconsistent("are of another prefix than was asked for");
  if (entries !== null && children === null) {
    const isSorted = entries.every(
      ({ key }, at) => key.startsWith(prefix) && (at === 0 || (entries[at - 1]?.key ?? "") < key),
    );
    if (!isSorted || entries.length !== summary.count || digestNodeOf(entries, prefix).digest !== summary.digest) {
      throw inconsistent("do not agree with the entries that are listed");
    }
    return { epoch, cursor, node: { ...summary, entries, children } };
  }
  if (children !== null && entries === null) {
    const isSorted = children.every(
      (child, at) =>
        child.prefix.length === prefix.length + 1 &&
        /^[0-9a-f]+$/.test(child.prefix) &&
        child.prefix.startsWith(prefix) &&
        child.count > 0 &&
        (at === 0 || (children[at - 1]?.prefix ?? "") < child.prefix),
    );
    const count = children.reduce((sum, child) => sum + child.count, 0);
    const isRootSound =
      prefix !== "" || digestOfRoot(new Map(children.map((child) => [child.prefix, child.digest]))) === summary.digest;
    if (!isSorted || !isRootSound || count !== summary.count)
      throw inconsistent("do not agree with those of longer prefixes");
    return { epoch, cursor, node: { ...summary, entries, children } };
  }
  throw inconsistent("must have either entries or children");
}

function inconsistent(description: string): Problem {
  return new Problem("invalid-json", `The digests ${description}.`);
}

function invalid(subject: string, error: z.ZodError): Problem {
  const [issue] = error.issues;
  const field = `/${issue?.path.join("/") ?? ""}`;
  const description = issue?.message ?? "does not fit";
  return new Problem("invalid-json", `${subject} does not fit at ${JSON.stringify(field)}: ${description}.`, {
    validationErrors: [{ field, description }],
  });
}
