import { Problem } from "./problem.ts";

export type EgressErrorKind = "unreachable" | "timeout" | "too-large" | "too-many-redirects" | "bad-response";

/** A request that was allowed and failed. `unreachable` and `timeout` may pass; the other kinds are the server's doing. */
export class EgressError extends Error {
  readonly kind: EgressErrorKind;

  constructor(kind: EgressErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "EgressError";
    this.kind = kind;
  }
}

/** What must not be asked at all; final. */
export function egressRefused(detail: string): Problem {
  return new Problem("egress-refused", detail);
}

export function hostOf(url: string | URL): string {
  return URL.canParse(String(url)) ? new URL(url).host : shorten(String(url));
}

/** Text from outside, cut to what a message can bear. */
export function shorten(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}

/** `work`, or the signal's reason as soon as it is aborted; `work` then ends unobserved. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([aborted.promise, work]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
