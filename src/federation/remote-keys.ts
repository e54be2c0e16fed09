import { createPublicKey, type webcrypto } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Clock } from "../base/clock.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { Problem } from "../base/problem.ts";
import { importMultikey } from "../identity/public-key.ts";
import { RemoteDocumentError, type RemoteDocuments } from "./remote-documents.ts";

/** The key of an actor elsewhere, as the actor's own document lists it. */
export interface RemoteKey {
  /** The id of the actor. */
  owner: string;
  publicKey: webcrypto.CryptoKey;
}

export interface RemoteKeys {
  /**
   * The key with the id `keyId`. Throws `invalid-signature` where there is none, `peer-unavailable` where its server
   * cannot be asked now.
   */
  find(keyId: URL): Promise<RemoteKey>;
  /** The same, read anew; null if it was read a moment ago. */
  refresh(keyId: URL): Promise<RemoteKey | null>;
}

/** Keys that are remembered, and how long they are: those that were found, and those that were not. */
const keysMax = 10_000;
const freshMs = 10 * 60 * 1000;
const failureMs = 60 * 1000;
/** The age from which a key that does not bear out a signature is read anew: owners change their keys. */
const refreshMsMin = 60 * 1000;

const pemCharactersMax = 8 * 1024;
const modulusBitsMin = 2_048;
const modulusBitsMax = 8_192;

interface Known {
  key: RemoteKey | null;
  /** Why there is no key. */
  problem: Problem | null;
  readMs: number;
}

/**
 * Reads keys of actors and remembers them. Plain JSON is read, nothing is processed as JSON-LD, and no context is fetched.
 *
 * A key counts if the document of its owner, fetched at the owner's own id, lists it: in `publicKey`, or as a Multikey in
 * `assertionMethod` (FEP-521a). The key's id and the owner's share the origin.
 */
export function createRemoteKeys({ documents, clock }: { documents: RemoteDocuments; clock: Clock }): RemoteKeys {
  const known = new LRUCache<string, Known>({ max: keysMax });
  const reading = new Map<string, Promise<Known>>();

  async function read(keyId: URL): Promise<Known> {
    const readMs = clock.now().getTime();
    try {
      return { key: await readKey(keyId, documents), problem: null, readMs };
    } catch (error) {
      if (!(error instanceof RemoteDocumentError)) throw error;
      const problem =
        error.kind === "unavailable"
          ? new Problem("peer-unavailable", `The key ${keyId.href} cannot be fetched now: ${error.message}`, {
              retryAfterSeconds: failureMs / 1000,
              cause: error,
            })
          : new Problem("invalid-signature", `The key ${keyId.href} cannot be used: ${error.message}`, {
              cause: error,
            });
      return { key: null, problem, readMs };
    }
  }

  async function readOnce(keyId: URL): Promise<Known> {
    const underWay = reading.get(keyId.href);
    if (underWay !== undefined) return underWay;
    const started = read(keyId);
    reading.set(keyId.href, started);
    try {
      const found = await started;
      known.set(keyId.href, found);
      return found;
    } finally {
      reading.delete(keyId.href);
    }
  }

  const ageMs = ({ readMs }: Known): number => Math.abs(clock.now().getTime() - readMs);

  function keyOf({ key, problem }: Known): RemoteKey {
    if (key === null) throw problem ?? new Problem("invalid-signature", "The key cannot be used.");
    return key;
  }

  return {
    async find(keyId) {
      const found = known.get(keyId.href);
      const isFresh = found !== undefined && ageMs(found) < (found.key === null ? failureMs : freshMs);
      return keyOf(isFresh ? found : await readOnce(keyId));
    },
    async refresh(keyId) {
      const found = known.get(keyId.href);
      if (found !== undefined && ageMs(found) < refreshMsMin) return null;
      return keyOf(await readOnce(keyId));
    },
  };
}

/** Throws RemoteDocumentError. */
async function readKey(keyId: URL, documents: RemoteDocuments): Promise<RemoteKey> {
  const place = keyId.href.replace(/#.*$/s, "");
  const document = await documents.read(place);
  const owner = ownerIn(document, keyId.href);
  if (owner === null || URL.parse(owner)?.origin !== keyId.origin) {
    throw new RemoteDocumentError("unfit", `${place} does not name an owner of it at ${keyId.origin}.`);
  }
  const actor = owner === place ? document : await documents.read(owner);
  const publicKey = actor.id === owner ? importKey(actor, owner, keyId.href) : null;
  if (publicKey === null) {
    throw new RemoteDocumentError(
      "unfit",
      `the document of ${owner} does not list it as an RSA or Ed25519 key of its own.`,
    );
  }
  return { owner, publicKey };
}

/** Whom a document that was found at a key's place says to be the owner: itself, if it is an actor. */
function ownerIn(document: JsonObject, keyId: string): string | null {
  const isListed = [...objectsOf(document.publicKey), ...objectsOf(document.assertionMethod)].some(
    ({ id }) => id === keyId,
  );
  const owner = isListed ? document.id : document.id === keyId ? (document.owner ?? document.controller) : null;
  return typeof owner === "string" ? owner : null;
}

function importKey(actor: JsonObject, owner: string, keyId: string): webcrypto.CryptoKey | null {
  const rsa = objectsOf(actor.publicKey).find(({ id }) => id === keyId);
  if (rsa !== undefined) return rsa.owner === owner ? importRsa(rsa.publicKeyPem) : null;
  const multikey = objectsOf(actor.assertionMethod).find(({ id }) => id === keyId);
  return multikey?.controller === owner ? importEd25519(multikey.publicKeyMultibase) : null;
}

function importRsa(pem: JsonValue | undefined): webcrypto.CryptoKey | null {
  if (typeof pem !== "string" || pem.length > pemCharactersMax || !pem.includes("PUBLIC KEY-----")) return null;
  try {
    const key = createPublicKey(pem);
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
    if (key.asymmetricKeyType !== "rsa" || bits < modulusBitsMin || bits > modulusBitsMax) return null;
    return key.toCryptoKey({ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, true, ["verify"]);
  } catch {
    return null;
  }
}

function importEd25519(multibase: JsonValue | undefined): webcrypto.CryptoKey | null {
  if (typeof multibase !== "string") return null;
  try {
    const { algorithm, key } = importMultikey(multibase);
    return algorithm === "Ed25519" ? key.toCryptoKey("Ed25519", true, ["verify"]) : null;
  } catch {
    return null;
  }
}

function objectsOf(value: JsonValue | undefined): JsonObject[] {
  return [value ?? []].flat().filter(isJsonObject);
}
