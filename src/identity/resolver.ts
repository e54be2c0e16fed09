import { LRUCache } from "lru-cache";
import type { Clock } from "../base/clock.ts";
import type { Egress } from "../base/egress.ts";
import type { Did } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { methodOf } from "./did.ts";
import type { DidDocument } from "./did-document.ts";
import { resolveDidKey } from "./did-key.ts";
import { fetchDidWeb } from "./did-web.ts";
import type { VerificationKey } from "./public-key.ts";

export type { DidDocument, VerificationMethod } from "./did-document.ts";

/** A DID document, and when it was current. */
export interface DidResolution {
  document: DidDocument;
  retrievedAt: Date;
  /** The document's keys that have been imported so far, by method id; lives and ends with the cached document. */
  keys?: Map<string, VerificationKey>;
}

/** Finds DID documents. */
export interface DidResolver {
  /**
   * The DID document of `did`, at most `limits.didFreshMsMax` old; with `fresh`, as the network says now. All who ask
   * for one DID at one time share one request.
   *
   * Throws `did-not-found` (final), `did-unavailable` (to be tried again), `unsupported-did-method` or `egress-refused`.
   * Failures are remembered for `limits.didFailureMsMax`.
   */
  resolve(did: Did, options?: { fresh?: boolean }): Promise<DidResolution>;
}

/** A failed resolution. */
interface Failure {
  problem: Problem;
  until: number;
}

/**
 * A resolver with a cache of its own: did:key from the DID itself, did:web through `egress`.
 * `allowPrivateAddresses` must be what `egress` was made with; it lets did:web reach localhost by http.
 */
export function createDidResolver(deps: {
  egress: Egress;
  clock: Clock;
  allowPrivateAddresses?: boolean;
}): DidResolver {
  const { egress, clock, allowPrivateAddresses = false } = deps;
  // did:key costs nobody but us anything, so that a flood of them must not push fetched documents out.
  const keyDocuments = new LRUCache<Did, DidResolution>({ max: limits.didCacheDocumentsMax });
  const documents = new LRUCache<Did, DidResolution>({
    max: limits.didCacheDocumentsMax,
    maxSize: limits.didCacheBytesMax,
  });
  const failures = new LRUCache<Did, Failure>({ max: limits.didCacheDocumentsMax });
  const underWay = new Map<Did, Promise<DidResolution>>();

  function resolveKey(did: Did): DidResolution {
    // It is computed, and therefore always current.
    const retrievedAt = clock.now();
    const known = keyDocuments.get(did);
    if (known !== undefined) return { ...known, retrievedAt };
    const resolution = { document: resolveDidKey(did), retrievedAt, keys: new Map<string, VerificationKey>() };
    keyDocuments.set(did, resolution);
    return resolution;
  }

  async function fetchDocument(did: Did): Promise<DidResolution> {
    try {
      const { document, bytes } = await fetchDidWeb(did, { egress, allowPrivateAddresses });
      const resolution = { document, retrievedAt: clock.now(), keys: new Map<string, VerificationKey>() };
      failures.delete(did);
      documents.set(did, resolution, { size: Math.max(bytes, 1) });
      return resolution;
    } catch (error) {
      if (error instanceof Problem) {
        // A document that is gone is not current any more; one that cannot be had for a while still is, until it is old.
        if (error.retry === "never") documents.delete(did);
        failures.set(did, { problem: error, until: clock.now().getTime() + limits.didFailureMsMax });
      }
      throw error;
    }
  }

  function fetchOnce(did: Did): Promise<DidResolution> {
    const shared = underWay.get(did);
    if (shared !== undefined) return shared;
    const fetched = fetchDocument(did).finally(() => underWay.delete(did));
    underWay.set(did, fetched);
    return fetched;
  }

  return {
    async resolve(did, options = {}) {
      const method = methodOf(did);
      if (method === "key") return resolveKey(did);
      if (method !== "web") {
        const detail = `${did} uses the DID method "${method}"; supported are did:key and did:web.`;
        throw new Problem("unsupported-did-method", detail, { extensions: { did, method } });
      }
      if (options.fresh !== true) {
        const now = clock.now().getTime();
        const known = documents.get(did);
        if (known !== undefined && now - known.retrievedAt.getTime() < limits.didFreshMsMax) return known;
        const failure = failures.get(did);
        if (failure !== undefined && now < failure.until) throw repeated(failure, now);
      }
      return fetchOnce(did);
    },
  };
}

/** The problem of a failure that is remembered, with the time that is left until it is looked at again. */
function repeated({ problem, until }: Failure, now: number): Problem {
  const seconds = Math.ceil((until - now) / 1000);
  return new Problem(problem.type, problem.message, {
    retry: problem.retry,
    ...(problem.retry === "later" ? { retryAfterSeconds: seconds } : {}),
    extensions: problem.extensions,
    cause: problem,
  });
}
