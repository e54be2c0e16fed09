import { newUuidUrn } from "../../src/base/ids.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { generateSigningKey, loadSigningKey, type SigningKey } from "../../src/identity/keys.ts";
import { signDocument } from "../../src/identity/sign.ts";

/** A new signing key with a did:key of its own. */
export function newKey(): SigningKey {
  return loadSigningKey(generateSigningKey());
}

/** A small valid Thing Description with one action; `members` are added or replace what it has. */
export function tdOf(members: JsonObject = {}): JsonObject {
  return {
    "@context": "https://www.w3.org/2022/wot/td/v1.1",
    id: newUuidUrn(),
    title: "Weather agent",
    securityDefinitions: { nosec_sc: { scheme: "nosec" } },
    security: "nosec_sc",
    actions: { getWeather: { forms: [{ href: "https://agent.example/weather" }] } },
    ...members,
  };
}

export interface SignedTd {
  id: string;
  /** The document as it is sent, and comes back byte for byte. */
  text: string;
  json: JsonObject;
  key: SigningKey;
}

/** A signed Thing Description by `key` (default: a new one), `created` now or at the given instant. */
export function signedTd(options: { key?: SigningKey; created?: Date; members?: JsonObject } = {}): SignedTd {
  const { key = newKey(), created = new Date(), members = {} } = options;
  const json = signDocument(tdOf(members), key, { created });
  // Not the most compact form, to show that the bytes are kept.
  return { id: String(json["id"]), text: `${JSON.stringify(json, null, 2)}\n`, json, key };
}

/** A signed Tombstone for `id`. */
export function signedTombstone(id: string, key: SigningKey, created = new Date()): SignedTd {
  const unsigned = {
    "@context": "https://www.w3.org/ns/activitystreams",
    id,
    type: "Tombstone",
    formerType: "Service",
    deleted: created.toISOString(),
  };
  const json = signDocument(unsigned, key, { created });
  return { id, text: JSON.stringify(json), json, key };
}
