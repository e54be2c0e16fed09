/**
 * Everything that a caller can be told went wrong, as RFC 9457 problem details.
 *
 * One list holds every type with its status and title; OpenAPI and `docs/problems.md` are derived from
 * it. Only doors turn a Problem into a wire form.
 */
export const problemTypes = {
  "malformed-request": { status: 400, title: "The request is not HTTP as it should be" },
  "invalid-json": { status: 400, title: "The body is not acceptable JSON" },
  "invalid-thing-description": { status: 400, title: "The Thing Description is not valid" },
  "invalid-tombstone": { status: 400, title: "The Tombstone is not valid" },
  "invalid-patch": { status: 400, title: "The merge patch cannot be applied" },
  "invalid-proof": { status: 400, title: "The proof does not hold" },
  "invalid-parameter": { status: 400, title: "A request parameter is not valid" },
  "id-mismatch": { status: 400, title: "The id in the path is not the id in the document" },
  "unsupported-did-method": { status: 400, title: "This DID method is not supported" },
  "proof-required": { status: 403, title: "Only signed documents are accepted here" },
  "token-required": { status: 401, title: "An API token is required" },
  "insufficient-scope": { status: 403, title: "The API token does not allow this" },
  "invalid-signature": { status: 401, title: "The signature of the request does not hold" },
  "request-replayed": { status: 409, title: "The signed request was received before" },
  "not-controller": { status: 403, title: "The entry belongs to another controller" },
  "signed-entry": { status: 403, title: "A signed entry can be changed only by a new signed document" },
  "entry-unlisted": { status: 403, title: "The operator of this registry has unlisted the entry" },
  "not-found": { status: 404, title: "There is no such resource" },
  "method-not-allowed": { status: 405, title: "The resource does not have this method" },
  "not-acceptable": { status: 406, title: "None of the accepted media types is available" },
  "version-not-newer": { status: 409, title: "A version at least as new is already known" },
  conflict: { status: 409, title: "The entry was changed by somebody else meanwhile" },
  gone: { status: 410, title: "The thing was retracted by its controller" },
  "precondition-failed": { status: 412, title: "The precondition of the request does not hold" },
  "request-timeout": { status: 408, title: "The request took too long to arrive" },
  "document-too-large": { status: 413, title: "The document is too large" },
  "query-too-long": { status: 414, title: "The query string is too long" },
  "unsupported-media-type": { status: 415, title: "The media type of the body is not supported" },
  "headers-too-large": { status: 431, title: "The header fields, or the address, are too large" },
  "too-many-requests": { status: 429, title: "Too many requests" },
  "internal-error": { status: 500, title: "Something went wrong on our side" },
  "not-implemented": { status: 501, title: "This registry does not implement the request" },
  "egress-refused": { status: 400, title: "The address must not be fetched" },
  "did-not-found": { status: 400, title: "The DID does not resolve" },
  "did-deactivated": { status: 400, title: "The DID was deactivated" },
  "did-unavailable": { status: 503, title: "The DID cannot be resolved now" },
  "query-too-costly": { status: 503, title: "The query costs more than is allowed" },
  "too-many-event-clients": { status: 503, title: "All places for clients of /events are taken" },
  "peer-unavailable": { status: 503, title: "The other server cannot be asked now" },
  "peer-refused": { status: 403, title: "This registry takes nothing from this sender" },
  "activity-refused": { status: 422, title: "The activity is refused, and would be again" },
  "database-unavailable": { status: 503, title: "The database does not answer" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemType = keyof typeof problemTypes;

/** One fault in a submitted document. `field` is a JSON Pointer (RFC 6901), empty for the whole document. */
export interface ValidationError {
  field: string;
  description: string;
}

export interface ProblemOptions {
  /** Whether the same request can succeed later without a change. */
  retry?: "never" | "later";
  /** For `retry: "later"`: seconds until a new attempt makes sense (`Retry-After`). */
  retryAfterSeconds?: number;
  /** The faults of a document (WoT Discovery §7.3.2.1.6, tdd-validation-response). */
  validationErrors?: ValidationError[];
  /** Further members of the problem details object. */
  extensions?: Record<string, unknown>;
  cause?: unknown;
}

/** An error that a caller can understand and act on. */
export class Problem extends Error {
  readonly type: ProblemType;
  readonly status: number;
  readonly title: string;
  readonly retry: "never" | "later";
  readonly retryAfterSeconds: number | undefined;
  readonly validationErrors: ValidationError[] | undefined;
  readonly extensions: Record<string, unknown>;

  /** @param detail names the field or variable, what was expected, and what mends it. */
  constructor(type: ProblemType, detail: string, options: ProblemOptions = {}) {
    super(detail, { cause: options.cause });
    this.name = "Problem";
    this.type = type;
    this.status = problemTypes[type].status;
    this.title = problemTypes[type].title;
    this.retry = options.retry ?? (this.status === 503 || this.status === 429 ? "later" : "never");
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.validationErrors = options.validationErrors;
    this.extensions = options.extensions ?? {};
  }
}
