import { type Egress, EgressError } from "../base/egress.ts";
import { isJsonObject, type JsonObject, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { isHttpUrl } from "./http-url.ts";
import type { Signer } from "./signer.ts";

/** A document that could not be had. `unavailable` may pass; `unfit` is final: there is none, or not one as it should be. */
export class RemoteDocumentError extends Error {
  readonly kind: "unavailable" | "unfit";

  constructor(kind: "unavailable" | "unfit", message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "RemoteDocumentError";
    this.kind = kind;
  }
}

/** Reads what other servers say of themselves. */
export interface RemoteDocuments {
  /**
   * The ActivityStreams document at `url`, from the origin of `url` and no other, by a request that is signed: some
   * servers answer no other. Its bounds are those of a submitted document. Throws RemoteDocumentError.
   */
  read(url: string): Promise<JsonObject>;
  /** The same for any JSON, unsigned and whatever its media type, also from where a redirect leads. */
  readPlain(url: string): Promise<JsonObject>;
}

const accept = 'application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"';

/** Reads documents through `egress` only. */
export function createRemoteDocuments({ egress, signer }: { egress: Egress; signer: Signer }): RemoteDocuments {
  async function fetchJson(url: string, headers: Record<string, string>) {
    try {
      const answer = await egress.get(url, { headers, bytesMax: limits.documentBytesMax });
      const { status } = answer;
      if (status === 408 || status === 429 || status >= 500) {
        throw new RemoteDocumentError("unavailable", `${url} answers with status ${status}.`);
      }
      if (status !== 200) throw new RemoteDocumentError("unfit", `${url} answers with status ${status}.`);
      const { value } = parseJson(answer.body);
      if (!isJsonObject(value)) throw new RemoteDocumentError("unfit", `${url} is no JSON object.`);
      return { answer, value };
    } catch (cause) {
      if (cause instanceof EgressError) {
        const isPassing = cause.kind === "unreachable" || cause.kind === "timeout";
        throw new RemoteDocumentError(isPassing ? "unavailable" : "unfit", cause.message, { cause });
      }
      if (cause instanceof Problem) throw new RemoteDocumentError("unfit", `${url}: ${cause.message}`, { cause });
      throw cause;
    }
  }

  return {
    async read(url) {
      if (!isHttpUrl(url)) throw new RemoteDocumentError("unfit", `${url.slice(0, 200)} is no URL.`);
      const request = { method: "GET" as const, url, headers: { accept }, body: null };
      const headers = await signer.sign(request, "draft-cavage-http-signatures-12");
      const { answer, value } = await fetchJson(url, headers);
      // What another origin says, a file that somebody uploaded to this one: neither speaks for this one.
      if (new URL(answer.url).origin !== new URL(url).origin) {
        throw new RemoteDocumentError("unfit", `${url} leads to another origin, ${new URL(answer.url).origin}.`);
      }
      if (!isActivityStreams(answer.headers.get("content-type") ?? "")) {
        throw new RemoteDocumentError("unfit", `${url} is not served as application/activity+json.`);
      }
      return value;
    },
    async readPlain(url) {
      return (await fetchJson(url, { accept: "application/jrd+json, application/json" })).value;
    },
  };
}

/** ActivityPub §3.2: either of two media types. */
function isActivityStreams(contentType: string): boolean {
  const [type = "", ...parameters] = contentType
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  if (type === "application/activity+json") return true;
  const profile = /^profile="?[^"]*https:\/\/www\.w3\.org\/ns\/activitystreams[^"]*"?$/;
  return type === "application/ld+json" && parameters.some((parameter) => profile.test(parameter));
}
