import { LRUCache } from "lru-cache";
import { EgressError, type EgressResponse, type EgressSession, type PostingEgress } from "../base/egress.ts";
import type { Clock } from "../base/clock.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import type { Activities, Span, WrittenActivity } from "./activities.ts";
import { type ListQuery, listAddress } from "./collections.ts";
import { createKeptSessions } from "./kept-sessions.ts";
import type { PeerRow } from "./peer-store.ts";
import { type Verdict, type Wire, WireError } from "./ports.ts";
import { readDigests, readEntriesPage } from "./read-list.ts";
import type { OutgoingRequest, Signer, SignatureSpec } from "./signer.ts";
import { failureOf, readVerdicts } from "./wire-answers.ts";

export interface WireDeps {
  egress: PostingEgress;
  signer: Signer;
  activities: Activities;
  /** The origin of this registry. */
  publicUrl: string;
  clock: Clock;
}

/** A way to peers that can also say what is no change of an entry. */
export interface ActivityWire extends Wire {
  /** Sends one activity, such as a Follow. Throws WireError unless it is taken. */
  send(peer: PeerRow, activity: JsonObject): Promise<void>;
}

/** Bytes of activities in one request, well below what is taken (`limits.inboxBytesMax`). */
const batchBytesMax = 3 * 1024 * 1024;

/** Origins of which it is remembered how they want requests signed. */
const originsMax = 10_000;

const draft: SignatureSpec = "draft-cavage-http-signatures-12";

/**
 * The way to peers over HTTP. Registries of our kind get several activities in one request and signatures by RFC 9421;
 * other servers get one activity in each request, several requests at once, and signatures by the draft or the standard,
 * whichever they take.
 */
export function createWire({ egress, signer, activities, publicUrl, clock }: WireDeps): ActivityWire {
  const taken = new LRUCache<string, SignatureSpec>({ max: originsMax });
  const sessions = createKeptSessions(egress);

  /** Signs a request and sends it. Throws WireError where there is no answer. */
  async function request(
    outgoing: OutgoingRequest,
    spec: SignatureSpec,
    options: { session: EgressSession; bytesMax?: number },
  ): Promise<EgressResponse> {
    const headers = await signer.sign(outgoing, spec);
    try {
      const { url, body } = outgoing;
      if (body !== null) return await egress.post(url, { ...options, headers, body });
      return await egress.get(url, { ...options, headers });
    } catch (cause) {
      if (cause instanceof EgressError) throw new WireError("unavailable", cause.message, { cause });
      if (cause instanceof Problem) throw new WireError("refused", cause.message, { cause });
      throw cause;
    }
  }

  /** Posts to the inbox of a peer: the answer, if the peer takes what it was sent. */
  async function post(peer: PeerRow, body: Uint8Array, session: EgressSession): Promise<EgressResponse> {
    const headers = { accept: "application/json", "content-type": "application/activity+json" };
    const outgoing = { method: "POST" as const, url: peer.inbox, headers, body };
    const { origin } = new URL(peer.inbox);
    const spec = taken.get(origin) ?? (isRegistry(peer) ? "rfc9421" : draft);
    let answer = await request(outgoing, spec, { session });
    if (answer.status === 401 && !isRegistry(peer)) {
      const other = spec === draft ? "rfc9421" : draft;
      answer = await request(outgoing, other, { session });
      if (answer.status !== 401) taken.set(origin, other);
    }
    const failure = failureOf(answer, clock.now());
    if (failure !== null) throw failure;
    return answer;
  }

  /** Several activities in one request. `span` goes with the last of the requests that tell it all. */
  async function postBatch(
    peer: PeerRow,
    batch: readonly WrittenActivity[],
    span: Span | null,
    session: EgressSession,
  ): Promise<Verdict[]> {
    try {
      const answer = await post(peer, activities.batchBody(batch, span), session);
      return readVerdicts(answer.body, batch.length);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (batch.length === 1) return [refusedBy(error)];
    }
    // One of them is what the peer refuses: the others must not suffer for it.
    const middle = Math.ceil(batch.length / 2);
    const first = await postBatch(peer, batch.slice(0, middle), null, session);
    return [...first, ...(await postBatch(peer, batch.slice(middle), span, session))];
  }

  /** One activity in each request, several requests at once. */
  async function postSingles(
    peer: PeerRow,
    all: readonly WrittenActivity[],
    session: EgressSession,
  ): Promise<Verdict[]> {
    const verdicts: Verdict[] = [];
    const queue = all.entries();
    const failures: unknown[] = [];
    const worker = async (): Promise<void> => {
      for (const [at, activity] of queue) {
        if (failures.length > 0) return;
        try {
          await post(peer, activities.singleBody(activity), session);
          verdicts[at] = { outcome: "taken", changed: true };
        } catch (error) {
          if (isRefusal(error)) verdicts[at] = refusedBy(error);
          else failures.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: limits.deliveriesPerPeerMax }, worker));
    if (failures.length > 0) throw failures[0];
    return verdicts;
  }

  async function read<T>(
    peer: PeerRow,
    bytesMax: number,
    addressOf: (entriesUrl: string) => string,
    parse: (body: Uint8Array) => T,
  ): Promise<T> {
    if (peer.entriesUrl === null) throw new WireError("refused", `${peer.origin} is no registry that lists entries.`);
    const headers = { accept: "application/activity+json, application/json" };
    const url = addressOf(peer.entriesUrl);
    const answer = await sessions.use(peer.origin, (session) =>
      request({ method: "GET", url, headers, body: null }, "rfc9421", { session, bytesMax }),
    );
    const failure = failureOf(answer, clock.now());
    if (failure !== null) throw failure;
    if (new URL(answer.url).origin !== new URL(url).origin) {
      throw new WireError("unavailable", `${url} leads to another origin.`);
    }
    try {
      return parse(answer.body);
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      throw new WireError("unavailable", `${url} answers with what cannot be read: ${cause.message}`, { cause });
    }
  }

  return {
    async deliver(peer, changes, span) {
      const written = changes.map((change) => activities.activityOf(change));
      return sessions.use(peer.origin, async (session) => {
        if (!isRegistry(peer)) return postSingles(peer, written, session);
        const verdicts: Verdict[] = [];
        const batches = batchesOf(written, Math.min(peer.batchMax, limits.inboxActivitiesMax));
        for (const batch of batches) {
          verdicts.push(...(await postBatch(peer, batch, batch === batches.at(-1) ? span : null, session)));
        }
        return verdicts;
      });
    },

    async send(peer, activity) {
      await sessions.use(peer.origin, (session) => post(peer, Buffer.from(JSON.stringify(activity)), session));
    },

    async readEntries(peer, query) {
      const view = { filter: peer.followingFilter, to: publicUrl };
      const asked: Partial<ListQuery> =
        "keys" in query
          ? { ...view, keys: query.keys }
          : "fromUs" in query
            ? { from: publicUrl, after: query.after, limit: limits.entriesPageMax }
            : { ...view, after: query.after, limit: limits.entriesPageMax };
      return read(
        peer,
        limits.entriesPageBytesMax,
        (entriesUrl) => listAddress(entriesUrl, asked),
        (body) => readEntriesPage(body, peer.actor, "keys" in query ? undefined : query.after),
      );
    },

    async readDigests(peer, prefix) {
      const view = { filter: peer.followingFilter, to: publicUrl };
      return read(
        peer,
        limits.documentBytesMax,
        (entriesUrl) => listAddress(entriesUrl, view, { prefix }),
        (body) => readDigests(body, prefix),
      );
    },
  };
}

/** Whether a peer is a registry of our kind. */
function isRegistry({ entriesUrl, batchMax }: PeerRow): boolean {
  return entriesUrl !== null && batchMax > 1;
}

/** Whether this very activity is refused for good, and not the request for other reasons. */
function isRefusal(error: unknown): error is WireError {
  return error instanceof WireError && error.kind === "refused" && !(error.cause instanceof Problem);
}

function refusedBy(error: WireError): Verdict {
  return { outcome: "refused", problem: "peer-refused", detail: error.message };
}

/** The same activities in the same order, in requests that are not too large. */
function batchesOf(written: readonly WrittenActivity[], countMax: number): WrittenActivity[][] {
  const batches: WrittenActivity[][] = [];
  let bytes = 0;
  for (const activity of written) {
    const last = batches.at(-1);
    bytes += activity.bytes;
    if (last !== undefined && last.length < countMax && bytes <= batchBytesMax) {
      last.push(activity);
    } else {
      batches.push([activity]);
      bytes = activity.bytes;
    }
  }
  return batches;
}
