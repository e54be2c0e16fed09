import { eq } from "drizzle-orm";
import type { JsonObject } from "../base/json.ts";
import type { Queryable } from "../db/client.ts";
import { registryKeys } from "../db/schema/index.ts";
import { didDocumentOf } from "./did-document.ts";
import { generateSigningKey, type KeyFile, loadSigningKey, type SigningKey } from "./keys.ts";

/** The registry's own key, made at first start and kept in the database. */
export async function loadRegistryKey(db: Queryable): Promise<KeyFile> {
  const purpose = "assertion";
  const read = async () => (await db.select().from(registryKeys).where(eq(registryKeys.purpose, purpose)))[0];
  const known = await read();
  if (known !== undefined) return known.key as KeyFile;
  // Of nodes that start at the same time, the first one's key is everybody's.
  await db.insert(registryKeys).values({ purpose, key: generateSigningKey() }).onConflictDoNothing();
  const made = await read();
  if (made === undefined) throw new Error("the registry's key was not written");
  return made.key as KeyFile;
}

/** The DID of the registry at `publicUrl`, e.g. `did:web:registry.example` (did:web method specification). */
export function registryDid(publicUrl: string): string {
  return `did:web:${new URL(publicUrl).host.replaceAll(":", "%3A")}`;
}

/** The key with which the registry at `publicUrl` signs what it says of itself: the one in its DID document. */
export function registrySigningKey(key: KeyFile, publicUrl: string): SigningKey {
  const did = registryDid(publicUrl);
  return loadSigningKey({ ...key, id: assertionMethodIdOf(did), controller: did });
}

/**
 * The registry's DID document. The key is stored without a DID, since the registry's name follows its public URL;
 * the `WotDirectory` service leads to its Thing Description (WoT Discovery §6.5).
 */
export function registryDidDocument(key: KeyFile, publicUrl: string): JsonObject {
  const did = registryDid(publicUrl);
  return didDocumentOf({ id: assertionMethodIdOf(did), controller: did, publicKeyMultibase: key.publicKeyMultibase }, [
    { id: `${did}#directory`, type: "WotDirectory", serviceEndpoint: `${publicUrl}/.well-known/wot` },
  ]);
}

function assertionMethodIdOf(did: string): string {
  return `${did}#assertion`;
}
