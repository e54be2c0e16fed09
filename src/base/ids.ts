import { createHash, randomUUID } from "node:crypto";

declare const brand: unique symbol;
type Brand<Name extends string> = string & { readonly [brand]: Name };

/** A Decentralized Identifier without path, query or fragment, e.g. `did:key:z6Mk…` (DID Core §3.1). */
export type Did = Brand<"Did">;

/** The `id` of a Thing Description: any URI (TD 1.1 §5.3.1.1), at most `limits.thingIdBytesMax` bytes. */
export type ThingId = Brand<"ThingId">;

/** A strong HTTP entity tag, quotes included (RFC 9110 §8.8.3). */
export type Etag = Brand<"Etag">;

/**
 * The lower-case hex SHA-256 of `controller`, a line feed and the thing id: names one entry in tables,
 * journal and index. Ids may be 2 KB long, which a Postgres B-tree row does not hold twice.
 */
export type EntryKey = Brand<"EntryKey">;

/** Lower-case hex SHA-256 of a document's bytes. */
export type Digest = Brand<"Digest">;

/** The key of the entry `(controller, thing id)`; `controller` is null for an unsigned entry. */
export function entryKeyOf(controller: Did | null, thingId: ThingId): EntryKey {
  return sha256Hex(`${controller ?? ""}\n${thingId}`) as EntryKey;
}

/** SHA-256 of `document` (a string is hashed as UTF-8). */
export function digestOf(document: string | Uint8Array): Digest {
  return sha256Hex(document) as Digest;
}

/** A new `urn:uuid:` URI holding a version 4 UUID (RFC 9562), the form that WoT Discovery asks of local ids. */
export function newUuidUrn(): ThingId {
  return `urn:uuid:${randomUUID()}` as ThingId;
}

/** `tag` as an entity tag: quoted. `tag` must be free of quotes. */
export function etagOf(tag: string): Etag {
  return `"${tag}"` as Etag;
}

function sha256Hex(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
