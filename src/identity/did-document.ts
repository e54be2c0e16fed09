import type { Did } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";

/** A key that a DID document lists (DID Core §5.2). Private parts that somebody published by mistake are left out. */
export interface VerificationMethod {
  /** A DID URL; relative ones (`#key-1`) have been resolved. */
  id: string;
  type: string;
  controller: string;
  publicKeyMultibase?: string;
  publicKeyBase58?: string;
  /** The members `kty`, `crv`, `x`, `y` and `use` only. */
  publicKeyJwk?: JsonObject;
  /** From when on the key must not be used (Controlled Identifiers 1.0 §2.2), as published. */
  expires?: JsonValue;
  /** Since when the key must not be used, as published. */
  revoked?: JsonValue;
}

/** What is used of a resolved DID document (DID Core §5). */
export interface DidDocument {
  id: Did;
  controller?: string | string[];
  alsoKnownAs?: string[];
  verificationMethod: VerificationMethod[];
  /** Keys that may sign statements: embedded, or the absolute id of one in `verificationMethod`. */
  assertionMethod: (string | VerificationMethod)[];
  /** Keys that the subject may show itself with, in the same form. */
  authentication: (string | VerificationMethod)[];
  service?: JsonObject[];
}

/** What a key may be used for (DID Core §5.3). */
export type VerificationRelationship = "assertionMethod" | "authentication";

/** A service of a DID document (DID Core §5.4). */
export interface DidService {
  /** A DID URL, or a fragment (`#directory`) that is resolved against the DID. */
  id: string;
  type: string;
  serviceEndpoint: string;
}

const didContext = "https://www.w3.org/ns/did/v1";
const multikeyContext = "https://w3id.org/security/multikey/v1";
const discoveryContext = "https://www.w3.org/2022/wot/discovery-did";

/** Services that WoT Discovery defines (§6.4, "DID Documents"). */
const discoveryServiceTypes: readonly string[] = ["WotThing", "WotDirectory"];

/**
 * The DID document to host for a did:web key: one Multikey for authentication and assertions, and `services`. The WoT
 * Discovery context is added where a service needs it.
 */
export function didDocumentOf(
  key: { id: string; controller: string; publicKeyMultibase: string },
  services: readonly DidService[] = [],
): JsonObject {
  const isDiscovery = services.some(({ type }) => discoveryServiceTypes.includes(type));
  return {
    "@context": [didContext, multikeyContext, ...(isDiscovery ? [discoveryContext] : [])],
    id: key.controller,
    verificationMethod: [
      { id: key.id, type: "Multikey", controller: key.controller, publicKeyMultibase: key.publicKeyMultibase },
    ],
    authentication: [key.id],
    assertionMethod: [key.id],
    ...(services.length === 0
      ? {}
      : { service: services.map((service) => ({ ...service, id: absolute(service.id, key.controller) })) }),
  };
}

/**
 * What is used of `json`, the DID document fetched for `did`; a string with the reason if it must not be used. Its `id`
 * must be `did`, lest a host speaks for a DID of another host.
 */
export function readDidDocument(json: JsonValue, did: Did): DidDocument | string {
  if (!isJsonObject(json)) return "it is not a JSON object";
  if (json["id"] !== did) return `its "id" is not ${did}`;
  const methods = json["verificationMethod"] ?? [];
  const assertions = json["assertionMethod"] ?? [];
  const authentications = json["authentication"] ?? [];
  if (!Array.isArray(methods)) return 'its "verificationMethod" is not an array';
  if (!Array.isArray(assertions)) return 'its "assertionMethod" is not an array';
  if (!Array.isArray(authentications)) return 'its "authentication" is not an array';

  // Methods in a form unknown to us are skipped: they may serve others, and no proof can be checked with them.
  const document: DidDocument = {
    id: did,
    verificationMethod: methods.flatMap((method) => readMethod(method, did) ?? []),
    assertionMethod: readRelationship(assertions, did),
    authentication: readRelationship(authentications, did),
  };
  const { verificationMethod, assertionMethod, authentication } = document;
  const embedded = [...assertionMethod, ...authentication].filter((one) => typeof one !== "string");
  const all = [...verificationMethod, ...embedded];
  // One that is there twice is harmless. Two keys under one id would let that for one use be taken for the other's.
  const distinct = new Set(all.map((method) => JSON.stringify(method)));
  if (new Set(all.map(({ id }) => id)).size !== distinct.size) return "two of its verification methods have one id";

  const controller = json["controller"];
  if (typeof controller === "string") document.controller = controller;
  if (Array.isArray(controller)) document.controller = controller.filter((one) => typeof one === "string");
  const aliases = json["alsoKnownAs"];
  if (Array.isArray(aliases)) document.alsoKnownAs = aliases.filter((one) => typeof one === "string");
  const services = json["service"];
  if (Array.isArray(services)) document.service = services.filter(isJsonObject);
  return document;
}

/** The key `methodId` if `document` lists it for `relationship`, by reference or embedded (DID Core §5.3). */
export function verificationMethodOf(
  document: DidDocument,
  relationship: VerificationRelationship,
  methodId: string,
): VerificationMethod | undefined {
  for (const entry of document[relationship]) {
    if (typeof entry !== "string") {
      if (entry.id === methodId) return entry;
    } else if (entry === methodId) {
      const found = document.verificationMethod.find(({ id }) => id === methodId);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function readRelationship(entries: JsonValue[], did: Did): (string | VerificationMethod)[] {
  return entries.flatMap((entry) =>
    typeof entry === "string" ? absolute(entry, did) : (readMethod(entry, did) ?? []),
  );
}

function readMethod(json: JsonValue, did: Did): VerificationMethod | undefined {
  if (!isJsonObject(json)) return undefined;
  const { id, type, controller, publicKeyMultibase, publicKeyBase58, publicKeyJwk, expires, revoked } = json;
  if (typeof id !== "string" || typeof type !== "string" || typeof controller !== "string") return undefined;
  const method: VerificationMethod = { id: absolute(id, did), type, controller };
  if (typeof publicKeyMultibase === "string") method.publicKeyMultibase = publicKeyMultibase;
  if (typeof publicKeyBase58 === "string") method.publicKeyBase58 = publicKeyBase58;
  if (isJsonObject(publicKeyJwk)) method.publicKeyJwk = publicPartOf(publicKeyJwk);
  if (expires !== undefined) method.expires = expires;
  if (revoked !== undefined) method.revoked = revoked;
  return method;
}

/** What of a JWK may be kept: never `d`, which would be the private key. */
function publicPartOf(jwk: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const name of ["kty", "crv", "x", "y", "use"]) {
    const value = jwk[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

/** A relative DID URL that is only a fragment, resolved (DID Core §3.2.2). */
function absolute(didUrl: string, did: string): string {
  return didUrl.startsWith("#") ? did + didUrl : didUrl;
}
