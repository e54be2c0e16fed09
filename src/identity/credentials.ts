import type { Clock } from "../base/clock.ts";
import type { Egress } from "../base/egress.ts";
import type { Did } from "../base/ids.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { CredentialFault, printable } from "./credential-fault.ts";
import { issuerOf, verifyIssued } from "./credential-proof.ts";
import { checkCredentialStatus } from "./credential-status.ts";
import { isDid } from "./did.ts";
import type { DidResolver } from "./resolver.ts";

/** Where a credential was found: in the entry's signed description, or through its controller's DID document. */
export type CredentialSource = "entry" | "service";

/** What is held of one credential. The texts are printable and bounded (`limits.credentialTextCharactersMax`). */
export interface CredentialFinding {
  /** Who issued it, by its own word. */
  issuer: string | null;
  id: string | null;
  types: string[];
  source: CredentialSource;
  accepted: boolean;
  /** Why it counts, or why not: one sentence, for people. */
  reason: string;
  /**
   * The first instant at which the credential, its proof or a status list has run out; null if none does, or if it is
   * not accepted. A revocation may come before that.
   */
  validUntil: Date | null;
}

/** Whose credentials count, and for whom. */
export interface CredentialContext {
  /** The DID that signed the description. */
  controller: Did;
  thingId: string;
  /** The DIDs that the operator trusts to certify; compared as they are written. */
  trustedIssuers: readonly string[];
}

/**
 * The credentials in a Thing Description: its top-level member `verifiableCredential`, one object or an array of them,
 * as in a presentation (VC Data Model 2.0 §4.13). The first `limits.credentialsPerEntryMax`, none of them checked; what
 * is no JSON object, such as a JWT, is left out.
 */
export function credentialsInDescription(td: JsonObject): JsonObject[] {
  return [td["verifiableCredential"] ?? null].flat().filter(isJsonObject).slice(0, limits.credentialsPerEntryMax);
}

/**
 * Whether a credential counts for an entry: issued by somebody whom the operator trusts, about the controller and nobody
 * else, valid now, with a proof that holds and a status that is not revoked (`verifyIssued`, `checkCredentialStatus`).
 * Everything else is not accepted, for a reason that is told. `credential` must come from `parseJson`.
 *
 * The thing's id stands for the controller only if it is a DID: any other id is anybody's to claim in a description, and
 * with it the credential of the thing that bears it elsewhere.
 *
 * An issuer who is not trusted is found out before anything is fetched. What is fetched for the others: the issuer's DID
 * document, and then, if the proof holds, the status lists that it names.
 */
export async function checkCredential(
  credential: JsonObject,
  source: CredentialSource,
  context: CredentialContext,
  deps: { resolver: DidResolver; egress: Egress; clock: Clock },
): Promise<CredentialFinding> {
  const about = { ...claimsOf(credential), source };
  try {
    const issuer = trustedIssuerOf(credential, context.trustedIssuers);
    const subject = subjectOf(credential, context);
    const checkStatus = (): Promise<Date | null> => checkCredentialStatus(credential, issuer, deps);
    const validUntil = await verifyIssued(credential, issuer, deps, checkStatus);
    const reason = printable(`${issuer}, whom this registry trusts, has issued it for ${subject}.`);
    return { ...about, accepted: true, reason, validUntil };
  } catch (error) {
    if (!(error instanceof CredentialFault)) throw error;
    return { ...about, accepted: false, reason: error.message, validUntil: null };
  }
}

function trustedIssuerOf(credential: JsonObject, trustedIssuers: readonly string[]): Did {
  const issuer = issuerOf(credential);
  if (issuer === null) throw new CredentialFault("The credential names no issuer.");
  if (!trustedIssuers.includes(issuer) || !isDid(issuer)) {
    throw new CredentialFault(`The issuer ${issuer} is not among those whom this registry trusts.`);
  }
  return issuer;
}

/** The subject, which must be the entry's controller or its DID, and the only one. */
function subjectOf(credential: JsonObject, { controller, thingId }: CredentialContext): string {
  const subjects = [credential["credentialSubject"] ?? null].flat();
  const [subject] = subjects;
  // What is said of several may be said of one of them only.
  if (subjects.length !== 1 || !isJsonObject(subject)) {
    throw new CredentialFault('The credential must have one "credentialSubject".');
  }
  const id = subject["id"];
  if (typeof id !== "string") throw new CredentialFault("The credential does not say by an id whom it is about.");
  if (id !== controller && !(id === thingId && isDid(thingId))) {
    throw new CredentialFault(`The credential is about ${id}, and not about ${controller}.`);
  }
  return id;
}

function claimsOf(credential: JsonObject): Pick<CredentialFinding, "issuer" | "id" | "types"> {
  const { id } = credential;
  const issuer = issuerOf(credential);
  const types = [credential["type"] ?? null].flat().filter((type) => typeof type === "string");
  return {
    issuer: issuer === null ? null : printable(issuer),
    id: typeof id === "string" ? printable(id) : null,
    types: types.slice(0, limits.credentialTypesMax).map(printable),
  };
}
