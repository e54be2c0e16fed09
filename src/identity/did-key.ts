import type { Did } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import type { DidDocument } from "./did-document.ts";
import { EncodingError } from "./multikey.ts";
import { importMultikey } from "./public-key.ts";

/** `did:key:` of a `publicKeyMultibase`. */
export function didKeyOf(publicKeyMultibase: string): Did {
  return `did:key:${publicKeyMultibase}` as Did;
}

/**
 * The DID document of a did:key, made from the DID itself (did:key method, "Document Creation Algorithm"), with the key
 * as a Multikey for assertions and authentication. Ed25519, P-256 and P-384 keys that are written in the one canonical way.
 *
 * Throws `unsupported-did-method` for keys of another type and `did-not-found` for what is no key.
 */
export function resolveDidKey(did: Did): DidDocument {
  const multibase = did.slice("did:key:".length);
  try {
    // A key has one spelling only, and so one DID: base58btc is one to one, the prefix and the number of bytes are
    // fixed, and coordinates that are not reduced are no points.
    importMultikey(multibase);
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    const type = error.kind === "unsupported" ? "unsupported-did-method" : "did-not-found";
    throw new Problem(type, `The key in ${did} ${error.message}.`, { extensions: { did } });
  }
  const id = `${did}#${multibase}`;
  return {
    id: did,
    verificationMethod: [{ id, type: "Multikey", controller: did, publicKeyMultibase: multibase }],
    assertionMethod: [id],
    authentication: [id],
  };
}
