import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, type webcrypto } from "node:crypto";
import { eq } from "drizzle-orm";
import type { Queryable } from "../db/client.ts";
import { registryKeys } from "../db/schema/index.ts";
import { encodePublicKey } from "../identity/multikey.ts";

/** The keys of the registry's actor. They speak for the registry, and never for the owner of an entry. */
export interface ActorKeys {
  /** RSA-2048, which every ActivityPub server understands: it signs requests. */
  rsa: { privateKey: webcrypto.CryptoKey; publicKeyPem: string };
  /** Ed25519, as a Multikey (FEP-521a). */
  ed25519: { publicKeyMultibase: string };
}

const purposes = { rsa: "activitypub-rsa", ed25519: "activitypub-ed25519" } as const;

/** The actor's keys, made at first start and kept in the database; `created`: when that was. */
export async function loadActorKeys(db: Queryable): Promise<ActorKeys & { created: Date }> {
  const { key: rsa, created } = await loadKey(
    db,
    purposes.rsa,
    () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  );
  const { key: ed25519 } = await loadKey(db, purposes.ed25519, () => generateKeyPairSync("ed25519").privateKey);
  const privateKey = createPrivateKey({ key: rsa, format: "jwk" });
  const publicKeyPem = createPublicKey(privateKey).export({ type: "spki", format: "pem" });
  return {
    created,
    rsa: {
      privateKey: privateKey.toCryptoKey({ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, true, ["sign"]),
      publicKeyPem: String(publicKeyPem),
    },
    ed25519: { publicKeyMultibase: encodePublicKey("Ed25519", Buffer.from(ed25519.x ?? "", "base64url")) },
  };
}

/** A private key as a JWK (RFC 7517). */
async function loadKey(
  db: Queryable,
  purpose: string,
  generate: () => ReturnType<typeof createPrivateKey>,
): Promise<{ key: JsonWebKey; created: Date }> {
  const read = async () => {
    const [row] = await db.select().from(registryKeys).where(eq(registryKeys.purpose, purpose));
    return row === undefined ? undefined : { key: row.key as JsonWebKey, created: row.created };
  };
  const known = await read();
  if (known !== undefined) return known;
  // Of nodes that start at the same time, the first one's key is everybody's.
  const key = generate().export({ format: "jwk" });
  await db.insert(registryKeys).values({ purpose, key }).onConflictDoNothing();
  const made = await read();
  if (made === undefined) throw new Error(`the key ${purpose} was not written`);
  return made;
}
