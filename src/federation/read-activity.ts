import { z } from "zod";
import { type JsonBounds, type JsonValue, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { FollowFilter } from "../db/schema/index.ts";
import { isHttpUrl } from "./http-url.ts";
import type { Report } from "./ports.ts";

/*
 * What other servers send. Plain JSON is read: nothing is processed as JSON-LD, and no context is fetched. Of an entry only
 * its document, the id of its object and the way that it came are taken; all else in an envelope is a hint that nobody here
 * follows.
 */

/** What a request to the inbox says. Nothing in it is proven, not even the sender. */
export type Incoming = {
  /** The id of the sender, as it says. All ids of its own are of the same origin. */
  actor: string;
} & (
  | {
      kind: "reports";
      /** Of the activities, in the order of `reports`. */
      activityIds: string[];
      reports: Report[];
      /** The sender's cursors before and after these changes; null where it does not say. */
      span: { after: string; cursor: string } | null;
      /** Whether they came as several, and are to be answered one by one. */
      isBatch: boolean;
    }
  | { kind: "follow"; id: string; object: string; filter: FollowFilter | null }
  /** An answer to the Follow with the id `of`; null where it does not say to which. */
  | { kind: "accept" | "reject" | "undo"; of: string | null }
  /** Something that a registry has no use for. */
  | { kind: "unknown"; type: string }
);

const inboxBounds: JsonBounds = {
  bytesMax: limits.inboxBytesMax,
  depthMax: limits.jsonDepthMax,
  // Documents are strings here; an activity of ours has some fifty values, a rich one of others some hundreds.
  nodesMax: 200 * limits.inboxActivitiesMax,
};

/** A cursor is opaque, and short. */
export const cursorSchema = z.string().regex(/^[\x21-\x7e]{1,128}$/);

const typeSchema = z.union([z.string(), z.array(z.string()).min(1)]);
/** An object that may be named by its id alone. */
const referenceSchema = z.union([z.string(), z.looseObject({ id: z.string() }).transform(({ id }) => id)]);

const activitySchema = z.object({
  id: z.string().nullish(),
  type: typeSchema,
  actor: referenceSchema,
  object: z.unknown().optional(),
  "thingstead:path": z.array(z.string()).min(1).max(limits.pathOriginsMax).optional(),
  "thingstead:filter": z.unknown().optional(),
});
type Activity = z.infer<typeof activitySchema>;

const batchSchema = z.object({
  actor: referenceSchema,
  "thingstead:after": cursorSchema.optional(),
  "thingstead:cursor": cursorSchema.optional(),
  orderedItems: z.array(z.unknown()).min(1).max(limits.inboxActivitiesMax),
});

const objectSchema = z.object({
  id: z.string().nullish(),
  type: typeSchema.optional(),
  source: z.object({ content: z.string(), mediaType: z.string() }).optional().catch(undefined),
});

const followedSchema = z.object({ id: z.string().nullish(), type: typeSchema.optional() });

const termsSchema = z.array(z.string().regex(/^\P{Cc}+$/u)).default([]);
const filterSchema = z.object({ capability: termsSchema, type: termsSchema, lang: termsSchema });

/** Media types of documents: Thing Descriptions and tombstones. */
const documentTypes: ReadonlySet<string> = new Set(["application/td+json", "application/ld+json"]);

/**
 * Reads the body of a request to the inbox: one activity, or an OrderedCollection of several. Throws `document-too-large`
 * and `invalid-json`; what is well-formed and no business of a registry is `unknown`.
 */
export function readIncoming(body: Uint8Array): Incoming {
  const { value } = parseJson(body, inboxBounds);
  const type = typesOf(read(z.object({ type: typeSchema }), value, "The activity").type);
  return type.includes("OrderedCollection") ? readBatch(value) : readSingle(value);
}

/**
 * Reads an item of a peer's list of entries: an activity of `actor` about an entry. Throws `invalid-json` for anything else.
 */
export function readListItem(item: JsonValue, actor: string): Report {
  const found = readReport(readActivity(item, actor), actor);
  if (found === null) throw invalid("An item of the list is not about an entry");
  return found.report;
}

function readBatch(value: JsonValue): Incoming {
  const batch = read(batchSchema, value, "The OrderedCollection");
  const actor = checkedUrl(batch.actor, "The actor");
  const found = batch.orderedItems.map((item) => readReport(readActivity(item, actor), actor));
  const { "thingstead:after": after, "thingstead:cursor": cursor } = batch;
  const reports = found.filter((one) => one !== null);
  if (reports.length < found.length) throw invalid("Only activities about entries may be sent several at once");
  return {
    kind: "reports",
    actor,
    activityIds: reports.map(({ activityId }) => activityId),
    reports: reports.map(({ report }) => report),
    span: after === undefined || cursor === undefined ? null : { after, cursor },
    isBatch: true,
  };
}

function readSingle(value: JsonValue): Incoming {
  const activity = readActivity(value, null);
  const { actor } = activity;
  const types = typesOf(activity.type);
  if (types.includes("Follow")) {
    const { object } = read(z.object({ object: referenceSchema }), value, "The Follow");
    return {
      kind: "follow",
      actor,
      id: ownId(activity.id, actor),
      object: checkedUrl(object, "The object of the Follow"),
      filter: readFilter(activity["thingstead:filter"]),
    };
  }
  for (const [type, kind] of [
    ["Accept", "accept"],
    ["Reject", "reject"],
    ["Undo", "undo"],
  ] as const) {
    if (!types.includes(type)) continue;
    const of = readFollowed(activity.object, kind === "undo" ? actor : null);
    return of === undefined ? { kind: "unknown", actor, type } : { kind, actor, of };
  }
  const found = readReport(activity, actor);
  if (found === null) return { kind: "unknown", actor, type: types.join(" ").slice(0, 128) };
  return {
    kind: "reports",
    actor,
    activityIds: [found.activityId],
    reports: [found.report],
    span: null,
    isBatch: false,
  };
}

/** An activity by `actor`; null: by whomever it says. */
function readActivity(value: unknown, actor: string | null): Activity {
  const activity = read(activitySchema, value, "The activity");
  const by = checkedUrl(activity.actor, "The actor");
  if (actor !== null && by !== actor) throw invalid(`An activity is by another actor than ${actor}`);
  return { ...activity, actor: by };
}

/** What an activity says of an entry; null if it is about something else. */
function readReport(activity: Activity, actor: string): { activityId: string; report: Report } | null {
  const type = typesOf(activity.type).find((one) => ["Create", "Update", "Delete"].includes(one));
  if (type === undefined) return null;
  const object = objectSchema.safeParse(
    typeof activity.object === "string" ? { id: activity.object } : activity.object,
  ).data;
  if (object === undefined) return null;
  const { source } = object;
  const objectTypes = typesOf(object.type ?? []);
  const mediaType = source?.mediaType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (source !== undefined && documentTypes.has(mediaType)) {
    if (!objectTypes.includes(type === "Delete" ? "Tombstone" : "Note")) return null;
    const path = readPath(activity["thingstead:path"], actor);
    const objectId = ownId(object.id, actor);
    return {
      activityId: ownId(activity.id, actor),
      report: { type: "listed", objectId, document: source.content, path },
    };
  }
  // An actor that deletes itself says so as well.
  if (type !== "Delete" || object.id === actor || object.id == null) return null;
  if (objectTypes.length > 0 && !objectTypes.includes("Tombstone")) return null;
  return {
    activityId: ownId(activity.id, actor),
    report: { type: "withdrawn", objectId: ownId(object.id, actor) },
  };
}

/** The id of the Follow that is answered or taken back; undefined if it is something else. */
function readFollowed(object: unknown, actor: string | null): string | null | undefined {
  const followed = followedSchema.safeParse(typeof object === "string" ? { id: object } : object).data;
  if (followed === undefined) return undefined;
  if (followed.type !== undefined && !typesOf(followed.type).includes("Follow")) return undefined;
  if (followed.id == null) return typeof object === "string" ? undefined : null;
  return actor === null ? checkedUrl(followed.id, "The id of the Follow") : ownId(followed.id, actor);
}

/** Origins of registries, first where the entry was registered, last the sender's. */
function readPath(path: string[] | undefined, actor: string): string[] {
  const { origin } = new URL(actor);
  if (path === undefined) return [origin];
  const isSound = path.every((one) => URL.parse(one)?.origin === one && one.startsWith("http"));
  if (!isSound || path.at(-1) !== origin || new Set(path).size < path.length) {
    throw invalid(`"thingstead:path" must be an array of distinct origins, and end with ${origin}`);
  }
  return path;
}

function readFilter(value: unknown): FollowFilter | null {
  if (value === undefined || value === null) return null;
  const filter = read(filterSchema, value, 'The "thingstead:filter"');
  const terms = Object.values(filter).flat();
  if (terms.length > limits.followTermsMax) {
    throw invalid(`"thingstead:filter" has ${terms.length} terms; at most ${limits.followTermsMax} are accepted`);
  }
  if (terms.some((term) => Buffer.byteLength(term) > limits.followTermBytesMax)) {
    throw invalid(`A term of "thingstead:filter" has more than ${limits.followTermBytesMax} bytes`);
  }
  return terms.length === 0 ? null : filter;
}

/** An id that `actor` may give: a URL of its own origin. */
function ownId(id: string | null | undefined, actor: string): string {
  const checked = checkedUrl(id ?? "", "An id");
  const { origin } = new URL(actor);
  if (new URL(checked).origin !== origin) throw invalid(`An id is not of the sender's origin, ${origin}`);
  return checked;
}

function checkedUrl(text: string, subject: string): string {
  if (isHttpUrl(text)) return text;
  throw invalid(
    `${subject} is missing or not an http or https URL of at most ${limits.activityIdBytesMax} bytes, without white space`,
  );
}

function typesOf(type: string | string[]): string[] {
  return [type].flat();
}

function read<T>(schema: z.ZodType<T>, value: unknown, subject: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = `/${issue?.path.join("/") ?? ""}`;
  const description = issue?.message ?? "does not fit";
  throw new Problem("invalid-json", `${subject} does not fit at ${JSON.stringify(field)}: ${description}.`, {
    validationErrors: [{ field, description }],
  });
}

function invalid(description: string): Problem {
  return new Problem("invalid-json", `${description}.`);
}
