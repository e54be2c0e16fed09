import type { Egress } from "../base/egress.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { fetchCredentialDocument } from "./credential-documents.ts";
import { CredentialFault } from "./credential-fault.ts";
import type { DidDocument } from "./did-document.ts";

/** Where an endpoint of a CredentialRegistry takes the subject's id, if it does not take it at its end. */
const subjectPlaceholder = "{credentialSubject.id}";

/** What the credential services of a DID document offer. */
export interface ServiceCredentials {
  /** At most `limits.credentialsPerEntryMax`, none of them checked. */
  credentials: JsonObject[];
  /** What could not be had, and why: sentences for people. */
  faults: string[];
}

/**
 * Fetches the credentials that a DID document leads to, through its services of two types:
 *
 * - `LinkedVerifiablePresentation` (DIF Linked Verifiable Presentation 1.0): `serviceEndpoint` is a URL or an array of
 *   them, each of a presentation;
 * - `CredentialRegistry` (W3C DID Document Property Extensions): `serviceEndpoint` is a URL or an object whose
 *   `registries` is an array of them, each of which takes the DID, percent-encoded, in place of
 *   `{credentialSubject.id}` or at its end, and answers with an array of credentials.
 *
 * Either may answer with a presentation, an array or one credential. A presentation's own proof is not checked: a
 * credential counts by its issuer's proof, whoever hands it over. Credentials that are no JSON objects, such as JWTs, are
 * left out. At most `limits.credentialServicesMax` addresses are asked, one after the other, for at most
 * `limits.documentBytesMax` bytes each. What fails becomes a fault; nothing is thrown.
 */
export async function fetchServiceCredentials(
  document: Pick<DidDocument, "id" | "service">,
  deps: { egress: Egress },
): Promise<ServiceCredentials> {
  const offered: JsonObject[] = [];
  const faults: string[] = [];
  const urls = [...new Set((document.service ?? []).flatMap((service) => endpointsOf(service, document.id)))];
  for (const url of urls.slice(0, limits.credentialServicesMax)) {
    try {
      const answer = await fetchCredentialDocument(url, { ...deps, bytesMax: limits.documentBytesMax });
      offered.push(...credentialsIn(answer, url));
    } catch (error) {
      if (!(error instanceof CredentialFault)) throw error;
      faults.push(error.message);
    }
  }
  const excess: [string, number, number][] = [
    ["addresses", urls.length, limits.credentialServicesMax],
    ["credentials", offered.length, limits.credentialsPerEntryMax],
  ];
  for (const [things, count, max] of excess) {
    if (count > max) faults.push(`The credential services lead to ${count} ${things}; only ${max} are looked at.`);
  }
  return { credentials: offered.slice(0, limits.credentialsPerEntryMax), faults };
}

/** The addresses of a service that hands out credentials; none for any other service. */
function endpointsOf(service: JsonObject, did: string): string[] {
  const types = [service["type"]].flat();
  const endpoint = service["serviceEndpoint"] ?? null;
  if (types.includes("LinkedVerifiablePresentation")) return textsIn(endpoint);
  if (types.includes("CredentialRegistry")) {
    const registries = isJsonObject(endpoint) ? (endpoint["registries"] ?? null) : endpoint;
    return textsIn(registries).map((url) => addressOf(url, did));
  }
  return [];
}

function addressOf(registry: string, did: string): string {
  const id = encodeURIComponent(did);
  return registry.includes(subjectPlaceholder) ? registry.replace(subjectPlaceholder, () => id) : registry + id;
}

function textsIn(value: JsonValue): string[] {
  return [value].flat().filter((one) => typeof one === "string");
}

function credentialsIn(answer: JsonValue, url: string): JsonObject[] {
  const held = isJsonObject(answer) && "verifiableCredential" in answer ? answer["verifiableCredential"] : answer;
  const credentials = [held ?? null].flat().filter(isJsonObject);
  if (credentials.length === 0) throw new CredentialFault(`${url} answers with nothing that is a credential in JSON.`);
  return credentials;
}
