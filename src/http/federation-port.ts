import type { EntryKey } from "../base/ids.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import type { FollowFilter } from "../db/schema/index.ts";

/** What the routes need of federation, which is another door. */
export interface FederationPort {
  /** Whether this registry takes part; if not, none of the other members but `peers.list` answers anything. */
  readonly enabled: boolean;
  /** Our actor, as ActivityPub has it. */
  actor(): JsonObject;
  /** The JSON Resource Descriptor of `resource` (RFC 7033); null if it is not ours. */
  webFinger(resource: string): JsonObject | null;
  /** NodeInfo 2.1. */
  nodeInfo(): Promise<JsonObject>;
  /** Takes in a POST to the inbox. Throws a Problem for what is refused; answers what is to be sent with 202. */
  receive(request: InboxRequest): Promise<JsonValue | null>;
  /** The collections of the actor. `page`: as its `first` and `next` name it; null: the collection itself. */
  outbox(page: string | null): Promise<JsonObject>;
  followers(page: string | null): Promise<JsonObject>;
  following(page: string | null): Promise<JsonObject>;
  /** The Note of an entry, or the ActivityStreams Tombstone of one that is listed no more; null if there never was one. */
  object(key: EntryKey): Promise<JsonObject | null>;
  /** A page of our list of entries. Throws `invalid-parameter` for a cursor that is none of ours. */
  entries(query: EntriesListQuery): Promise<JsonObject>;
  /** A node of the tree of digests over it. */
  digests(prefix: string, view: ListView): Promise<JsonObject>;
  /** Whether the request is signed by a follower that was accepted: where readers need a token, such a one is a reader. */
  isFollower(request: Omit<InboxRequest, "body">): Promise<boolean>;
  /**
   * Searches peers, now. `queryString` has parameters of `GET /search`, without those that are about this registry alone
   * (`scope`, `origin`, `facets`, `documents`): peers are asked with `documents=true` besides.
   */
  search(queryString: string): Promise<LiveSearch>;
  /** Whether the peer that entries of `origin` came from has been silent for longer than configured. */
  isStale(origin: string): boolean;
  /** The origins of which that is so. */
  staleOrigins(): Promise<string[]>;
  readonly peers: PeersPort;
}

export interface InboxRequest {
  method: string;
  /** Absolute, as the sender sees it: below `PUBLIC_URL`. */
  url: string;
  headers: Headers;
  body: Uint8Array;
  /** The address from which the request came, if known. */
  address: string | null;
}

export interface ListView {
  filter: FollowFilter | null;
  /** The origin of the registry that reads. */
  to: string | null;
}

export interface EntriesListQuery extends ListView {
  after: string | null;
  limit: number;
  /** These entries only; empty: all. */
  keys: readonly EntryKey[];
  /** What this origin has listed here; null: what we list. */
  from: string | null;
}

/** How an entry was found at a peer. */
export interface LiveHit {
  /** The item as the peer's search has it, with `href` at the peer. Its words are the peer's, and prove nothing. */
  item: JsonObject;
  /** The signed description, verbatim, whose proof by `controller` was checked. */
  document: string;
  /** The origin of the peer. */
  peer: string;
  controller: string;
  thingId: string;
  /** Its place in the peer's results, from 1. */
  rank: number;
}

export interface LiveSearch {
  /** Items whose documents were checked. */
  hits: LiveHit[];
  peers: {
    peer: string;
    state: "answered" | "timeout" | "failed";
    items: number;
    dropped: number;
    milliseconds: number;
  }[];
}

/** A peer as operators see it. */
export interface PeerReport {
  id: string;
  actor: string;
  origin: string;
  handle: string | null;
  name: string | null;
  isRegistry: boolean;
  blocked: boolean;
  created: Date;
  lastHeard: Date | null;
  stale: boolean;
  follower: {
    state: "none" | "pending" | "accepted" | "rejected";
    filter: FollowFilter | null;
    /** Our cursor up to which it was told of changes; null while it does not follow. */
    cursor: string | null;
    /** Changes that it was not told of yet. */
    lag: number | null;
    failures: number;
    nextDelivery: Date | null;
    lastError: string | null;
    lastErrorAt: Date | null;
  };
  following: {
    state: "none" | "requested" | "accepted" | "rejected";
    filter: FollowFilter | null;
    /** Its cursor up to which we have read its list. */
    cursor: string | null;
    pulledAt: Date | null;
    verifiedAt: Date | null;
    nextPull: Date | null;
    lastError: string | null;
    /** Entries that it lists, those refused here, and documents that wait to be decided on. */
    entries: number;
    refused: number;
    held: number;
  };
}

/** What a comparison with a peer's list found. */
export interface VerifyReport {
  /** Requests for digests and for entries. */
  requests: number;
  /** Entries that were missing here, or known in another version, and were fetched. */
  fetched: number;
  /** Of them, those that were refused. */
  refused: number;
  /** Entries that it does not list any more. */
  withdrawn: number;
  /** The lists are equal now. */
  equal: boolean;
}

/** The operator's acts. Those on a peer throw `not-found` where there is none of this id. */
export interface PeersPort {
  list(): Promise<PeerReport[]>;
  /**
   * Follows the actor at `target`: a URL, or a WebFinger handle such as `@registry@host`. Once more with another filter
   * replaces that. Throws `invalid-parameter` for what names none, `peer-unavailable` where it cannot be asked.
   */
  follow(target: string, filter: FollowFilter | null): Promise<PeerReport>;
  unfollow(id: string): Promise<PeerReport>;
  /** Lets it follow us, or does not. */
  accept(id: string): Promise<PeerReport>;
  reject(id: string): Promise<PeerReport>;
  /** Hides what came from it, and takes nothing more of it. */
  block(id: string): Promise<PeerReport>;
  unblock(id: string): Promise<PeerReport>;
  /** Compares what is known of its list with the list, and mends what differs. */
  verify(id: string): Promise<VerifyReport>;
}
