import { z } from "zod";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { snippetOf } from "../base/shown-text.ts";
import { isHttpUrl } from "./http-url.ts";
import { RemoteDocumentError, type RemoteDocuments } from "./remote-documents.ts";

/** An actor elsewhere, as it describes itself. */
export interface RemoteActor {
  id: string;
  /** Of `id`: who it is in provenance. */
  origin: string;
  /** As ActivityStreams has it, e.g. `Application`. */
  type: string;
  inbox: string;
  sharedInbox: string | null;
  name: string | null;
  /** `user@host`. */
  handle: string | null;
  /** Where it lists its entries; null for a server of another kind. */
  entriesUrl: string | null;
  /** Activities that it takes in one request. */
  batchMax: number;
}

export interface RemoteActors {
  /**
   * Asks for the actor at `target`: its URL, that of a page about it, the origin of a registry, or a WebFinger handle such
   * as `@registry@host` or `acct:registry@host`. What it says of itself counts only if its own origin says it, and its
   * inbox and list of entries have to be there as well: nobody can have others flooded.
   *
   * Throws `invalid-parameter` for what leads to no actor, `peer-unavailable` where it cannot be asked now.
   */
  lookup(target: string): Promise<RemoteActor>;
}

const actorTypes = ["Application", "Group", "Organization", "Person", "Service"];

const actorSchema = z.object({
  id: z.string().refine(isHttpUrl, "not a URL that can be an id"),
  type: z.union([z.string(), z.array(z.string())]),
  inbox: z.string(),
  endpoints: z
    .object({ sharedInbox: z.string().optional().catch(undefined) })
    .optional()
    .catch(undefined),
  name: z.string().nullish().catch(null),
  preferredUsername: z.string().nullish().catch(null),
  "thingstead:entries": z.string().optional(),
  "thingstead:batchMax": z.int().min(1).optional(),
});

const webFingerSchema = z.object({
  links: z.array(z.object({ rel: z.string(), type: z.string().optional(), href: z.string().optional() })),
});

/**
 * @param schemes in which the hosts of handles are asked, in this order: `https`; on closed networks, `http` after it.
 */
export function createRemoteActors(deps: {
  documents: RemoteDocuments;
  schemes: readonly ("https" | "http")[];
}): RemoteActors {
  const { documents, schemes } = deps;

  /** The id of the actor that WebFinger (RFC 7033) names for `acct:user@host`, as `origin` says. */
  async function actorIdOf(origin: string, account: string): Promise<string> {
    const url = `${origin}/.well-known/webfinger?resource=${encodeURIComponent(account)}`;
    const answer = webFingerSchema.safeParse(await documents.readPlain(url));
    const isActivityStreams = (type = ""): boolean => /activity\+json|ld\+json/.test(type);
    const link = answer.data?.links.find(({ rel, type }) => rel === "self" && isActivityStreams(type));
    if (link?.href === undefined) throw new RemoteDocumentError("unfit", `${url} names no actor.`);
    return link.href;
  }

  async function actorIdOfHandle(user: string, host: string): Promise<string> {
    let failure: unknown = null;
    for (const scheme of schemes) {
      const origin = URL.parse(`${scheme}://${host}`)?.origin;
      if (origin === undefined) throw new RemoteDocumentError("unfit", `${host} is no host name.`);
      try {
        return await actorIdOf(origin, `acct:${user}@${host}`);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async function readActor(id: string): Promise<RemoteActor> {
    const first = await documents.read(id);
    // Pages about an actor and other names of it lead to its id, where it speaks for itself.
    const ownId = typeof first.id === "string" ? first.id : "";
    const document = ownId === id ? first : await documents.read(ownId);
    if (document.id !== ownId) throw new RemoteDocumentError("unfit", `${ownId} is not the id of what is there.`);
    return describedBy(document);
  }

  return {
    async lookup(target) {
      try {
        const handle = /^(?:acct:|@)?([^@\s/?#:]+)@([^@\s/?#]+)$/i.exec(target);
        if (handle !== null) {
          const [, user = "", host = ""] = handle;
          return await readActor(await actorIdOfHandle(user, host.toLowerCase()));
        }
        const url = URL.parse(target);
        if (url === null || !["https:", "http:"].includes(url.protocol)) {
          throw new RemoteDocumentError("unfit", `Expected is a URL or a handle such as @registry@example.org.`);
        }
        if (url.pathname !== "/" || url.search !== "") return await readActor(url.href);
        const id = await actorIdOf(url.origin, `acct:registry@${url.host}`);
        if (URL.parse(id)?.origin !== url.origin) {
          throw new RemoteDocumentError("unfit", `${url.origin} names an actor elsewhere; give its own address.`);
        }
        return await readActor(id);
      } catch (cause) {
        if (!(cause instanceof RemoteDocumentError)) throw cause;
        const shown = snippetOf(target, limits.snippetTitleCharactersMax);
        if (cause.kind === "unavailable") {
          throw new Problem("peer-unavailable", `${shown} cannot be asked now: ${cause.message}`, { cause });
        }
        throw new Problem("invalid-parameter", `${shown} leads to no actor that can be used: ${cause.message}`, {
          cause,
        });
      }
    },
  };
}

/** What an actor's document says; throws RemoteDocumentError where it is not as it should be. */
function describedBy(document: JsonObject): RemoteActor {
  const read = actorSchema.safeParse(document);
  if (!read.success) {
    const [issue] = read.error.issues;
    const place = issue?.path.join(".") ?? "";
    throw new RemoteDocumentError("unfit", `the actor's document does not fit at "${place}": ${issue?.message ?? ""}.`);
  }
  const { id, inbox, endpoints, name, preferredUsername } = read.data;
  const { origin, host } = new URL(id);
  const type = [read.data.type].flat().find((one) => actorTypes.includes(one));
  if (type === undefined) throw new RemoteDocumentError("unfit", `${id} is not an actor.`);
  const isOwn = (url: string): boolean => isHttpUrl(url) && new URL(url).origin === origin;
  if (!isOwn(inbox)) throw new RemoteDocumentError("unfit", `its inbox is not at ${origin}.`);
  const { "thingstead:entries": entries, "thingstead:batchMax": batchMax } = read.data;
  const isRegistry = entries !== undefined && batchMax !== undefined;
  if (isRegistry && !isOwn(entries)) throw new RemoteDocumentError("unfit", `its list of entries is not at ${origin}.`);
  const sharedInbox = endpoints?.sharedInbox;
  return {
    id,
    origin,
    type,
    inbox,
    sharedInbox: sharedInbox !== undefined && isOwn(sharedInbox) ? sharedInbox : null,
    name: textOf(name),
    handle: textOf(preferredUsername) === null ? null : `${textOf(preferredUsername)}@${host}`,
    entriesUrl: isRegistry ? entries : null,
    batchMax: isRegistry ? Math.min(batchMax, limits.inboxActivitiesMax) : 1,
  };
}

function textOf(text: string | null | undefined): string | null {
  const shown = snippetOf(text ?? "", limits.snippetTitleCharactersMax);
  return shown === "" ? null : shown;
}
