import type { EntryKey } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { FollowFilter } from "../db/schema/index.ts";
import type { DigestNode } from "../things/entry-digests.ts";
import { activityContext, type WrittenActivity } from "./activities.ts";
import { actorUrlsOf } from "./actor.ts";

/** A part of a registry's list of entries. */
export interface ListQuery {
  after: string | null;
  /** Null: as many as the registry likes. */
  limit: number | null;
  /** These entries only; empty: all. */
  keys: readonly EntryKey[];
  /** What this origin has listed; null: what the registry lists itself. */
  from: string | null;
  filter: FollowFilter | null;
  /** The origin of the registry that reads. */
  to: string | null;
}

/** The address of a part of the list of entries at `entriesUrl`, or with `digests` of a node of the digests over it. */
export function listAddress(entriesUrl: string, query: Partial<ListQuery>, digests?: { prefix: string }): string {
  const url = new URL(entriesUrl);
  if (digests !== undefined) {
    url.pathname = `${url.pathname}/digests`;
    url.searchParams.set("prefix", digests.prefix);
  }
  const { after, limit, keys = [], from, filter, to } = query;
  for (const [name, value] of Object.entries({ from, after, limit, to })) {
    if (value !== null && value !== undefined) url.searchParams.set(name, String(value));
  }
  for (const key of keys) url.searchParams.append("key", key);
  for (const [facet, terms] of Object.entries(filter ?? {}) as [string, string[]][]) {
    for (const term of terms) url.searchParams.append(facet, term);
  }
  return url.href;
}

/**
 * A page of the list of entries. `cursor` is where it ends, and where the next one starts; null where entries were asked
 * for by their keys. `atEnd`: nothing follows.
 */
export function entriesPage(page: {
  publicUrl: string;
  query: ListQuery;
  activities: readonly WrittenActivity[];
  cursor: string | null;
  epoch: string;
  atEnd: boolean;
}): JsonObject {
  const { publicUrl, query, activities, cursor, epoch, atEnd } = page;
  const { entries } = actorUrlsOf(publicUrl);
  return {
    "@context": activityContext,
    id: listAddress(entries, query),
    type: "OrderedCollectionPage",
    partOf: entries,
    orderedItems: activities.map(({ json }) => json),
    ...(cursor === null ? {} : { "thingstead:cursor": cursor }),
    "thingstead:epoch": epoch,
    ...(atEnd || cursor === null ? {} : { next: listAddress(entries, { ...query, after: cursor }) }),
  };
}

/** A node of the digests over the list of entries; `cursor` is the place of the list's last change. */
export function digestsDocument(node: DigestNode, { epoch, cursor }: { epoch: string; cursor: string }): JsonObject {
  const { prefix, count, digest, entries, children } = node;
  return {
    epoch,
    cursor,
    prefix,
    count,
    digest,
    entries: entries?.map((entry) => ({ ...entry })) ?? null,
    children: children?.map((child) => ({ ...child })) ?? null,
  };
}

/** An OrderedCollection (Activity Vocabulary §3.2) with pages; `first` is the name of its first page. */
export function collection(id: string, totalItems: number, first: string): JsonObject {
  return {
    "@context": activityContext,
    id,
    type: "OrderedCollection",
    totalItems,
    first: pageAddress(id, first),
  };
}

/** A page of it; `next` is the name of the page after it. */
export function outboxPage(
  id: string,
  page: { name: string; activities: readonly WrittenActivity[]; next: string | null },
): JsonObject {
  const items = page.activities.map(({ json }) => json);
  return collectionPage(id, page.name, items, page.next);
}

/** The collection of `actors`, or of them the page with the number `page`, from 1. Throws `invalid-parameter`. */
export function actorsCollection(id: string, actors: readonly string[], page: string | null): JsonObject {
  if (page === null) return collection(id, actors.length, "1");
  const pages = Math.max(1, Math.ceil(actors.length / limits.listPageDefault));
  const number = /^[1-9]\d{0,8}$/.test(page) ? Number(page) : 0;
  if (number < 1 || number > pages) {
    throw new Problem("invalid-parameter", `The parameter page must be a number from 1 to ${pages}.`, {
      validationErrors: [{ field: "/page", description: `Expected a number from 1 to ${pages}.` }],
    });
  }
  const start = (number - 1) * limits.listPageDefault;
  const items = actors.slice(start, start + limits.listPageDefault);
  return collectionPage(id, page, items, number < pages ? String(number + 1) : null);
}

function collectionPage(id: string, name: string, items: JsonObject["orderedItems"], next: string | null): JsonObject {
  return {
    "@context": activityContext,
    id: pageAddress(id, name),
    type: "OrderedCollectionPage",
    partOf: id,
    orderedItems: items ?? [],
    ...(next === null ? {} : { next: pageAddress(id, next) }),
  };
}

function pageAddress(id: string, page: string): string {
  return `${id}?page=${encodeURIComponent(page)}`;
}
