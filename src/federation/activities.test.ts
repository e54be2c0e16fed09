import { describe, expect, test } from "vitest";
import { type Did, type Digest, digestOf, type EntryKey, type ThingId } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { createActivities } from "./activities.ts";
import type { Offer } from "./ports.ts";

const publicUrl = "https://a.example";
const activities = createActivities({ publicUrl, randomId: () => "r" });
const td = {
  "@context": "https://www.w3.org/2022/wot/td/v1.1",
  title: "Lamp",
  description: "Gives light",
  "@type": ["saref:LightSwitch", "Thing"],
  tags: ["home light"],
  actions: { switchOn: { title: "Switch on", forms: [] }, dim: { forms: [] } },
  properties: { state: { forms: [] } },
};
const offerOf = (document: unknown, changes: Partial<Offer> = {}): Offer => ({
  type: "offer",
  key: "a".repeat(64) as EntryKey,
  thingId: "urn:example:lamp" as ThingId,
  controller: "did:web:owner.example" as Did,
  kind: "description",
  document: JSON.stringify(document),
  digest: digestOf(JSON.stringify(document)),
  path: [publicUrl],
  created: new Date("2026-11-21T09:00:00Z"),
  modified: new Date("2026-11-21T10:00:00Z"),
  isNew: true,
  ...changes,
});

describe("an entry as a post", () => {
  test("is a Note that people can read, with the description verbatim in its source", () => {
    const offer = offerOf(td);
    const id = `${publicUrl}/entries/${offer.key}`;
    const url = `${publicUrl}/things/urn%3Aexample%3Alamp?controller=did%3Aweb%3Aowner.example`;
    const { json } = activities.activityOf(offer);
    expect(json).toEqual({
      id: `${id}#${offer.digest}`,
      type: "Create",
      actor: `${publicUrl}/actor`,
      to: ["https://www.w3.org/ns/activitystreams#Public"],
      cc: [`${publicUrl}/followers`],
      object: {
        id,
        type: "Note",
        attributedTo: `${publicUrl}/actor`,
        to: ["https://www.w3.org/ns/activitystreams#Public"],
        cc: [`${publicUrl}/followers`],
        published: "2026-11-21T09:00:00.000Z",
        updated: "2026-11-21T10:00:00.000Z",
        url,
        content:
          "<p><strong><bdi>Lamp</bdi></strong></p><p><bdi>Gives light</bdi></p>" +
          "<p>Capabilities: <bdi>Switch on</bdi>, <bdi>dim</bdi></p>" +
          `<p><a href="${url}">${url}</a></p>`,
        tag: ["LightSwitch", "Thing", "homeLight", "switchOn", "dim"].map((name) => ({
          type: "Hashtag",
          name: `#${name}`,
        })),
        source: { content: offer.document, mediaType: "application/td+json" },
      },
    });
  });

  test("has no markup, no hidden character and no link of its owner's, and is short", () => {
    const hostile = `<script>alert(1)</script><a href="https://evil.example">x</a>"'&\u202e\u200b\u0007`;
    const { json } = activities.activityOf(
      offerOf({
        title: hostile,
        description: hostile.repeat(1_000),
        actions: Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`${hostile}${at}`, {}])),
        "@type": Array.from({ length: 500 }, (_, at) => `https://x.example/${hostile}${at}`),
      }),
    );
    const { content, tag } = json.object as JsonObject & { content: string; tag: JsonObject[] };
    expect(content.replaceAll(/<\/?(?:p|strong|bdi|a)>|<a href="https:\/\/a\.example[^"<>]*">/g, "")).not.toMatch(
      /[<>"]/,
    );
    expect(content).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect([...content.matchAll(/href="/g)]).toHaveLength(1);
    expect(content.length).toBeLessThan(10 * limits.snippetCharactersMax);
    expect(tag.length).toBeLessThanOrEqual(8);
    expect(JSON.stringify(tag)).not.toMatch(/[<>]/);
  });

  test.each([{}, { title: 1, actions: [], "@type": {} }, { title: "\u202e", actions: null }])(
    "can be made of any document: %j",
    (document) => {
      const { object } = activities.activityOf(offerOf(document)).json as { object: JsonObject };
      expect(object.content).toContain("<p><strong><bdi>urn:example:lamp</bdi></strong></p>");
    },
  );

  test("names the registries that it came through, if there are several", () => {
    const path = ["https://c.example", publicUrl];
    expect(activities.activityOf(offerOf(td, { path })).json["thingstead:path"]).toEqual(path);
    expect(activities.activityOf(offerOf(td)).json["thingstead:path"]).toBeUndefined();
  });

  test("is written once for all who are told of it, and anew for each version", () => {
    const first = activities.activityOf(offerOf(td));
    expect(activities.activityOf(offerOf(td))).toBe(first);
    expect(activities.activityOf(offerOf(td, { isNew: false })).json.type).toBe("Update");
    expect(activities.activityOf(offerOf(td, { digest: "c".repeat(64) as Digest })).json.id).toMatch(/#c{64}$/);
    expect(activities.activityOf(offerOf(td, { modified: new Date(0) }))).not.toBe(first);
  });
});

test("a tombstone is the owner's own, and a withdrawal has none", () => {
  const tombstone = activities.activityOf(offerOf({ type: "Tombstone" }, { kind: "tombstone" })).json;
  expect(tombstone).toMatchObject({
    type: "Delete",
    object: {
      type: "Tombstone",
      formerType: "Note",
      deleted: "2026-11-21T10:00:00.000Z",
      source: { content: '{"type":"Tombstone"}', mediaType: "application/ld+json" },
    },
  });
  const key = "a".repeat(64) as EntryKey;
  const withdrawal = activities.activityOf({ type: "withdrawal", key }).json;
  const id = `${publicUrl}/entries/${key}`;
  expect(withdrawal).toMatchObject({ id: `${id}#withdrawn-r`, type: "Delete" });
  expect(withdrawal.object).toEqual({ id, type: "Tombstone", formerType: "Note" });
  expect(activities.objectOf({ type: "withdrawal", key })).toMatchObject({ "@context": expect.anything(), id });
});
