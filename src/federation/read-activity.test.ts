import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Did, Digest, EntryKey, ThingId } from "../base/ids.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { createActivities } from "./activities.ts";
import type { Change, Offer } from "./ports.ts";
import { readIncoming, readListItem } from "./read-activity.ts";

const origin = "https://a.example";
const actor = `${origin}/actor`;
const note = (changes: JsonObject = {}): JsonObject => ({
  id: `${origin}/entries/1`,
  type: "Note",
  source: { content: '{"title":"Lamp"}', mediaType: "application/td+json" },
  ...changes,
});
const activity = (changes: JsonObject = {}): JsonObject => ({
  "@context": "https://www.w3.org/ns/activitystreams",
  id: `${origin}/entries/1#x`,
  type: "Create",
  actor,
  object: note(),
  ...changes,
});
const read = (value: JsonValue) => readIncoming(Buffer.from(JSON.stringify(value)));

function problemOf(value: JsonValue): Problem {
  try {
    read(value);
  } catch (error) {
    expect(error).toBeInstanceOf(Problem);
    return error as Problem;
  }
  throw new Error(`nothing was thrown for ${JSON.stringify(value)}`);
}

const activities = createActivities({ publicUrl: origin, randomId: () => "1" });
const offer: Offer = {
  type: "offer",
  key: "a".repeat(64) as EntryKey,
  thingId: "urn:example:lamp" as ThingId,
  controller: "did:web:owner.example" as Did,
  kind: "description",
  document: '{"title": "Lamp \\u0000 <b>\\"", "x": [1.0]}',
  digest: "b".repeat(64) as Digest,
  path: [origin],
  created: new Date("2026-11-21T09:00:00Z"),
  modified: new Date("2026-11-21T10:00:00Z"),
  isNew: true,
};

describe("what this registry writes is read again", () => {
  test("a description, byte for byte; a tombstone; a withdrawal", () => {
    const changes: Change[] = [
      offer,
      { ...offer, isNew: false, path: ["https://c.example", origin] },
      { ...offer, kind: "tombstone", document: '{ "type": "Tombstone" }', digest: "c".repeat(64) as Digest },
      { type: "withdrawal", key: offer.key },
    ];
    const objectId = `${origin}/entries/${offer.key}`;
    const reports = [
      { type: "listed", objectId, document: offer.document, path: [origin] },
      { type: "listed", objectId, document: offer.document, path: ["https://c.example", origin] },
      { type: "listed", objectId, document: '{ "type": "Tombstone" }', path: [origin] },
      { type: "withdrawn", objectId },
    ];
    const written = changes.map((change) => activities.activityOf(change));
    expect(written.map(({ json }) => json.type)).toEqual(["Create", "Update", "Delete", "Delete"]);
    for (const [at, one] of written.entries()) {
      expect(readIncoming(activities.singleBody(one))).toMatchObject({
        kind: "reports",
        actor,
        isBatch: false,
        span: null,
        reports: [reports[at]],
      });
      expect(readListItem(one.json, actor)).toEqual(reports[at]);
    }
    const span = { after: "e.1.1", cursor: "e.2.2" };
    expect(readIncoming(activities.batchBody(written, span))).toEqual({
      kind: "reports",
      actor,
      isBatch: true,
      span,
      reports,
      activityIds: written.map(({ json }) => json.id),
    });
    expect(readIncoming(activities.batchBody(written, null))).toMatchObject({ span: null });
  });

  test("Follow, Accept, Reject and Undo", () => {
    const target = "https://b.example/actor";
    const filter = { capability: ["light"], type: [], lang: ["en"] };
    const asked = activities.follow(`${origin}/follows/1`, target, filter);
    expect(read(asked)).toEqual({ kind: "follow", actor, id: `${origin}/follows/1`, object: target, filter });
    expect(read(activities.follow(`${origin}/follows/1`, target, null))).toMatchObject({ filter: null });
    const followId = "https://b.example/follows/9";
    expect(read(activities.answer("Accept", target, followId))).toEqual({ kind: "accept", actor, of: followId });
    expect(read(activities.answer("Reject", target, followId))).toEqual({ kind: "reject", actor, of: followId });
    expect(read(activities.undo(`${origin}/follows/1`, target))).toEqual({
      kind: "undo",
      actor,
      of: `${origin}/follows/1`,
    });
  });
});

describe("what other servers write", () => {
  test("is read in the forms that ActivityStreams allows", () => {
    const actorObject = { id: actor, type: "Application", name: "A" };
    expect(read(activity({ actor: actorObject, type: ["Create"] }))).toMatchObject({ kind: "reports", actor });
    expect(read(activity({ type: "Delete", object: `${origin}/entries/1` }))).toMatchObject({
      reports: [{ type: "withdrawn", objectId: `${origin}/entries/1` }],
    });
    const source = { content: "{}", mediaType: "Application/TD+JSON; charset=utf-8" };
    expect(read(activity({ object: note({ source }) }))).toMatchObject({ reports: [{ document: "{}" }] });
    expect(read({ type: "Accept", id: `${origin}/1`, actor, object: "https://b.example/f" })).toMatchObject({
      kind: "accept",
      of: "https://b.example/f",
    });
    const follow = { type: "Follow", actor, object: "https://b.example/actor" };
    expect(read({ type: "Undo", actor, object: follow })).toEqual({ kind: "undo", actor, of: null });
    expect(read({ type: "Undo", actor, object: `${origin}/f` })).toMatchObject({ of: `${origin}/f` });
  });

  test.each<[string, JsonObject]>([
    ["a post without a source", activity({ object: note({ source: null }) })],
    [
      "a post with another source",
      activity({ object: note({ source: { content: "*hi*", mediaType: "text/markdown" } }) }),
    ],
    ["a description that is no Note", activity({ object: note({ type: "Article" }) })],
    ["a like", activity({ type: "Like", object: `${origin}/entries/1` })],
    ["a boost", activity({ type: "Announce", object: "https://b.example/entries/2" })],
    ["the end of an account", activity({ type: "Delete", object: actor })],
    ["the end of an account, as an object", activity({ type: "Delete", object: { id: actor, type: "Person" } })],
    ["taking back a like", activity({ type: "Undo", object: { id: `${origin}/l`, type: "Like" } })],
    ["taking back nothing", activity({ type: "Undo", object: null })],
    ["accepting something else", activity({ type: "Accept", object: { id: `${origin}/e`, type: "Event" } })],
    ["a type that nobody knows", activity({ type: "Frobnicate" })],
    ["a creation of nothing", activity({ object: null })],
    ["a creation of a list", activity({ object: [note()] })],
  ])("is politely ignored: %s", (_what, value) => {
    expect(read(value)).toMatchObject({ kind: "unknown", actor });
  });

  test.each<[string, JsonValue]>([
    ["no object at all", "Create"],
    ["no type", activity({ type: null })],
    ["no actor", activity({ actor: null })],
    ["an actor that is no URL", activity({ actor: "did:web:a.example" })],
    ["an actor with a password", activity({ actor: "https://u:p@a.example/actor" })],
    ["an actor with a control character", activity({ actor: `${actor}\u0000` })],
    ["an id of another origin", activity({ id: "https://b.example/1" })],
    ["an id with another port", activity({ id: "https://a.example:8443/1" })],
    ["no id", activity({ id: null })],
    ["an object of another origin", activity({ object: note({ id: "https://b.example/1" }) })],
    ["an object without an id", activity({ object: note({ id: null }) })],
    ["the withdrawal of another's object", activity({ type: "Delete", object: "https://b.example/1" })],
    ["a path that ends elsewhere", activity({ "thingstead:path": [origin, "https://b.example"] })],
    ["a path of what is no origin", activity({ "thingstead:path": [`https://b.example/x`, origin] })],
    ["a path with a loop", activity({ "thingstead:path": [origin, "https://b.example", origin] })],
    ["an empty path", activity({ "thingstead:path": [] })],
    ["a follow of nothing", activity({ type: "Follow", object: null })],
    ["a follow with an id of another origin", activity({ type: "Follow", id: "https://b.example/1", object: actor })],
    ["an undo of another's follow", activity({ type: "Undo", object: "https://b.example/1" })],
    ["a filter of numbers", activity({ type: "Follow", object: actor, "thingstead:filter": { type: [1] } })],
    ["a filter with a null", activity({ type: "Follow", object: actor, "thingstead:filter": { type: ["\u0000"] } })],
    ["an empty batch", { type: "OrderedCollection", actor, orderedItems: [] }],
    ["a batch by another", { type: "OrderedCollection", actor: "https://b.example/actor", orderedItems: [activity()] }],
    ["a batch by a neighbour", { type: "OrderedCollection", actor: `${origin}/other`, orderedItems: [activity()] }],
    ["a batch with something else", { type: "OrderedCollection", actor, orderedItems: [activity({ type: "Like" })] }],
    ["a batch in a batch", { type: "OrderedCollection", actor, orderedItems: [{ type: "OrderedCollection", actor }] }],
  ])("is refused: %s", (_what, value) => {
    expect(problemOf(value)).toMatchObject({ type: "invalid-json", status: 400 });
  });

  test("is bounded: each bound is still accepted, and not one more", () => {
    const longId = (bytes: number) => `${origin}/${"x".repeat(bytes - origin.length - 1)}`;
    expect(read(activity({ id: longId(limits.activityIdBytesMax) }))).toMatchObject({ kind: "reports" });
    problemOf(activity({ id: longId(limits.activityIdBytesMax + 1) }));

    const path = (length: number) => [
      ...Array.from({ length: length - 1 }, (_, at) => `https://p${at}.example`),
      origin,
    ];
    expect(read(activity({ "thingstead:path": path(limits.pathOriginsMax) }))).toMatchObject({ kind: "reports" });
    problemOf(activity({ "thingstead:path": path(limits.pathOriginsMax + 1) }));

    const follow = (terms: string[]) =>
      activity({ type: "Follow", object: actor, "thingstead:filter": { capability: terms, lang: ["en"] } });
    const terms = (count: number) => Array.from({ length: count }, (_, at) => `t${at}`);
    expect(read(follow(terms(limits.followTermsMax - 1)))).toMatchObject({ kind: "follow" });
    problemOf(follow(terms(limits.followTermsMax)));
    expect(read(follow(["x".repeat(limits.followTermBytesMax)]))).toMatchObject({ kind: "follow" });
    problemOf(follow(["x".repeat(limits.followTermBytesMax + 1)]));

    const batch = (count: number) => ({
      type: "OrderedCollection",
      actor,
      orderedItems: Array.from({ length: count }, () => activity()),
    });
    expect(read(batch(limits.inboxActivitiesMax))).toMatchObject({ isBatch: true });
    problemOf(batch(limits.inboxActivitiesMax + 1));
    const large = Buffer.alloc(limits.inboxBytesMax + 1, " ");
    expect(() => readIncoming(large)).toThrow(expect.objectContaining({ type: "document-too-large" }));
  });
});

describe("whatever comes in", () => {
  const id = fc.constantFrom(actor, `${origin}/1`, "https://b.example/1", "x", "", "https://[", `${origin}/\u0000`);
  const json = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom<JsonValue>(
        "Create",
        "Delete",
        "Note",
        "Tombstone",
        "Follow",
        "Undo",
        "OrderedCollection",
        null,
        1,
      ),
      id,
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom(
          "id",
          "type",
          "actor",
          "object",
          "source",
          "content",
          "mediaType",
          "orderedItems",
          "thingstead:path",
          "thingstead:filter",
          "thingstead:after",
          "thingstead:cursor",
          "capability",
          "formerType",
          "constructor",
        ),
        tie("value"),
      ) as fc.Arbitrary<JsonObject>,
    ),
  })).value;
  const sender = fc.constantFrom<JsonValue>(actor, { id: actor });
  const kinds = ["Create", "Update", "Delete", "Follow", "Accept", "Reject", "Undo", "OrderedCollection"];
  const likely = fc
    .tuple(json, sender, fc.constantFrom(...kinds), json, id, json)
    .map(([rest, by, type, object, itsId, extra]): JsonValue => ({
      ...(typeof rest === "object" && rest !== null && !Array.isArray(rest) ? rest : {}),
      actor: by,
      type,
      object,
      id: itsId,
      orderedItems: [extra, { ...activity(), object }],
    }));

  test("is read or refused with a problem; what is read has ids of its sender's origin only", () => {
    fc.assert(
      fc.property(fc.oneof(json, likely), (value) => {
        try {
          const incoming = read(value);
          expect(new URL(incoming.actor).protocol).toMatch(/^https?:$/);
          if (incoming.kind !== "reports") return;
          expect(incoming.reports.length).toBe(incoming.activityIds.length);
          for (const one of [...incoming.activityIds, ...incoming.reports.map(({ objectId }) => objectId)]) {
            expect(new URL(one).origin).toBe(new URL(incoming.actor).origin);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(Problem);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("as bytes or as text", () => {
    const refused = (bytes: Uint8Array): void => {
      try {
        readIncoming(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(Problem);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refused));
    const text = JSON.stringify(activity());
    fc.assert(
      fc.property(fc.nat(text.length), fc.string({ maxLength: 3 }), (at, piece) => {
        refused(Buffer.from(text.slice(0, at) + piece + text.slice(at + piece.length)));
      }),
    );
    refused(Buffer.from("[".repeat(1_000_000)));
    refused(Buffer.from(`{"a":${"[0,".repeat(10)}`));
  });
});
