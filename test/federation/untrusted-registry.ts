import type { Clock } from "../../src/base/clock.ts";
import { type Did, digestOf, type EntryKey, entryKeyOf, type ThingId } from "../../src/base/ids.ts";
import type { JsonObject, JsonValue } from "../../src/base/json.ts";
import { formatCursor } from "../../src/db/journal.ts";
import { digestsDocument } from "../../src/federation/collections.ts";
import { digestNodeOf } from "../../src/things/entry-digests.ts";
import { type ActorHost, type SeenRequest, serveActor, startActorHost } from "../support/actor-host.ts";
import type { SignedTd } from "../support/descriptions.ts";

/** A registry of our kind by its words, which lists and sends whatever a test wants. Its requests are signed properly. */
export interface UntrustedRegistry extends AsyncDisposable {
  readonly origin: string;
  readonly actor: string;
  readonly host: ActorHost;
  /** What its list has now, by entry. */
  readonly list: Map<EntryKey, JsonObject>;
  /** Puts an activity that tells of a document into the list, without sending it. */
  lists(document: SignedTd, options?: { path?: string[]; text?: string }): void;
  /** An activity that tells of a document: `Create`, or `Delete` of a tombstone. */
  activityOf(document: SignedTd, options?: { path?: string[]; text?: string }): JsonObject;
  /** An activity that says that it does not list an entry any more. */
  withdrawalOf(document: SignedTd): JsonObject;
  /** Sends a body to the inbox of a registry, signed. */
  post(to: { origin: string }, body: JsonValue): Promise<Response>;
  /** Sends several activities at once, as the given actor (default: itself), and returns their verdicts. */
  send(to: { origin: string }, activities: JsonObject[]): Promise<JsonObject[]>;
}

/** The key of the entry that a document is a version of. */
export function keyOf({ id, key }: Pick<SignedTd, "id" | "key">): EntryKey {
  return entryKeyOf(key.controller as Did, id as ThingId);
}

/** Starts one that accepts whoever follows it. */
export async function startUntrustedRegistry(clock: Clock): Promise<UntrustedRegistry> {
  const host = await startActorHost();
  const { origin } = host;
  const { id: actor, document: actorDocument, signer } = serveActor(host, clock);
  const list = new Map<EntryKey, JsonObject>();
  const epoch = "untrusted";
  let ids = 0;

  Object.assign(actorDocument, { "thingstead:entries": `${origin}/entries`, "thingstead:batchMax": 50 });
  host.answers.set("/.well-known/webfinger", () => ({
    headers: { "content-type": "application/jrd+json" },
    body: JSON.stringify({ links: [{ rel: "self", type: "application/activity+json", href: actor }] }),
  }));
  host.answers.set("/inbox", async ({ body }) => {
    const activity = JSON.parse(Buffer.from(body).toString()) as JsonObject;
    if (activity["type"] === "Follow") {
      const accept = { id: `${actor}#accept-${(ids += 1)}`, type: "Accept", actor, object: activity["id"] ?? "" };
      await registry.post({ origin: new URL(String(activity["actor"])).origin }, accept);
    }
    return { status: 202 };
  });
  host.answers.set("/entries", ({ url }) => {
    const { searchParams } = new URL(url);
    const keys = searchParams.getAll("key") as EntryKey[];
    const withdrawal = (key: EntryKey) => deleteOf(`${origin}/entries/${key}`);
    const items = keys.length === 0 ? [...list.values()] : keys.map((key) => list.get(key) ?? withdrawal(key));
    const cursor = formatCursor(epoch, { xid: "1", id: list.size });
    const body = { type: "OrderedCollectionPage", orderedItems: items, "thingstead:cursor": cursor };
    return { body };
  });
  host.answers.set("/entries/digests", ({ url }) => {
    const listed = [...list]
      .map(([key, activity]) => ({ key, digest: digestOf(documentIn(activity)) }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const prefix = new URL(url).searchParams.get("prefix") ?? "";
    const cursor = formatCursor(epoch, { xid: "1", id: list.size });
    return { body: digestsDocument(digestNodeOf(listed, prefix), { epoch, cursor }) };
  });

  function deleteOf(id: string): JsonObject {
    const object = { id, type: "Tombstone", formerType: "Note" };
    return { id: `${id}#withdrawn-${(ids += 1)}`, type: "Delete", actor, object };
  }

  const registry: UntrustedRegistry = {
    origin,
    actor,
    host,
    list,
    lists(document, options) {
      list.set(keyOf(document), registry.activityOf(document, options));
    },
    activityOf(document, { path = [origin], text = document.text } = {}) {
      const isTombstone = document.json["type"] === "Tombstone";
      const id = `${origin}/entries/${keyOf(document)}`;
      const mediaType = isTombstone ? "application/ld+json" : "application/td+json";
      const object = { id, type: isTombstone ? "Tombstone" : "Note", source: { content: text, mediaType } };
      const type = isTombstone ? "Delete" : "Create";
      return { id: `${id}#${(ids += 1)}`, type, actor, object, "thingstead:path": path };
    },
    withdrawalOf: (document) => deleteOf(`${origin}/entries/${keyOf(document)}`),
    async post(to, body) {
      const bytes = Buffer.from(JSON.stringify(body));
      const headers = { "content-type": "application/activity+json" };
      const request: SeenRequest & { method: "POST" } = {
        method: "POST",
        url: `${to.origin}/inbox`,
        headers: new Headers(headers),
        body: bytes,
      };
      const signed = await signer.sign({ ...request, headers }, "rfc9421");
      return fetch(request.url, { method: "POST", headers: signed, body: bytes });
    },
    async send(to, activities) {
      const response = await registry.post(to, { type: "OrderedCollection", actor, orderedItems: activities });
      if (response.status !== 202) throw new Error(`the inbox answers ${response.status}: ${await response.text()}`);
      return ((await response.json()) as { verdicts: JsonObject[] }).verdicts;
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
  return registry;
}

function documentIn(activity: JsonObject): string {
  const { source } = activity["object"] as { source: { content: string } };
  return source.content;
}
