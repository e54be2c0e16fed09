import { LRUCache } from "lru-cache";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { isJsonObject } from "../base/json.ts";
import type { FollowFilter } from "../db/schema/index.ts";
import { activityStreamsContext, actorUrlsOf, extensionContext, objectIdOf } from "./actor.ts";
import { entryTags, entryText } from "./entry-post.ts";
import type { Change, Offer, Withdrawal } from "./ports.ts";

/** What everything that is sent says of its terms. */
export const activityContext: JsonValue = [activityStreamsContext, { ...extensionContext, Hashtag: "as:Hashtag" }];

export const publicAudience = "https://www.w3.org/ns/activitystreams#Public";

/** Where a list of changes starts and ends, in the cursors of the list of entries. */
export interface Span {
  after: string;
  cursor: string;
}

/** An activity as it stands in a list, without a context of its own. */
export interface WrittenActivity {
  json: JsonObject;
  /** The JSON text of it. */
  text: string;
  /** Of `text`, in UTF-8. */
  bytes: number;
}

/** UTF-16 units of activities that are kept, since each is sent to many. */
const keptUnitsMax = 16 * 1024 * 1024;

/**
 * Writes what the registry at `publicUrl` says, in compact ActivityStreams 2.0. Pure, but for a memory of the activities
 * that were written last.
 *
 * @param randomId gives what no other activity has in its id.
 */
export function createActivities({ publicUrl, randomId }: { publicUrl: string; randomId(): string }) {
  const urls = actorUrlsOf(publicUrl);
  const written = new LRUCache<string, WrittenActivity>({
    maxSize: keptUnitsMax,
    sizeCalculation: ({ text }) => text.length,
  });

  function envelope(type: string, id: string, object: JsonValue): JsonObject {
    return { id, type, actor: urls.actor, to: [publicAudience], cc: [urls.followers], object };
  }

  function objectOf(change: Change): JsonObject {
    const id = objectIdOf(publicUrl, change.key);
    if (change.type === "withdrawal") return { id, type: "Tombstone", formerType: "Note" };
    if (change.kind === "tombstone") {
      const deleted = change.modified.toISOString();
      const source = { content: change.document, mediaType: "application/ld+json" };
      return { id, type: "Tombstone", formerType: "Note", deleted, source };
    }
    const url = `${publicUrl}/things/${encodeURIComponent(change.thingId)}?controller=${encodeURIComponent(change.controller)}`;
    const td = JSON.parse(change.document) as JsonValue;
    return {
      id,
      type: "Note",
      attributedTo: urls.actor,
      to: [publicAudience],
      cc: [urls.followers],
      published: change.created.toISOString(),
      updated: change.modified.toISOString(),
      // No name: a Note that has one is a vote in a poll for some servers, and not shown.
      url,
      content: entryText(isJsonObject(td) ? td : {}, change.thingId, url),
      tag: entryTags(isJsonObject(td) ? td : {}),
      source: { content: change.document, mediaType: "application/td+json" },
    };
  }

  function write(json: JsonObject): WrittenActivity {
    const text = JSON.stringify(json);
    return { json, text, bytes: Buffer.byteLength(text) };
  }

  function writeOffer(offer: Offer): WrittenActivity {
    const { key, digest, isNew, kind, path } = offer;
    const version = [key, digest, isNew, offer.modified.getTime(), ...path].join(" ");
    const known = written.get(version);
    if (known !== undefined) return known;
    const type = kind === "tombstone" ? "Delete" : isNew ? "Create" : "Update";
    const activity = envelope(type, `${objectIdOf(publicUrl, key)}#${digest}`, objectOf(offer));
    const made = write(path.length > 1 ? { ...activity, "thingstead:path": path } : activity);
    written.set(version, made);
    return made;
  }

  function writeWithdrawal(withdrawal: Withdrawal): WrittenActivity {
    const object = objectOf(withdrawal);
    return write(envelope("Delete", `${String(object.id)}#withdrawn-${randomId()}`, object));
  }

  return {
    /** The Note of an entry, or the Tombstone of one that is gone. */
    objectOf: (change: Change): JsonObject => ({ "@context": activityContext, ...objectOf(change) }),

    /**
     * A change as an activity: `Create` or `Update` of a Note with the description in its `source`, `Delete` with the
     * owner's tombstone in it, or `Delete` without, for what is not listed any more.
     */
    activityOf: (change: Change): WrittenActivity =>
      change.type === "offer" ? writeOffer(change) : writeWithdrawal(change),

    /** The body of a request with one activity. */
    singleBody: ({ text }: WrittenActivity): Uint8Array =>
      Buffer.from(`{"@context":${JSON.stringify(activityContext)},${text.slice(1)}`),

    /** The body of a request with several activities. `span`: null where it does not tell all changes of one. */
    batchBody(activities: readonly WrittenActivity[], span: Span | null): Uint8Array {
      const head = JSON.stringify({
        "@context": activityContext,
        type: "OrderedCollection",
        actor: urls.actor,
        ...(span === null ? {} : { "thingstead:after": span.after, "thingstead:cursor": span.cursor }),
      });
      return Buffer.from(`${head.slice(0, -1)},"orderedItems":[${activities.map(({ text }) => text).join(",")}]}`);
    },

    /** Asks `target` to send what matches `filter`; null: everything. */
    follow(id: string, target: string, filter: FollowFilter | null): JsonObject {
      const follow = followOf(id, urls.actor, target);
      return {
        "@context": activityContext,
        ...follow,
        to: [target],
        ...(filter === null ? {} : { "thingstead:filter": { ...filter } }),
      };
    },

    /** Answers a Follow of `follower`, which has the id `followId`. */
    answer(type: "Accept" | "Reject", follower: string, followId: string): JsonObject {
      return {
        "@context": activityContext,
        id: `${urls.actor}#${type.toLowerCase()}-${randomId()}`,
        type,
        actor: urls.actor,
        to: [follower],
        object: followOf(followId, follower, urls.actor),
      };
    },

    /** Takes back our Follow of `target`. */
    undo(followId: string, target: string): JsonObject {
      return {
        "@context": activityContext,
        id: `${urls.actor}#undo-${randomId()}`,
        type: "Undo",
        actor: urls.actor,
        to: [target],
        object: followOf(followId, urls.actor, target),
      };
    },
  };
}

export type Activities = ReturnType<typeof createActivities>;

function followOf(id: string, actor: string, object: string): JsonObject {
  return { id, type: "Follow", actor, object };
}
