/**
 * Why there is no vector. `unavailable` may pass; `misconfigured` and `bad-answer` last until somebody mends the
 * endpoint or the configuration; `text-refused` is about these texts alone; `budget-used-up` lasts until the next day.
 */
export type EmbeddingErrorKind = "unavailable" | "misconfigured" | "bad-answer" | "text-refused" | "budget-used-up";

/** A text could not be embedded. */
export class EmbeddingError extends Error {
  readonly kind: EmbeddingErrorKind;
  /** Milliseconds after which another attempt makes sense; null where nobody said. */
  readonly retryAfterMs: number | null;
  /** Whether the texts may have been embedded, and paid for, although there are no vectors. */
  readonly mayHaveCost: boolean;

  constructor(
    kind: EmbeddingErrorKind,
    message: string,
    options: { retryAfterMs?: number | null; mayHaveCost?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "EmbeddingError";
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.mayHaveCost = options.mayHaveCost ?? false;
  }
}
