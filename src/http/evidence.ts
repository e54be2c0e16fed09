import { createHash, timingSafeEqual } from "node:crypto";
import type { Context } from "hono";
import { type Evidence, noEvidence, type TokenScope } from "../admission/stages.ts";
import type { Did } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import { verifyRequest } from "../identity/http-signature.ts";
import type { HttpDeps } from "./deps.ts";

export type EvidenceDeps = Pick<
  HttpDeps,
  "publicUrl" | "adminToken" | "apiTokens" | "resolver" | "requestNonces" | "clock"
>;

/** The token that came with a request. */
export interface Bearer {
  scope: TokenScope;
  /** Null for the operator's own token, which is no row of the database. */
  id: string | null;
}

/** Where the bearer of a request is kept, since the gate for readers and the route both ask for it. */
const bearerVariable = "bearer";

/**
 * Whose token came with the request; null without one. Tokens that do not hold are refused rather than ignored: their
 * owners believe to be somebody here. Throws `token-required`.
 */
export async function readBearer(c: Context, deps: EvidenceDeps): Promise<Bearer | null> {
  const known = c.get(bearerVariable) as Bearer | undefined;
  if (known !== undefined) return known;
  const header = c.req.header("authorization");
  if (header === undefined) return null;
  const token = /^Bearer +([^\s]+)$/i.exec(header.trim())?.[1];
  if (token === undefined) throw refusedToken("must be `Bearer <token>`");
  const bearer = await bearerOf(token, deps);
  c.set(bearerVariable, bearer);
  return bearer;
}

/** What the request's token shows of its sender; the signature is another matter. Throws `token-required`. */
export async function readToken(c: Context, deps: EvidenceDeps): Promise<Evidence> {
  const bearer = await readBearer(c, deps);
  return bearer === null ? noEvidence : { token: bearer.scope, signer: null };
}

/**
 * What the request shows of its sender by token and by signature, which may come together. To be called once for a
 * request that is to change something, with its exact `body`, right before it is acted upon: it uses up the nonce.
 *
 * Reads are not asked for a signature, and one that they carry is not looked at: nobody is let read more because of it,
 * and clients that sign whatever they send, for whomever, are as welcome as others.
 *
 * Throws `token-required`, and what `verifyRequest` and `RequestNonces.record` throw.
 */
export async function readEvidence(c: Context, deps: EvidenceDeps, body: Uint8Array): Promise<Evidence> {
  const { token } = await readToken(c, deps);
  return { token, signer: isSigned(c) ? await readSigner(c, deps, body) : null };
}

/** Whether the request says that it is signed. */
export function isSigned(c: Context): boolean {
  return c.req.header("signature") !== undefined || c.req.header("signature-input") !== undefined;
}

async function readSigner(c: Context, deps: EvidenceDeps, body: Uint8Array): Promise<Did> {
  const { method, headers } = c.req.raw;
  const request = { method, headers, body, targetUri: targetUriOf(c, deps.publicUrl()) };
  const signature = await verifyRequest(request, deps);
  await deps.requestNonces.record(signature, deps.clock.now());
  return signature.controller;
}

/**
 * The registry's own origin with path and query as they were sent. Not what `Host` says: the sender chooses it, and a
 * request that was signed for another registry must not count here.
 */
export function targetUriOf(c: Context, publicUrl: string): string {
  const { incoming } = (c.env ?? {}) as { incoming?: { url?: string } };
  const target = (incoming?.url ?? c.req.url).replace(/^https?:\/\/[^/?#]*/i, "");
  return publicUrl + (target.startsWith("/") ? target : `/${target}`);
}

async function bearerOf(token: string, { adminToken, apiTokens, clock }: EvidenceDeps): Promise<Bearer> {
  if (adminToken !== null && isSame(token, adminToken)) return { scope: "admin", id: null };
  const found = await apiTokens.find(token);
  if (found === null) throw refusedToken("holds no token that this registry knows");
  const { id, scope, expires, revoked } = found;
  if (revoked !== null) throw refusedToken(`holds a token that was revoked at ${revoked.toISOString()}`);
  if (expires !== null && expires <= clock.now()) {
    throw refusedToken(`holds a token that expired at ${expires.toISOString()}`);
  }
  return { scope, id };
}

function refusedToken(description: string): Problem {
  return new Problem("token-required", `The Authorization header ${description}.`);
}

/** Compares digests, which have one length, in constant time. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
