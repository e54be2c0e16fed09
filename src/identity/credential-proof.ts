import { type DocumentLoader, type ProofSuite, verifyCredential } from "@digitalbazaar/vc";
import type { Clock } from "../base/clock.ts";
import type { Did } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { CredentialFault } from "./credential-fault.ts";
import { splitMethodId } from "./did.ts";
import { dateOfInstant, instantOf, normaliseInstant } from "./instant.ts";
import { verifyProof } from "./proof.ts";
import type { DidResolver } from "./resolver.ts";

/**
 * The contexts that a credential may have. Their content is fixed by the specifications, so that their terms mean what
 * they are taken to mean here without being loaded. JCS proofs cover the JSON as it is and ask for no context either.
 */
const knownContexts: ReadonlySet<string> = new Set([
  "https://www.w3.org/ns/credentials/v2",
  "https://www.w3.org/2018/credentials/v1",
  "https://www.w3.org/ns/credentials/undefined-terms/v2",
  "https://www.w3.org/ns/credentials/status/v1",
  "https://w3id.org/security/data-integrity/v1",
  "https://w3id.org/security/data-integrity/v2",
]);

const didContext = "https://www.w3.org/ns/did/v1";

/**
 * Checks that `issuer` issued `credential` and that it counts now: a well-formed credential of VC Data Model 2.0 or 1.1
 * that names `issuer`, in its validity period (it may begin up to `limits.clockSkewMsMax` ahead of the clock), with
 * known contexts only, and with one proof that holds (as `verifyProof` has it) by a key which the issuer's DID document
 * lists for assertions now. `checkStatus` is called last, if the credential has a `credentialStatus`; without the
 * function, such a credential is refused.
 *
 * Returns the first instant at which something of all this has run out, `checkStatus`'s answer included; null if
 * nothing does. Throws CredentialFault. Asks the network for the issuer's DID document only.
 */
export async function verifyIssued(
  credential: JsonObject,
  issuer: Did,
  deps: { resolver: DidResolver; clock: Clock },
  checkStatus?: () => Promise<Date | null>,
): Promise<Date | null> {
  const now = deps.clock.now();
  if (issuerOf(credential) !== issuer) throw new CredentialFault(`The issuer is not ${issuer}.`);
  refuseUnknownContexts(credential);
  const ends = [endOfPeriod(credential, now)];

  // Proofs are checked as those of descriptions are. The library's own suites let a proof count that has expired, and
  // keys that were revoked.
  const suite: ProofSuite = {
    // Every proof is this suite's to judge, so that it can say what is wrong with it.
    matchProof: async () => true,
    async verifyProof() {
      refuseOtherSigner(credential, issuer);
      const verification = await verifyProof(credential, deps);
      ends.push(verification.expires);
      const { verificationMethod: id, controller } = verification;
      return { verified: true, verificationMethod: { id, controller } };
    },
  };
  const result = await verifyCredential({
    credential,
    suite,
    documentLoader: loaderOf(issuer, deps.resolver),
    now,
    maxClockSkew: limits.clockSkewMsMax / 1000,
    ...(checkStatus === undefined
      ? {}
      : {
          async checkStatus() {
            ends.push(await checkStatus());
            return { verified: true };
          },
        }),
  });
  if (!result.verified) throw faultOf(result.error);
  return earliest(ends);
}

/** The `issuer` of a credential, which is a URL or an object with one as `id`; null if there is none. */
export function issuerOf(credential: JsonObject): string | null {
  const issuer = credential["issuer"];
  const id = isJsonObject(issuer) ? issuer["id"] : issuer;
  return typeof id === "string" ? id : null;
}

/** The earliest of `dates`; null if all are null. */
export function earliest(dates: readonly (Date | null)[]): Date | null {
  const times = dates.flatMap((date) => (date === null ? [] : date.getTime()));
  return times.length === 0 ? null : new Date(Math.min(...times));
}

/** Throws for a context, at any depth, that is not in the list: it could give terms another meaning. */
function refuseUnknownContexts(value: JsonValue): void {
  if (Array.isArray(value)) {
    value.forEach(refuseUnknownContexts);
  } else if (isJsonObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      if (name === "@context") [member].flat().forEach(refuseUnknownContext);
      else refuseUnknownContexts(member);
    }
  }
}

function refuseUnknownContext(context: JsonValue): void {
  if (typeof context !== "string") throw new CredentialFault("A context is written inline; only known ones count.");
  if (!knownContexts.has(context)) {
    throw new CredentialFault(`The context ${context} is not a known one, and contexts are never fetched.`);
  }
}

/** The end of the validity period, in which `now` is; the members of both versions count in either. */
function endOfPeriod(credential: JsonObject, now: Date): Date | null {
  for (const name of ["validFrom", "issuanceDate"]) {
    const begin = readInstant(credential, name);
    if (begin !== null && begin > instantOf(new Date(now.getTime() + limits.clockSkewMsMax))) {
      throw new CredentialFault(`The credential is not valid before its "${name}", ${begin}.`);
    }
  }
  const ends: (Date | null)[] = [];
  for (const name of ["validUntil", "expirationDate"]) {
    const end = readInstant(credential, name);
    if (end !== null && end <= instantOf(now)) {
      throw new CredentialFault(`The credential has expired: its "${name}" was ${end}.`);
    }
    ends.push(end === null ? null : dateOfInstant(end));
  }
  return earliest(ends);
}

function readInstant(credential: JsonObject, name: string): string | null {
  const value = credential[name];
  if (value === undefined) return null;
  const instant = typeof value === "string" ? normaliseInstant(value) : null;
  if (instant === null) {
    throw new CredentialFault(
      `The "${name}" is not a date-time with an offset and at most 9 fraction digits, such as "2026-11-21T09:00:00Z".`,
    );
  }
  return instant;
}

/** Throws if the proof names a key of somebody else, whose DID need not be resolved then. */
function refuseOtherSigner(credential: JsonObject, issuer: Did): void {
  const proof = credential["proof"];
  const method = isJsonObject(proof) ? proof["verificationMethod"] : undefined;
  // Proofs that are no objects, or name no key, are refused by verifyProof, which says what is wrong.
  const signer = typeof method === "string" ? splitMethodId(method)?.did : undefined;
  if (signer !== undefined && signer !== issuer) {
    throw new CredentialFault(`The proof is by ${signer}, and not by the issuer, ${issuer}.`);
  }
}

/**
 * A document loader that knows the issuer's DID document and nothing else: no credential can make it load anything. The
 * DID context, standing first, keeps the library from framing the document, for which it would load contexts.
 */
function loaderOf(issuer: Did, resolver: DidResolver): DocumentLoader {
  return async (url) => {
    if (url !== issuer) throw new CredentialFault(`The credential needs ${url}, which is not loaded.`);
    const { document } = await resolver.resolve(issuer);
    return {
      contextUrl: null,
      documentUrl: url,
      document: { "@context": didContext, id: document.id, assertionMethod: document.assertionMethod },
    };
  };
}

/** The fault that the library reports: the first of several, and one of ours rather than its own. */
function faultOf(error: (Error & { errors?: Error[] }) | undefined): CredentialFault {
  const errors = error?.errors ?? (error === undefined ? [] : [error]);
  const known = errors.find((one) => one instanceof CredentialFault || one instanceof Problem);
  const message = (known ?? errors[0])?.message ?? "The credential does not verify.";
  return new CredentialFault(message, { cause: error });
}
