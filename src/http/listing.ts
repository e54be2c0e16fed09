import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { ThingId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { EntryReader, ListPage, StoredEntry } from "../things/entry-store.ts";
import type { HttpDeps } from "./deps.ts";
import { listingTypes, negotiateType } from "./negotiation.ts";
import { readQuery } from "./route.ts";
import { showEntry } from "./show-entry.ts";

export const listQuery = z.object({
  limit: z.coerce
    .number("must be a positive integer")
    .int()
    .min(1)
    .optional()
    .openapi({
      description: `At most so many things in a page, never more than ${limits.listPageMax}. Without limit and offset, all of them.`,
    }),
  offset: z.coerce
    .number("must be a positive integer, or zero")
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .openapi({ description: "Things to skip. Far pages are faster by `next`." }),
  after: z
    .string()
    .min(1)
    .optional()
    .openapi({ description: "Where the page before ended; `next` has it. Goes before `offset`." }),
  format: z.enum(["array", "collection"]).default("array"),
  ids: z
    .literal("only")
    .optional()
    .openapi({ description: "Answers with ids instead of descriptions (an extension)." }),
  sort_by: z.string().optional().openapi({ description: "Not implemented: things are ordered by id." }),
  sort_order: z.string().optional().openapi({ description: "Not implemented: the order is ascending." }),
});

type ListQuery = z.infer<typeof listQuery>;

/**
 * Answers with the things here in the order of their ids (WoT Discovery §7.3.2.1.5): a page if the client asks for
 * one, otherwise all of them, read and sent page by page. The `canonical` link's `etag` names the set of things.
 */
export async function answerListing(c: Context, deps: Pick<HttpDeps, "entries" | "clock">): Promise<Response> {
  const query = readQuery(c.req.url, listQuery);
  if (query.sort_by !== undefined || query.sort_order !== undefined) {
    throw new Problem(
      "not-implemented",
      "sort_by and sort_order: things are listed by id, ascending, and in no other order.",
    );
  }
  const type = negotiateType(c, listingTypes);
  const { entries, clock } = deps;
  const now = clock.now();
  // Before the things themselves: what changes meanwhile shows in the next tag.
  const state = await entries.listState(now);
  const etag = `"${Buffer.from(state).toString("base64url")}"`;
  const headers = { "content-type": type, vary: "accept" };
  const canonical = `</things>; rel="canonical"; etag=${etag}`;

  if (query.limit === undefined && query.offset === undefined && query.after === undefined) {
    const total = query.format === "collection" ? await entries.countPrimary(now) : 0;
    return new Response(ReadableStream.from(encoded(wholeListing(query, total, entries, now))), {
      headers: { ...headers, link: canonical },
    });
  }

  const limit = Math.min(query.limit ?? limits.listPageMax, limits.listPageMax);
  const offset = query.offset ?? 0;
  const after = query.after === undefined ? null : parseAfter(query.after);
  // One more than is shown tells whether there is a next page.
  const found = await readMembers(query, { after, offset, limit: limit + 1, now }, entries);
  const page = found.slice(0, limit);
  const last = found.length > limit ? page.at(-1) : undefined;
  const next = last === undefined ? null : nextUrl(query, limit, offset + limit, last.id);
  const members = page.map(({ json }) => json).join(",");
  const body =
    query.format === "array"
      ? `[${members}]`
      : `${collectionStart(await entries.countPrimary(now), selfUrl(c), next)}${members}]}`;
  return new Response(body, {
    headers: { ...headers, link: next === null ? canonical : `<${next}>; rel="next", ${canonical}` },
  });
}

interface Member {
  id: ThingId;
  json: string;
}

async function readMembers(query: ListQuery, page: ListPage, entries: EntryReader): Promise<Member[]> {
  if (query.ids === "only") return (await entries.listIds(page)).map((id) => ({ id, json: JSON.stringify(id) }));
  return (await entries.listPrimary(page)).map((stored) => ({
    id: stored.entry.thingId,
    json: textOf(stored, page.now),
  }));
}

/** Everything, a page in memory at a time; the client's reading sets the pace. */
async function* wholeListing(query: ListQuery, total: number, entries: EntryReader, now: Date): AsyncGenerator<string> {
  yield query.format === "array" ? "[" : collectionStart(total, "/things?format=collection", null);
  let after: ThingId | null = null;
  for (;;) {
    const page: Member[] = await readMembers(query, { after, offset: 0, limit: limits.listPageDefault, now }, entries);
    const last = page.at(-1);
    if (last === undefined) break;
    yield (after === null ? "" : ",") + page.map(({ json }) => json).join(",");
    after = last.id;
  }
  yield query.format === "array" ? "]" : "]}";
}

async function* encoded(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const text of texts) yield encoder.encode(text);
}

/** A ThingCollection up to its members. */
function collectionStart(total: number, self: string, next: string | null): string {
  const head = {
    "@context": "https://www.w3.org/2022/wot/discovery",
    "@type": "ThingCollection",
    "@id": self,
    total,
    ...(next === null ? {} : { next }),
  };
  return `${JSON.stringify(head).slice(0, -1)},"members":[`;
}

function textOf(stored: StoredEntry, now: Date): string {
  return showEntry(stored, { enriched: false, now });
}

/** The next page: `offset` is what the specification asks for, `after` makes it as fast as the first one. */
function nextUrl(query: ListQuery, limit: number, offset: number, last: ThingId): string {
  const parameters = new URLSearchParams({ limit: String(limit), offset: String(offset) });
  if (query.format !== "array") parameters.set("format", query.format);
  if (query.ids !== undefined) parameters.set("ids", query.ids);
  parameters.set("after", Buffer.from(last).toString("base64url"));
  return `/things?${parameters}`;
}

function selfUrl(c: Context): string {
  const { pathname, search } = new URL(c.req.url);
  return pathname + search;
}

function parseAfter(after: string): ThingId {
  const id = Buffer.from(after, "base64url");
  if (id.length === 0 || id.toString("base64url") !== after || id.includes(0)) {
    throw new Problem("invalid-parameter", "after: must be as in the `next` link of a page.", {
      validationErrors: [{ field: "after", description: "must be as in the `next` link of a page" }],
    });
  }
  return id.toString("utf8") as ThingId;
}
