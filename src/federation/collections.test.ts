import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Did, Digest, EntryKey, ThingId } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { digestNodeOf, type ListedDigest } from "../things/entry-digests.ts";
import { createActivities } from "./activities.ts";
import {
  actorsCollection,
  collection,
  digestsDocument,
  entriesPage,
  type ListQuery,
  listAddress,
  outboxPage,
} from "./collections.ts";
import type { Offer } from "./ports.ts";
import { readDigests, readEntriesPage } from "./read-list.ts";

const publicUrl = "https://a.example";
const actor = `${publicUrl}/actor`;
const activities = createActivities({ publicUrl, randomId: () => "r" });
const keyOf = (at: number) => at.toString(16).padStart(64, "0") as EntryKey;
const offerOf = (at: number): Offer => ({
  type: "offer",
  key: keyOf(at),
  thingId: `urn:example:${at}` as ThingId,
  controller: "did:web:owner.example" as Did,
  kind: "description",
  document: `{"title":"${at}"}`,
  digest: keyOf(at) as string as Digest,
  path: [publicUrl],
  created: new Date(0),
  modified: new Date(at),
  isNew: true,
});
const query: ListQuery = { after: null, limit: null, keys: [], from: null, filter: null, to: null };
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

describe("a page of the list of entries", () => {
  const activitiesOf = (count: number) => Array.from({ length: count }, (_, at) => activities.activityOf(offerOf(at)));
  const page = (changes: Partial<Parameters<typeof entriesPage>[0]> = {}): JsonObject =>
    entriesPage({
      publicUrl,
      query,
      activities: activitiesOf(2),
      cursor: "e.1.1",
      epoch: "e",
      atEnd: false,
      ...changes,
    });

  test("is read as it was written", () => {
    const reports = [0, 1].map((at) => ({
      type: "listed",
      objectId: `${publicUrl}/entries/${keyOf(at)}`,
      document: `{"title":"${at}"}`,
      path: [publicUrl],
    }));
    expect(readEntriesPage(bytesOf(page()), actor, null)).toEqual({ reports, cursor: "e.1.1", atEnd: false });
    expect(readEntriesPage(bytesOf(page({ atEnd: true })), actor, "e.1.1")).toMatchObject({ atEnd: true });
    expect(readEntriesPage(bytesOf(page({ cursor: null })), actor, undefined)).toEqual({
      reports,
      cursor: "",
      atEnd: true,
    });
  });

  test("leads to the next one with what was asked for", () => {
    const filter = { capability: ["light on", "dim"], type: [], lang: ["en"] };
    const asked: ListQuery = { ...query, after: "e.0.0", limit: 2, filter, to: "https://b.example" };
    const { id, next, partOf } = page({ query: asked });
    expect(partOf).toBe(`${publicUrl}/entries`);
    expect(id).toBe(listAddress(`${publicUrl}/entries`, asked));
    const parameters = new URL(String(next)).searchParams;
    expect([...parameters]).toEqual([
      ["after", "e.1.1"],
      ["limit", "2"],
      ["to", "https://b.example"],
      ["capability", "light on"],
      ["capability", "dim"],
      ["lang", "en"],
    ]);
    expect(page({ atEnd: true }).next).toBeUndefined();
  });

  test.each<[string, (sound: JsonObject) => unknown]>([
    ["an error page", () => ({ type: "about:blank", status: 200 })],
    ["nothing", () => null],
    ["no items", (sound) => ({ ...sound, orderedItems: undefined })],
    ["another type", (sound) => ({ ...sound, type: "OrderedCollection" })],
    ["no cursor", (sound) => ({ ...sound, "thingstead:cursor": undefined })],
    ["a cursor that no database holds", (sound) => ({ ...sound, "thingstead:cursor": "\u0000" })],
    ["itself as the next one", (sound) => ({ ...sound, "thingstead:cursor": "e.0.0" })],
    ["an item that is not about an entry", (sound) => ({ ...sound, orderedItems: [{ type: "Like", actor }] })],
    ["an item that is no object", (sound) => ({ ...sound, orderedItems: ["x"] })],
    [
      "an item by another actor",
      (sound) => ({ ...sound, orderedItems: [{ ...activitiesOf(1)[0]?.json, actor: "https://b.example/actor" }] }),
    ],
    [
      "more than was asked for",
      (sound) => ({ ...sound, orderedItems: activitiesOf(limits.entriesPageMax + 1).map(({ json }) => json) }),
    ],
  ])("is no page at all with %s", (_what, change) => {
    const sound = page();
    expect(readEntriesPage(bytesOf(sound), actor, "e.0.0").reports).toHaveLength(2);
    expect(() => readEntriesPage(bytesOf(change(sound)), actor, "e.0.0")).toThrow(Problem);
  });

  test("can have as many items as are allowed", () => {
    const full = page({ activities: activitiesOf(limits.entriesPageMax) });
    expect(readEntriesPage(bytesOf(full), actor, null).reports).toHaveLength(limits.entriesPageMax);
  });
});

describe("the digests over a list of entries", () => {
  const listed = (count: number): ListedDigest[] =>
    Array.from({ length: count }, (_, at) => offerOf(at * 1_000_003))
      .map(({ digest }, at) => {
        const key = (at % 16).toString(16) + keyOf(at).slice(1);
        return { key: key as EntryKey, digest };
      })
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  const state = { epoch: "e", cursor: "e.1.1" };

  test("are read as they were written, at each depth", () => {
    for (const [count, prefix] of [
      [0, ""],
      [3, ""],
      [limits.digestEntriesMax + 1, ""],
      [200, "a"],
    ] as const) {
      const node = digestNodeOf(listed(count), prefix);
      expect(readDigests(bytesOf(digestsDocument(node, state)), prefix)).toEqual({ ...state, node });
    }
  });

  test("are refused where they do not agree with themselves", () => {
    const entries = digestsDocument(digestNodeOf(listed(3), ""), state);
    const children = digestsDocument(digestNodeOf(listed(200), ""), state);
    const refused: [JsonObject | null, string][] = [
      [null, ""],
      [{}, ""],
      [entries, "0"],
      [{ ...entries, count: 4 }, ""],
      [{ ...entries, digest: "0".repeat(64) }, ""],
      [{ ...entries, entries: [] }, ""],
      [{ ...entries, entries: (entries.entries as JsonObject[]).toReversed() }, ""],
      [{ ...entries, children: [] }, ""],
      [{ ...entries, epoch: "\u0000" }, ""],
      [{ ...entries, entries: null }, ""],
      [{ ...children, count: 199 }, ""],
      [{ ...children, digest: "0".repeat(64) }, ""],
      [{ ...children, children: (children.children as JsonObject[]).toReversed() }, ""],
      [{ ...children, children: [{ prefix: "aa", count: 200, digest: "0".repeat(64) }] }, ""],
      [{ ...children, children: [{ prefix: "", count: 200, digest: "0".repeat(64) }] }, ""],
    ];
    for (const [value, prefix] of refused) {
      expect(() => readDigests(bytesOf(value), prefix), JSON.stringify(value)?.slice(0, 200)).toThrow(Problem);
    }
  });
});

test("whatever a peer answers is read or refused with a problem", () => {
  const onlyProblems = (read: () => unknown): void => {
    try {
      read();
    } catch (error) {
      expect(error).toBeInstanceOf(Problem);
    }
  };
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      onlyProblems(() => readEntriesPage(bytesOf(value), actor, null));
      onlyProblems(() => readDigests(bytesOf(value), ""));
      const page = { type: "OrderedCollectionPage", orderedItems: [value], "thingstead:cursor": "c" };
      onlyProblems(() => readEntriesPage(bytesOf(page), actor, null));
    }),
  );
});

describe("collections", () => {
  const id = `${publicUrl}/followers`;

  test("of actors have pages of a bounded size", () => {
    const actors = Array.from({ length: limits.listPageDefault + 1 }, (_, at) => `https://p${at}.example/actor`);
    expect(actorsCollection(id, actors, null)).toMatchObject({
      id,
      type: "OrderedCollection",
      totalItems: actors.length,
      first: `${id}?page=1`,
    });
    expect(actorsCollection(id, actors, "1")).toMatchObject({
      id: `${id}?page=1`,
      type: "OrderedCollectionPage",
      partOf: id,
      orderedItems: actors.slice(0, -1),
      next: `${id}?page=2`,
    });
    const last = actorsCollection(id, actors, "2");
    expect(last.orderedItems).toEqual(actors.slice(-1));
    expect(last.next).toBeUndefined();
    expect(actorsCollection(id, [], "1").orderedItems).toEqual([]);
    for (const page of ["0", "3", "-1", "x", "", "1e3", "9".repeat(30)]) {
      expect(() => actorsCollection(id, actors, page)).toThrow(expect.objectContaining({ type: "invalid-parameter" }));
    }
  });

  test("of activities have pages that cursors name", () => {
    const outbox = `${publicUrl}/outbox`;
    expect(collection(outbox, 7, "e.0.0")).toMatchObject({ totalItems: 7, first: `${outbox}?page=e.0.0` });
    const activity = activities.activityOf(offerOf(1));
    expect(outboxPage(outbox, { name: "e.0.0", activities: [activity], next: "e.1.1" })).toMatchObject({
      id: `${outbox}?page=e.0.0`,
      orderedItems: [activity.json],
      next: `${outbox}?page=e.1.1`,
    });
  });
});
