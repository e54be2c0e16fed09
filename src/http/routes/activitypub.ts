import { type OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { EntryKey } from "../../base/ids.ts";
import type { JsonObject } from "../../base/json.ts";
import { limits } from "../../base/limits.ts";
import { Problem } from "../../base/problem.ts";
import { readBody } from "../body.ts";
import type { HttpDeps } from "../deps.ts";
import { actorPage, entryPage, gonePage, type Page, pageHeaders } from "../entry-page.ts";
import { followFilterOf, followTerm } from "../follow-filter.ts";
import { negotiateType } from "../negotiation.ts";
import { noFederation } from "../no-federation.ts";
import { problemResponses } from "../problems.ts";
import { addRoute, readQuery } from "../route.ts";
import { senderOf } from "../sender.ts";
import { withTrust } from "../trusted-entries.ts";

const tags = ["Federation"];

/** The media types of ActivityStreams objects (ActivityPub §3.2), the one that we send by default first. */
const activityTypes = [
  "application/activity+json",
  'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
  "application/json",
] as const;
const [activityType] = activityTypes;
const jrdType = "application/jrd+json";
const htmlType = "text/html";
/** What NodeInfo calls its own answers (NodeInfo 2.1, protocol). */
const nodeInfoType = 'application/json; profile="http://nodeinfo.diaspora.software/ns/schema/2.1#"';
const nodeInfoRelation = "http://nodeinfo.diaspora.software/ns/schema/2.1";

const inboxTypes = ["application/activity+json", "application/ld+json", "application/json"];

const objectSchema = z.looseObject({}).openapi("ActivityStreamsObject", {
  description: "An object of ActivityStreams 2.0 in compact form (docs/federation.md).",
});

const webFingerQuery = z.object({
  resource: z
    .string("must name what is asked about, such as acct:registry@host")
    .min(1)
    .max(limits.activityIdBytesMax)
    .openapi({ description: "The actor: `acct:registry@HOST`, or its URL." }),
  rel: z
    .array(z.string().max(limits.activityIdBytesMax))
    .default([])
    .openapi({ description: "Taken, and ignored, as RFC 7033 §4.3 allows." }),
});

const collectionQuery = z.object({
  page: z.string().min(1).max(limits.thingIdBytesMax).optional().openapi({
    description: "A page of the collection, as its `first` and `next` name it.",
  }),
});

/** An origin (RFC 6454) as URLs have it, for instance `https://registry.example`. */
const originText = z
  .string()
  .max(limits.activityIdBytesMax)
  .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? "") && URL.parse(text)?.origin === text, {
    message: "must be an origin, such as https://registry.example",
  });

const keyPattern = /^[0-9a-f]{64}$/;

const viewQuery = z.object({
  capability: followTerm.array().default([]).openapi({ description: "Only entries with one of these capabilities." }),
  type: followTerm.array().default([]).openapi({ description: "Only entries with one of these types." }),
  lang: followTerm.array().default([]).openapi({ description: "Only entries in one of these languages." }),
  to: originText.optional().openapi({
    description: "The origin of the registry that reads: what came through it is left out.",
  }),
});

const entriesQuery = viewQuery.extend({
  after: z.string().min(1).max(limits.activityIdBytesMax).optional().openapi({
    description: "`thingstead:cursor` of the page before: what changed after it.",
  }),
  limit: z.coerce
    .number("must be a positive integer")
    .int()
    .min(1)
    .max(limits.entriesPageMax)
    .default(limits.entriesPageMax)
    .openapi({ description: "At most so many entries; a page with long documents has fewer." }),
  key: z
    .string()
    .regex(keyPattern, "must be the key of an entry: 64 hex digits in lower case")
    .array()
    .max(limits.entriesByKeyMax)
    .default([])
    .openapi({ description: "These entries only. Repeat for several." }),
  from: originText.optional().openapi({
    description: "What this registry has listed here, for one that lost its data.",
  }),
});

const digestsQuery = viewQuery.extend({
  prefix: z
    .string()
    .regex(/^[0-9a-f]{0,64}$/, "must be hex digits in lower case, at most 64")
    .default("")
    .openapi({ description: "Only entries whose keys start so." }),
});

const digestSummary = z.object({ prefix: z.string(), count: z.int(), digest: z.string() });
const digestsSchema = digestSummary
  .extend({
    epoch: z.string().openapi({ description: "Names the state of the database: another one after it was restored." }),
    cursor: z.string().openapi({ description: "The place of the list's last change, from which reading goes on." }),
    entries: z.array(z.object({ key: z.string(), digest: z.string() })).nullable(),
    children: z.array(digestSummary).nullable(),
  })
  .openapi("EntryDigests", {
    description: "A node of the tree of digests: its entries where they are few, else its children.",
  });

const entryParams = z.object({
  key: z
    .string()
    .regex(keyPattern)
    .openapi({
      param: { name: "key", in: "path" },
      description: "SHA-256 of controller, line feed and thing id, lower-case hex.",
    }),
});

/** Lists change all the time, and may be for some readers only. */
const listHeaders = { "cache-control": "private, no-cache" };

/** Following and being followed, over ActivityPub (docs/federation.md). Without federation, all of it is `not-found`. */
export function addActivityPubRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  const { federation } = deps;

  function addFederationRoute(config: Omit<RouteConfig, "tags">, handler: (c: Context) => Promise<Response>): void {
    addRoute(app, {
      config: { ...config, tags },
      handler: async (c) => {
        if (!federation.enabled) throw noFederation();
        return handler(c);
      },
    });
  }

  addFederationRoute(
    {
      method: "get",
      path: "/.well-known/webfinger",
      summary: "Find the registry's actor by its handle",
      description: "WebFinger (RFC 7033).",
      request: { query: webFingerQuery },
      responses: {
        200: { description: "What leads to the actor.", content: { [jrdType]: { schema: z.looseObject({}) } } },
        ...problemResponses("invalid-parameter", "not-found"),
      },
    },
    async (c) => {
      const { resource } = readQuery(c.req.url, webFingerQuery);
      const found = federation.webFinger(resource);
      if (found === null) throw new Problem("not-found", `${resource.slice(0, 200)} is nobody here.`);
      return c.json(found, 200, { "content-type": jrdType });
    },
  );

  addFederationRoute(
    {
      method: "get",
      path: "/.well-known/nodeinfo",
      summary: "Where NodeInfo is",
      responses: {
        200: { description: "A link.", content: { "application/json": { schema: z.looseObject({}) } } },
        ...problemResponses("not-found"),
      },
    },
    async (c) => c.json({ links: [{ rel: nodeInfoRelation, href: `${deps.publicUrl()}/nodeinfo/2.1` }] }),
  );

  addFederationRoute(
    {
      method: "get",
      path: "/nodeinfo/2.1",
      summary: "What kind of server this is",
      description: "NodeInfo 2.1.",
      responses: {
        200: { description: "The facts.", content: { "application/json": { schema: z.looseObject({}) } } },
        ...problemResponses("not-found"),
      },
    },
    async (c) => c.json(await federation.nodeInfo(), 200, { "content-type": nodeInfoType }),
  );

  addFederationRoute(
    {
      method: "get",
      path: "/actor",
      summary: "The registry as an ActivityPub actor",
      description: "With its inbox and keys. For browsers, a page.",
      responses: {
        200: {
          description: "The actor.",
          content: { [activityType]: { schema: objectSchema }, [htmlType]: { schema: z.string() } },
        },
        ...problemResponses("not-found", "not-acceptable"),
      },
    },
    async (c) => {
      const actor = federation.actor();
      return answerObject(c, actor, 200, async () => actorPage({ actor, publicUrl: deps.publicUrl() }));
    },
  );

  addFederationRoute(
    {
      method: "post",
      path: "/inbox",
      summary: "Deliver an activity, or several",
      description:
        "Signed by the sender's actor (RFC 9421, or draft-cavage-http-signatures-12). Several activities in one request are answered with a verdict for each.",
      request: { body: { required: true, content: { [activityType]: { schema: objectSchema } } } },
      responses: {
        202: {
          description: "Taken, or kept to be decided on.",
          content: { "application/json": { schema: z.looseObject({}) } },
        },
        ...problemResponses(
          "invalid-json",
          "invalid-parameter",
          "invalid-signature",
          "peer-refused",
          "activity-refused",
          "not-found",
          "document-too-large",
          "unsupported-media-type",
          "too-many-requests",
          "peer-unavailable",
        ),
      },
    },
    async (c) => {
      const body = await readBody(c, inboxTypes, limits.inboxBytesMax);
      const answer = await federation.receive({ ...senderOf(c, deps), body });
      return answer === null ? c.body(null, 202) : c.json(answer, 202);
    },
  );

  const collections = [
    {
      name: "outbox",
      summary: "What the registry tells its followers",
      read: (page: string | null) => federation.outbox(page),
    },
    {
      name: "followers",
      summary: "Who follows the registry",
      read: (page: string | null) => federation.followers(page),
    },
    {
      name: "following",
      summary: "Whom the registry follows",
      read: (page: string | null) => federation.following(page),
    },
  ];
  for (const { name, summary, read } of collections) {
    addFederationRoute(
      {
        method: "get",
        path: `/${name}`,
        summary,
        request: { query: collectionQuery },
        responses: {
          200: {
            description: "The collection, or a page of it.",
            content: { [activityType]: { schema: objectSchema } },
          },
          ...problemResponses("invalid-parameter", "not-found", "not-acceptable"),
        },
      },
      async (c) => {
        const { page } = readQuery(c.req.url, collectionQuery);
        return answerObject(c, await read(page ?? null));
      },
    );
  }

  addFederationRoute(
    {
      method: "get",
      path: "/entries",
      summary: "The registry's list of entries, for its followers",
      description:
        "Oldest change first, each entry once and as it is now. `thingstead:cursor` says where to go on, at once or later.",
      request: { query: entriesQuery },
      responses: {
        200: { description: "A page of activities.", content: { [activityType]: { schema: objectSchema } } },
        ...problemResponses("invalid-parameter", "not-found", "not-acceptable"),
      },
    },
    async (c) => {
      const { after, limit, key, from, to, ...terms } = readQuery(c.req.url, entriesQuery);
      if (key.length > 0 && (after !== undefined || from !== undefined)) {
        throw new Problem("invalid-parameter", "The query is not valid: key must not be given beside after or from.", {
          validationErrors: [{ field: "key", description: "must not be given beside after or from" }],
        });
      }
      const page = await federation.entries({
        filter: followFilterOf(terms),
        to: to ?? null,
        after: after ?? null,
        limit,
        keys: key as EntryKey[],
        from: from ?? null,
      });
      return answerObject(c, page);
    },
  );

  addFederationRoute(
    {
      method: "get",
      path: "/entries/digests",
      summary: "Digests over the list of entries",
      description: "A tree over the entries' keys in which two registries find where their lists differ.",
      request: { query: digestsQuery },
      responses: {
        200: { description: "A node of the tree.", content: { "application/json": { schema: digestsSchema } } },
        ...problemResponses("invalid-parameter", "not-found"),
      },
    },
    async (c) => {
      const { prefix, to, ...terms } = readQuery(c.req.url, digestsQuery);
      return c.json(
        await federation.digests(prefix, { filter: followFilterOf(terms), to: to ?? null }),
        200,
        listHeaders,
      );
    },
  );

  addFederationRoute(
    {
      method: "get",
      path: "/entries/{key}",
      summary: "An entry as ActivityStreams has it",
      description:
        "A Note whose `source` is the signed document, verbatim; once the entry is gone, a Tombstone. For browsers, a page.",
      request: { params: entryParams },
      responses: {
        200: {
          description: "The Note.",
          content: { [activityType]: { schema: objectSchema }, [htmlType]: { schema: z.string() } },
        },
        410: { description: "A Tombstone.", content: { [activityType]: { schema: objectSchema } } },
        ...problemResponses("not-found", "not-acceptable"),
      },
    },
    async (c) => {
      const key = c.req.param("key") ?? "";
      const object = keyPattern.test(key) ? await federation.object(key as EntryKey) : null;
      if (object === null) throw noEntry();
      if (object["type"] === "Tombstone") return answerObject(c, object, 410, async () => gonePage(object));
      return answerObject(c, object, 200, async () => pageOf(key as EntryKey));
    },
  );

  /** An entry for people. Throws `not-found` for what was taken out meanwhile. */
  async function pageOf(key: EntryKey): Promise<Page> {
    const now = deps.clock.now();
    const trusted = (await withTrust(await deps.entries.findActive([key], now), deps, now)).get(key);
    if (trusted === undefined) throw noEntry();
    return entryPage(trusted, deps);
  }
}

/** `object` as JSON or, where it has a page and the client prefers that, as HTML. Throws `not-acceptable`. */
async function answerObject(
  c: Context,
  object: JsonObject,
  status: 200 | 410 = 200,
  page: (() => Promise<Page>) | null = null,
): Promise<Response> {
  const type = negotiateType(c, page === null ? activityTypes : [...activityTypes, htmlType]);
  const headers = { ...listHeaders, vary: "accept" };
  if (type === htmlType && page !== null) return c.html(await page(), status, { ...headers, ...pageHeaders });
  return c.json(object, status, { ...headers, "content-type": type });
}

function noEntry(): Problem {
  return new Problem("not-found", "There is no entry with this key.");
}
