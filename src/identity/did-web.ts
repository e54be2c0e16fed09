import type { Did } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import {
  didDeactivated,
  type DidFetchDeps,
  didFileUrl,
  didNotFound,
  type FetchedDid,
  fetchDidFile,
  lifetimeMsOf,
  parseDidFile,
} from "./did-fetch.ts";
import { readDidDocument } from "./did-document.ts";

const accept = "application/did+json, application/did+ld+json, application/json";

/**
 * Where the DID document of a did:web is (did:web method, "Read"): `did:web:host%3A8443:a:b` is at
 * `https://host:8443/a/b/did.json`, a DID without a path at `/.well-known/did.json`.
 *
 * Throws `did-not-found` for what names no such place, as `didFileUrl` does.
 */
export function didWebUrl(did: Did, allowPrivateAddresses: boolean): URL {
  return didFileUrl(did, did.slice("did:web:".length), "did.json", allowPrivateAddresses);
}

/**
 * The DID document of a did:web, fetched.
 *
 * Throws `did-deactivated` (final) where the host says that the document is gone (410), `did-not-found` (final) for a
 * document that is missing or unusable, and what `fetchDidFile` throws. The method knows no other way to deactivate a
 * DID than to take its document away ("Deactivate (Revoke)"); 404 may as well be a mistake, or a DID that never was.
 */
export async function fetchDidWeb(did: Did, deps: DidFetchDeps): Promise<FetchedDid> {
  const url = didWebUrl(did, deps.allowPrivateAddresses);
  const { status, headers, body } = await fetchDidFile(did, url, accept, deps);
  if (status === 410) throw didDeactivated(did, `${url.href} says that the document is gone, with status 410`);
  if (status !== 200) throw didNotFound(did, `${url.href} answered with status ${status}`);
  if (body.length > limits.didDocumentBytesMax) {
    throw didNotFound(did, `the document at ${url.href} has more than ${limits.didDocumentBytesMax} bytes`);
  }
  const document = readDidDocument(parseDidFile(did, url, body), did);
  if (typeof document === "string") {
    throw didNotFound(did, `the document at ${url.href} cannot be used: ${document}`);
  }
  return { document, bytes: body.length, lifetimeMs: lifetimeMsOf(headers) };
}
