import { DataIntegrityProof } from "@digitalbazaar/data-integrity";
import * as ecdsaSuite from "@digitalbazaar/ecdsa-jcs-2019-cryptosuite";
import * as ecdsaMultikey from "@digitalbazaar/ecdsa-multikey";
import * as ed25519Multikey from "@digitalbazaar/ed25519-multikey";
import * as eddsaSuite from "@digitalbazaar/eddsa-jcs-2022-cryptosuite";
import { issue } from "@digitalbazaar/vc";
import { BitstringStatusList, createCredential } from "@digitalbazaar/vc-bitstring-status-list";
import { base58 } from "@scure/base";
import signatures from "jsonld-signatures";
import type { JsonObject } from "../../src/base/json.ts";
import { didDocumentOf } from "../../src/identity/did-document.ts";
import type { KeyFile } from "../../src/identity/keys.ts";
import { type Algorithm, encodeSecretKey } from "../../src/identity/multikey.ts";

/** Somebody who issues credentials with the Digital Bazaar libraries. */
export interface CredentialIssuer {
  did: string;
  /** The key, for proofs that the libraries would not make. */
  key: KeyFile;
  /** The DID document, to be hosted if `did` is a did:web. */
  document: JsonObject;
  /** `credential` with a proof by `@digitalbazaar/vc`, which refuses to issue what is malformed. */
  issue(credential: JsonObject): Promise<JsonObject>;
  /** `document` with a proof by `jsonld-signatures`, whatever it is. */
  sign(document: JsonObject): Promise<JsonObject>;
}

/** When all of these credentials are signed. */
export const signedAt = "2026-11-20T08:00:00Z";

/** Nothing is loaded to issue a credential with a JCS suite. */
async function documentLoader(url: string): Promise<never> {
  throw new Error(`${url} is not to be loaded`);
}

/** An issuer with a new key: a did:key of it, or `did`, which the caller hosts. */
export async function newIssuer(options: { algorithm?: Algorithm; did?: string } = {}): Promise<CredentialIssuer> {
  const { algorithm = "Ed25519" } = options;
  const isEd25519 = algorithm === "Ed25519";
  const made = isEd25519 ? await ed25519Multikey.generate() : await ecdsaMultikey.generate({ curve: algorithm });
  const exported = await made.export({ publicKey: true, secretKey: true, includeContext: true });
  const publicKeyMultibase = String(exported["publicKeyMultibase"]);
  const did = options.did ?? `did:key:${publicKeyMultibase}`;
  const key = { ...exported, controller: did, id: `${did}#${publicKeyMultibase}` };
  const pair = await (isEd25519 ? ed25519Multikey : ecdsaMultikey).from(key);

  const proofSuite = (): object =>
    new DataIntegrityProof({
      signer: pair.signer(),
      date: signedAt,
      cryptosuite: (isEd25519 ? eddsaSuite : ecdsaSuite).createSignCryptosuite(),
    });
  const { AssertionProofPurpose } = signatures.purposes;

  return {
    did,
    key: { ...key, type: "Multikey", publicKeyMultibase, secretKeyMultibase: secretOf(exported, algorithm) },
    document: didDocumentOf({ ...key, publicKeyMultibase }),
    async issue(credential) {
      return overTheWire(await issue({ credential: structuredClone(credential), suite: proofSuite(), documentLoader }));
    },
    async sign(document) {
      const purpose = new AssertionProofPurpose();
      const suite = proofSuite();
      return overTheWire(await signatures.sign(structuredClone(document), { suite, purpose, documentLoader }));
    },
  };
}

/** A credential of VC Data Model 2.0 about `subject`, unsigned; `members` are added or replace what it has. */
export function credentialOf(issuer: string, subject: string, members: JsonObject = {}): JsonObject {
  return {
    "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/undefined-terms/v2"],
    id: "urn:uuid:1f2bb6a8-6f0c-4e1a-9d57-0f8f9d0b7c11",
    type: ["VerifiableCredential", "CertifiedAgentCredential"],
    issuer,
    validFrom: "2026-01-01T00:00:00Z",
    validUntil: "2027-01-01T00:00:00Z",
    credentialSubject: { id: subject, certifiedFor: "billing" },
    ...members,
  };
}

/** An entry of `credentialStatus`. */
export function statusEntryOf(url: string, index: number, members: JsonObject = {}): JsonObject {
  return {
    type: "BitstringStatusListEntry",
    statusPurpose: "revocation",
    statusListIndex: String(index),
    statusListCredential: url,
    ...members,
  };
}

/** A status list credential for the address `url`, unsigned, with the bits of `set` set. */
export async function statusListOf(
  issuer: string,
  url: string,
  options: { set?: readonly number[]; purpose?: string; length?: number; members?: JsonObject } = {},
): Promise<JsonObject> {
  const { set = [], purpose = "revocation", length = 131_072, members = {} } = options;
  const list = new BitstringStatusList({ length });
  for (const index of set) list.setStatus(index, true);
  const credential = await createCredential({ id: url, list, statusPurpose: purpose });
  return { ...overTheWire(credential), issuer, validFrom: "2026-01-01T00:00:00Z", ...members };
}

/** The secret key as we write it: that of the libraries has the public one after the seed of an Ed25519 key. */
function secretOf(exported: Record<string, unknown>, algorithm: Algorithm): string {
  const secretKeyMultibase = String(exported["secretKeyMultibase"]);
  if (algorithm !== "Ed25519") return secretKeyMultibase;
  return encodeSecretKey(algorithm, base58.decode(secretKeyMultibase.slice(1)).subarray(2, 34));
}

/** As it comes over a wire: no two parts of it are one object. */
function overTheWire(document: object): JsonObject {
  return JSON.parse(JSON.stringify(document)) as JsonObject;
}
