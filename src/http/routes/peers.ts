import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { requireScope } from "../../admission/authorize.ts";
import { limits } from "../../base/limits.ts";
import { loggerOf } from "../../base/log.ts";
import { Problem } from "../../base/problem.ts";
import { readBody } from "../body.ts";
import type { HttpDeps } from "../deps.ts";
import { readBearer, readEvidence, readToken } from "../evidence.ts";
import type { PeerReport, PeersPort, VerifyReport } from "../federation-port.ts";
import { followFilterOf, followTerm } from "../follow-filter.ts";
import { readFields } from "../json-fields.ts";
import { problemResponses } from "../problems.ts";
import { addRoute } from "../route.ts";

const tags = ["Peers"];
const jsonType = "application/json";
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const terms = z.array(followTerm).default([]);

const followFields = z
  .strictObject({
    target: z
      .string("must be a URL, or a handle such as @registry@host")
      .min(1, "must not be empty")
      .refine((text) => Buffer.byteLength(text) <= limits.activityIdBytesMax, {
        message: `must have at most ${limits.activityIdBytesMax} bytes`,
      })
      .openapi({ description: "Whom to follow: the URL of a registry or of an actor, or a handle." }),
    filter: z
      .strictObject({ capability: terms, type: terms, lang: terms })
      .optional()
      .openapi({ description: "Only entries that have, per facet, any of its terms; without it, all." }),
  })
  .openapi("NewFollow");

const noFields = z.strictObject({});

const filterSchema = z
  .object({ capability: z.array(z.string()), type: z.array(z.string()), lang: z.array(z.string()) })
  .openapi("FollowFilter");

const instant = z.iso.datetime();

const peerSchema = z
  .object({
    id: z.uuid(),
    actor: z.string(),
    origin: z.string(),
    handle: z.string().nullable(),
    name: z.string().nullable(),
    isRegistry: z.boolean().openapi({ description: "It lists its entries; any other ActivityPub server only hears." }),
    blocked: z.boolean(),
    created: instant,
    lastHeard: instant.nullable(),
    stale: z.boolean().openapi({ description: "It has been silent for longer than STALE_AFTER." }),
    follower: z
      .object({
        state: z.enum(["none", "pending", "accepted", "rejected"]),
        filter: filterSchema.nullable(),
        cursor: z.string().nullable().openapi({ description: "Up to which of our changes it was told." }),
        lag: z.int().nullable().openapi({ description: "Changes that it was not told of yet." }),
        failures: z.int().openapi({ description: "Deliveries that failed in a row." }),
        nextDelivery: instant.nullable(),
        lastError: z.string().nullable(),
        lastErrorAt: instant.nullable(),
      })
      .openapi({ description: "Whether it follows this registry." }),
    following: z
      .object({
        state: z.enum(["none", "requested", "accepted", "rejected"]),
        filter: filterSchema.nullable(),
        cursor: z.string().nullable().openapi({ description: "Up to which of its changes we have read." }),
        pulledAt: instant.nullable(),
        verifiedAt: instant.nullable(),
        nextPull: instant.nullable(),
        lastError: z.string().nullable(),
        entries: z.int(),
        refused: z.int(),
        held: z.int(),
      })
      .openapi({ description: "Whether this registry follows it." }),
  })
  .openapi("Peer", { description: "Another registry, or another ActivityPub server. Names and errors are its words." });

const verifySchema = z
  .object({
    requests: z.int(),
    fetched: z.int().openapi({ description: "Entries that were missing or different here." }),
    refused: z.int(),
    withdrawn: z.int().openapi({ description: "Entries that it does not list any more." }),
    equal: z.boolean().openapi({ description: "Whether what is known here is its list now." }),
  })
  .openapi("PeerVerification");

const idParam = z.object({ id: z.uuid().openapi({ param: { name: "id", in: "path" } }) });

/** Answers about peers are for nobody's cache. */
const headers = { "cache-control": "no-store" };

/** What is done to a peer that is known. */
interface PeerAct<Answer> {
  method: "post" | "delete";
  path: string;
  summary: string;
  description: string;
  answer: { description: string; schema: z.ZodType<Answer> };
  /** Past tense, for the log. */
  done: string;
  act(peers: PeersPort, id: string): Promise<Answer>;
}

type ShownPeer = z.infer<typeof peerSchema>;

const peerAnswer = { description: "The peer as it is now.", schema: peerSchema };

const acts: (PeerAct<ShownPeer> | PeerAct<VerifyReport>)[] = [
  {
    method: "delete",
    path: "/peers/{id}",
    summary: "Unfollow a peer",
    description: "What came from it and from nobody else is listed no more.",
    answer: peerAnswer,
    done: "unfollowed",
    act: async (peers, id) => shownPeer(await peers.unfollow(id)),
  },
  {
    method: "post",
    path: "/peers/{id}/accept",
    summary: "Let a peer follow this registry",
    description: "It is told of all entries that its filter lets through, and of changes from now on.",
    answer: peerAnswer,
    done: "accepted",
    act: async (peers, id) => shownPeer(await peers.accept(id)),
  },
  {
    method: "post",
    path: "/peers/{id}/reject",
    summary: "Do not let a peer follow this registry",
    description: "Also if it was accepted before. What it has by now stays there.",
    answer: peerAnswer,
    done: "rejected",
    act: async (peers, id) => shownPeer(await peers.reject(id)),
  },
  {
    method: "post",
    path: "/peers/{id}/block",
    summary: "Block a peer",
    description: "Nothing more is taken from it or sent to it, and what came from it disappears at once.",
    answer: peerAnswer,
    done: "blocked",
    act: async (peers, id) => shownPeer(await peers.block(id)),
  },
  {
    method: "post",
    path: "/peers/{id}/unblock",
    summary: "Unblock a peer",
    description: "What came from it is shown again, once it is known that it still lists it.",
    answer: peerAnswer,
    done: "unblocked",
    act: async (peers, id) => shownPeer(await peers.unblock(id)),
  },
  {
    method: "post",
    path: "/peers/{id}/verify",
    summary: "Compare what is known of a peer's list with the list",
    description: "And mend what differs. Registries do it every hour by themselves.",
    answer: { description: "What was found.", schema: verifySchema },
    done: "verified",
    act: (peers, id) => peers.verify(id),
  },
];

/** Other registries, for operators: each route needs a token of the scope `admin`, such as ADMIN_TOKEN. */
export function addPeersRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  const log = loggerOf("peers");

  const requireAdmin = async (c: Context) => requireScope(await readToken(c, deps), "admin", "Managing peers");

  /** The id of the token that did it; null for ADMIN_TOKEN. */
  const actorOf = async (c: Context) => (await readBearer(c, deps))?.id ?? null;

  addRoute(app, {
    config: {
      method: "get",
      path: "/peers",
      tags,
      summary: "List peers",
      description: "Who follows this registry, whom it follows, and how that goes.",
      responses: {
        200: {
          description: "The peers.",
          content: { [jsonType]: { schema: z.object({ peers: z.array(peerSchema) }) } },
        },
        ...problemResponses("token-required", "insufficient-scope"),
      },
    },
    handler: async (c) => {
      await requireAdmin(c);
      return c.json({ peers: (await deps.federation.peers.list()).map(shownPeer) }, 200, headers);
    },
  });

  addRoute(app, {
    config: {
      method: "post",
      path: "/peers",
      tags,
      summary: "Follow a registry",
      description:
        "Its entries are found here from then on. Following once more with another filter, or none, replaces the filter.",
      request: { body: { required: true, content: { [jsonType]: { schema: followFields } } } },
      responses: {
        200: { description: "It was followed already.", content: { [jsonType]: { schema: peerSchema } } },
        201: { description: "It is asked now.", content: { [jsonType]: { schema: peerSchema } } },
        ...problemResponses(
          "invalid-json",
          "invalid-parameter",
          "egress-refused",
          "token-required",
          "insufficient-scope",
          "not-found",
          "unsupported-media-type",
          "peer-unavailable",
        ),
      },
    },
    handler: async (c) => {
      await requireAdmin(c);
      const body = await readBody(c, [jsonType]);
      const { target, filter } = readFields(body, followFields);
      const followFilter = filter === undefined ? null : followFilterOf(filter);
      await readEvidence(c, deps, body);
      const { peers } = deps.federation;
      const before = await peers.list();
      const peer = await peers.follow(target, followFilter);
      const wasFollowed = before.some(({ id, following }) => id === peer.id && following.state !== "none");
      log.info("peer followed", { id: peer.id, peer: peer.actor, by: await actorOf(c) });
      const location = `${deps.publicUrl()}/peers/${peer.id}`;
      return wasFollowed
        ? c.json(shownPeer(peer), 200, headers)
        : c.json(shownPeer(peer), 201, { ...headers, location });
    },
  });

  for (const { method, path, summary, description, answer, done, act } of acts) {
    addRoute(app, {
      config: {
        method,
        path,
        tags,
        summary,
        description,
        request: { params: idParam },
        responses: {
          200: { description: answer.description, content: { [jsonType]: { schema: answer.schema } } },
          ...problemResponses(
            "invalid-parameter",
            "token-required",
            "insufficient-scope",
            "not-found",
            "conflict",
            "peer-unavailable",
          ),
        },
      },
      handler: async (c) => {
        await requireAdmin(c);
        const body = await readBody(c, [jsonType]);
        readFields(body, noFields);
        await readEvidence(c, deps, body);
        const id = (c.req.param("id") ?? "").toLowerCase();
        if (!uuid.test(id)) throw new Problem("not-found", "There is no peer with this id: ids of peers are UUIDs.");
        const answered = await act(deps.federation.peers, id);
        log.info(`peer ${done}`, { id, by: await actorOf(c) });
        return c.json(answered, 200, headers);
      },
    });
  }
}

function shownPeer({ follower, following, ...peer }: PeerReport): ShownPeer {
  return {
    ...peer,
    created: peer.created.toISOString(),
    lastHeard: textOf(peer.lastHeard),
    follower: {
      ...follower,
      nextDelivery: textOf(follower.nextDelivery),
      lastErrorAt: textOf(follower.lastErrorAt),
    },
    following: {
      ...following,
      pulledAt: textOf(following.pulledAt),
      verifiedAt: textOf(following.verifiedAt),
      nextPull: textOf(following.nextPull),
    },
  };
}

function textOf(instantOrNull: Date | null): string | null {
  return instantOrNull?.toISOString() ?? null;
}
