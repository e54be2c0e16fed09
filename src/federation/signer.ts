import type { webcrypto } from "node:crypto";
import { signRequest } from "@fedify/fedify/sig";
import type { Clock } from "../base/clock.ts";

/** How a signature is written: HTTP Message Signatures, or what most of the fediverse has from before they were finished. */
export type SignatureSpec = "rfc9421" | "draft-cavage-http-signatures-12";

export interface OutgoingRequest {
  method: "GET" | "POST";
  url: string;
  headers: Record<string, string>;
  /** Null for GET. */
  body: Uint8Array | null;
}

export interface Signer {
  /**
   * The headers with which the request is sent: those given, `date`, the digest of the body and the signature. The
   * signed `host` is that of the URL, and is left for the client to send.
   */
  sign(request: OutgoingRequest, spec: SignatureSpec): Promise<Record<string, string>>;
}

/** Signs requests in the name of the registry's actor, with its RSA key: Fedify signs with no other kind. */
export function createSigner(deps: { privateKey: webcrypto.CryptoKey; keyId: string; clock: Clock }): Signer {
  const keyId = new URL(deps.keyId);
  return {
    async sign({ method, url, headers, body }, spec) {
      const now = deps.clock.now();
      const request = new Request(url, {
        method,
        headers: { ...headers, host: new URL(url).host, date: now.toUTCString() },
        ...(body === null ? {} : { body: Buffer.from(body) }),
      });
      const signed = await signRequest(request, deps.privateKey, keyId, {
        spec,
        currentTime: instantOf(now),
        body: body === null ? null : bufferOf(body),
      });
      return Object.fromEntries([...signed.headers].filter(([name]) => name !== "host"));
    },
  };
}

type Instant = NonNullable<NonNullable<Parameters<typeof signRequest>[3]>["currentTime"]>;

/** `date` as far as Fedify looks at it: Node 24 has no Temporal. */
export function instantOf(date: Date): Instant {
  return { epochMilliseconds: date.getTime(), toString: () => date.toISOString() } as Instant;
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
