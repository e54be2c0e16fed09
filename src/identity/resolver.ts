import { LRUCache } from "lru-cache";
import type { Clock } from "../base/clock.ts";
import type { Egress } from "../base/egress.ts";
import { createHostBudget } from "../base/host-budget.ts";
import type { Did } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { methodOf } from "./did.ts";
import type { DidDocument } from "./did-document.ts";
import type { FetchedDid } from "./did-fetch.ts";
import { resolveDidKey } from "./did-key.ts";
import { fetchDidWeb } from "./did-web.ts";
import { fetchDidWebvh } from "./did-webvh.ts";
import type { VerificationKey } from "./public-key.ts";

export type { DidDocument, VerificationMethod } from "./did-document.ts";

/** A DID document, and when it was current. */
export interface DidResolution {
  document: DidDocument;
  /** When its host was asked, so that all that changed before is in it; host and network may have caches, however. */
  retrievedAt: Date;
  /** The document's keys that have been imported so far, by method id; lives and ends with the cached document. */
  keys?: Map<string, VerificationKey>;
}

/** Finds DID documents. */
export interface DidResolver {
  /**
   * The DID document of `did`, as its host says now or as it said a while ago: at most `ageMsMax` milliseconds, and not
   * longer than the document lives. That is `limits.didFreshMsMax`, or what its HTTP answer or its log says, between
   * `limits.didRefreshMsMin` and `limits.didLifetimeMsMax`. All who ask for one DID at one time share one request.
   *
   * Throws `did-not-found` or `did-deactivated` (final), `did-unavailable` (to be tried again),
   * `unsupported-did-method` or `egress-refused`. Failures are remembered for `limits.didFailureMsMax`, whatever
   * `ageMsMax` is.
   */
  resolve(did: Did, options?: { ageMsMax?: number }): Promise<DidResolution>;
  /**
   * The same for readers, who are better served by an old document than by none: where the host cannot be asked now, the
   * last document known here, at most `limits.didStaleMsMax` old, with `stale`. Nothing may be written because of it.
   *
   * Throws as `resolve` does; `did-unavailable` only if no such document is known.
   */
  resolveStale(did: Did): Promise<DidResolution & { stale: boolean }>;
}

/** A document in memory. It stays when it is not current any more, for those who may see it stale. */
interface Known {
  resolution: DidResolution;
  lifetimeMs: number;
}

/** A failed resolution. */
interface Failure {
  problem: Problem;
  until: number;
}

/**
 * A resolver with a cache of its own: did:key from the DID itself, did:web and did:webvh through `egress`.
 * `allowPrivateAddresses` must be what `egress` was made with; it lets these reach localhost by http.
 */
export function createDidResolver(deps: {
  egress: Egress;
  clock: Clock;
  allowPrivateAddresses?: boolean;
}): DidResolver {
  const { egress, clock, allowPrivateAddresses = false } = deps;
  const fetchDeps = { egress, clock, allowPrivateAddresses, hostBudget: createHostBudget(clock) };
  // did:key costs nobody but us anything, so that a flood of them must not push fetched documents out.
  const keyDocuments = new LRUCache<Did, DidResolution>({ max: limits.didCacheDocumentsMax });
  const documents = new LRUCache<Did, Known>({
    max: limits.didCacheDocumentsMax,
    maxSize: limits.didCacheBytesMax,
  });
  const failures = new LRUCache<Did, Failure>({ max: limits.didCacheDocumentsMax });
  const logVersions = new LRUCache<Did, string>({ max: limits.didCacheDocumentsMax });
  const underWay = new Map<Did, Promise<DidResolution>>();

  const fetchers: Record<string, (did: Did) => Promise<FetchedDid>> = {
    web: (did) => fetchDidWeb(did, fetchDeps),
    webvh: (did) => fetchDidWebvh(did, { ...fetchDeps, logVersions }),
  };

  function resolveKey(did: Did): DidResolution {
    // It is computed, and therefore always current.
    const retrievedAt = clock.now();
    const known = keyDocuments.get(did);
    if (known !== undefined) return { ...known, retrievedAt };
    const resolution = { document: resolveDidKey(did), retrievedAt, keys: new Map<string, VerificationKey>() };
    keyDocuments.set(did, resolution);
    return resolution;
  }

  async function fetchDocument(did: Did, fetcher: (did: Did) => Promise<FetchedDid>): Promise<DidResolution> {
    // The time of the request, not of the answer: a host that takes its time must not make its document younger.
    const retrievedAt = clock.now();
    try {
      const { document, bytes, lifetimeMs = limits.didFreshMsMax } = await fetcher(did);
      const resolution = { document, retrievedAt, keys: new Map<string, VerificationKey>() };
      const boundedMs = Math.min(Math.max(lifetimeMs, limits.didRefreshMsMin), limits.didLifetimeMsMax);
      failures.delete(did);
      documents.set(did, { resolution, lifetimeMs: boundedMs }, { size: Math.max(bytes, 1) });
      return resolution;
    } catch (error) {
      if (error instanceof Problem) {
        // A document that is gone is not current any more; one that cannot be had for a while still is, until it is old.
        if (error.retry === "never") documents.delete(did);
        // A problem that names the time of the next attempt is remembered until then.
        const rememberedMs = (error.retryAfterSeconds ?? limits.didFailureMsMax / 1000) * 1000;
        failures.set(did, { problem: error, until: clock.now().getTime() + rememberedMs });
      }
      throw error;
    }
  }

  function fetchOnce(did: Did, fetcher: (did: Did) => Promise<FetchedDid>): Promise<DidResolution> {
    const shared = underWay.get(did);
    if (shared !== undefined) return shared;
    const fetched = fetchDocument(did, fetcher).finally(() => underWay.delete(did));
    underWay.set(did, fetched);
    return fetched;
  }

  async function resolve(did: Did, { ageMsMax = Infinity }: { ageMsMax?: number } = {}): Promise<DidResolution> {
    const method = methodOf(did);
    if (method === "key") return resolveKey(did);
    const fetcher = Object.hasOwn(fetchers, method) ? fetchers[method] : undefined;
    if (fetcher === undefined) {
      const detail = `${did} uses the DID method "${method}"; supported are did:key, did:web and did:webvh.`;
      throw new Problem("unsupported-did-method", detail, { extensions: { did, method } });
    }
    const now = clock.now().getTime();
    const known = documents.get(did);
    if (known !== undefined) {
      const ageMs = now - known.resolution.retrievedAt.getTime();
      // After a clock was set back, nobody knows how old the document is.
      if (ageMs >= 0 && ageMs < known.lifetimeMs && ageMs <= ageMsMax) return known.resolution;
    }
    const failure = failures.get(did);
    if (failure !== undefined && now < failure.until) throw repeated(failure, now);
    return fetchOnce(did, fetcher);
  }

  async function resolveStale(did: Did): Promise<DidResolution & { stale: boolean }> {
    try {
      return { ...(await resolve(did)), stale: false };
    } catch (error) {
      if (!(error instanceof Problem) || error.type !== "did-unavailable") throw error;
      const known = documents.get(did)?.resolution;
      const ageMs = known === undefined ? Infinity : clock.now().getTime() - known.retrievedAt.getTime();
      if (known === undefined || ageMs > limits.didStaleMsMax) throw error;
      return { ...known, stale: true };
    }
  }

  return { resolve, resolveStale };
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
