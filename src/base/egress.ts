import { Problem } from "./problem.ts";

/** An answer, read to its end. */
export interface EgressResponse {
  status: number;
  headers: Headers;
  body: Uint8Array;
  /** Where the answer came from, after redirects. */
  url: string;
}

export interface EgressRequest {
  /** The Accept header. */
  accept?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** The only outgoing HTTP client. */
export interface Egress {
  get(url: string | URL, request?: EgressRequest): Promise<EgressResponse>;
  close(): Promise<void>;
}

export interface ResolvedAddress {
  address: string;
  family: 4 | 6;
}

export interface EgressOptions {
  /** Lets requests reach any address, any port, and http; for tests and closed networks. */
  allowPrivateAddresses: boolean;
  /** Ports that may be reached (default 443 only). */
  ports?: readonly number[];
  /** All addresses of a host name; by default the system's resolver. */
  lookup?: (hostname: string) => Promise<ResolvedAddress[]>;
  msMax?: number;
  bytesMax?: number;
  redirectsMax?: number;
}

export type EgressErrorKind = "unreachable" | "timeout" | "too-large" | "too-many-redirects" | "bad-response";

/** A fetch that was allowed and failed. */
export class EgressError extends Error {
  readonly kind: EgressErrorKind;

  constructor(kind: EgressErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "EgressError";
    this.kind = kind;
  }
}

export function createEgress(_options: EgressOptions): Egress {
  return {
    get: async (url) => {
      throw new Problem("egress-refused", `${String(url)} was not fetched: this client cannot check addresses yet.`);
    },
    close: async () => {},
  };
}
