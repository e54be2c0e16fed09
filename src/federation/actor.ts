import type { EntryKey } from "../base/ids.ts";
import type { JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { registryDid } from "../identity/registry-identity.ts";
import type { ActorKeys } from "./actor-keys.ts";

/** Where the registry at `publicUrl` (an origin) has what ActivityPub asks for. */
export interface ActorUrls {
  /** The id of the actor. */
  actor: string;
  inbox: string;
  outbox: string;
  followers: string;
  following: string;
  /** The list of entries. */
  entries: string;
  /** The ids of the keys. */
  rsaKey: string;
  ed25519Key: string;
}

export function actorUrlsOf(publicUrl: string): ActorUrls {
  const actor = `${publicUrl}/actor`;
  return {
    actor,
    inbox: `${publicUrl}/inbox`,
    outbox: `${publicUrl}/outbox`,
    followers: `${publicUrl}/followers`,
    following: `${publicUrl}/following`,
    entries: `${publicUrl}/entries`,
    rsaKey: `${actor}#main-key`,
    ed25519Key: `${actor}#ed25519-key`,
  };
}

/** The id of the Note that an entry is on the wire. */
export function objectIdOf(publicUrl: string, key: EntryKey): string {
  return `${publicUrl}/entries/${key}`;
}

/** `preferredUsername` of the actor. */
const userName = "registry";

/** The terms that only registries of our kind know. */
export const extensionContext = { thingstead: "urn:thingstead:ns:" } as const;

export const activityStreamsContext = "https://www.w3.org/ns/activitystreams";

/** What receivers that process JSON-LD need for the actor's members. */
const actorContext = [
  activityStreamsContext,
  "https://w3id.org/security/v1",
  "https://www.w3.org/ns/did/v1",
  "https://w3id.org/security/multikey/v1",
  {
    ...extensionContext,
    toot: "http://joinmastodon.org/ns#",
    discoverable: "toot:discoverable",
    manuallyApprovesFollowers: "as:manuallyApprovesFollowers",
  },
];

export interface ActorOptions {
  publicUrl: string;
  keys: ActorKeys;
  /** Whether the operator decides who may follow. */
  approvesFollowers: boolean;
  /** When the actor was made. */
  published: Date;
}

/**
 * The registry's actor: one Application, with an RSA key in `publicKey` and an Ed25519 Multikey in `assertionMethod`
 * (FEP-521a). `thingstead:entries` and `thingstead:batchMax` make it known as a registry of our kind.
 */
export function actorDocument({ publicUrl, keys, approvesFollowers, published }: ActorOptions): JsonObject {
  const urls = actorUrlsOf(publicUrl);
  const { host } = new URL(publicUrl);
  return {
    "@context": actorContext,
    id: urls.actor,
    type: "Application",
    preferredUsername: userName,
    name: `Thingstead registry ${host}`,
    summary:
      "<p>A registry of signed W3C Thing Descriptions. Follow it to hear of what is registered; each post carries the description in its source.</p>",
    url: publicUrl,
    published: published.toISOString(),
    inbox: urls.inbox,
    outbox: urls.outbox,
    followers: urls.followers,
    following: urls.following,
    endpoints: { sharedInbox: urls.inbox },
    manuallyApprovesFollowers: approvesFollowers,
    discoverable: true,
    alsoKnownAs: [registryDid(publicUrl)],
    publicKey: { id: urls.rsaKey, owner: urls.actor, publicKeyPem: keys.rsa.publicKeyPem },
    assertionMethod: [
      {
        id: urls.ed25519Key,
        type: "Multikey",
        controller: urls.actor,
        publicKeyMultibase: keys.ed25519.publicKeyMultibase,
      },
    ],
    "thingstead:entries": urls.entries,
    "thingstead:batchMax": limits.inboxActivitiesMax,
  };
}

/**
 * The JSON Resource Descriptor (RFC 7033 §4.4) of `resource`: `acct:registry@host`, the actor's id or the registry's own
 * URL; null for what is not ours.
 */
export function webFingerDocument(publicUrl: string, resource: string): JsonObject | null {
  const { actor } = actorUrlsOf(publicUrl);
  const subject = `acct:${userName}@${new URL(publicUrl).host}`;
  const names = [subject, actor, publicUrl, `${publicUrl}/`];
  if (!names.includes(/^acct:/i.test(resource) ? resource.toLowerCase() : resource)) return null;
  return {
    subject,
    aliases: [actor, publicUrl],
    links: [
      { rel: "self", type: "application/activity+json", href: actor },
      { rel: "http://webfinger.net/rel/profile-page", type: "text/html", href: `${publicUrl}/` },
    ],
  };
}

const nodeInfoSchema = "http://nodeinfo.diaspora.software/ns/schema/2.1";

/** NodeInfo 2.1. The one account is the registry's own; its posts are the entries that it lists. */
export function nodeInfoDocument({ version, entries }: { version: string; entries: number }): JsonObject {
  return {
    version: "2.1",
    software: { name: "thingstead", version },
    protocols: ["activitypub"],
    services: { inbound: [], outbound: [] },
    openRegistrations: false,
    usage: { users: { total: 1 }, localPosts: entries },
    metadata: {},
  };
}

/** What `/.well-known/nodeinfo` answers: where NodeInfo 2.1 is. */
export function nodeInfoLinks(publicUrl: string): JsonObject {
  return { links: [{ rel: nodeInfoSchema, href: `${publicUrl}/nodeinfo/2.1` }] };
}
