/**
 * Every bound in the service, in one place (design §4 "Limits"). Each is tested at its boundary.
 * Names end in their unit; "Max" values are themselves still accepted.
 */
export const limits = {
  /** Bytes of one submitted document (and of any request body). */
  documentBytesMax: 256 * 1024,
  /** Nesting of arrays and objects; a scalar document has depth 0, `{}` has depth 1. */
  jsonDepthMax: 32,
  /** JSON values in one document, the document itself included. */
  jsonNodesMax: 5_000,
  /** Bytes of a thing id in UTF-8. It must fit into a B-tree row (2,704 bytes). */
  thingIdBytesMax: 2_048,
  /** Bytes of a DID in UTF-8. */
  didBytesMax: 512,
  /** Versions kept of one entry; the oldest go first. */
  versionsPerEntryMax: 1_000,
  /** Items in one page of search results. */
  searchPageMax: 100,
  /** Items in one page when the client names no limit. */
  searchPageDefault: 20,
  /** Items in one page of the listing of things. */
  listPageMax: 1_000,
  /** Items in one page of the listing when the client names no limit. */
  listPageDefault: 100,
  /** Bytes of a request's query string, as sent. */
  queryStringBytesMax: 4 * 1024,
  /** Words of a search that are looked at; the rest is ignored. */
  searchWordsMax: 64,
  /** Values of one repeatable search filter. */
  searchFilterValuesMax: 16,
  /** Redirects that an outgoing request follows, each one checked like the first. */
  egressRedirectsMax: 3,
  /** Bytes of an outgoing request's answer, after decompression. */
  egressBytesMax: 1024 * 1024,
  /** Milliseconds for an outgoing request, redirects and body included. */
  egressMsMax: 10_000,
  /** Milliseconds that one database statement may take. */
  statementMsMax: 5_000,
  /** How far in the future a proof's `created` may lie, in milliseconds (design §3.5). */
  clockSkewMsMax: 5 * 60 * 1000,
  /** Bytes of one DID document. */
  didDocumentBytesMax: 64 * 1024,
  /** Bytes of all the DID documents that are kept in memory. */
  didCacheBytesMax: 64 * 1024 * 1024,
  /** DID documents that are kept in memory; the same bound holds for DIDs that failed to resolve. */
  didCacheDocumentsMax: 10_000,
  /** How long a DID document counts as current, in milliseconds. */
  didFreshMsMax: 10 * 60 * 1000,
  /** How long a DID that failed to resolve is not asked for again, in milliseconds. */
  didFailureMsMax: 60 * 1000,
  /** The age, in milliseconds, from which a DID document that does not bear out a proof is fetched anew. */
  didRefreshMsMin: 10 * 1000,
  /** Rows of the journal that a consumer handles in one transaction. */
  journalBatchMax: 500,
  /** Rate of writes, in writes a second, up to which their answers wait until search has them. */
  indexWaitWritesPerSecondMax: 100,
  /** How long an answer to a write waits until search has the write, in milliseconds. */
  indexWaitMsMax: 1_000,
  /** Faults of one document that a problem lists. */
  validationErrorsMax: 50,
  /** Seconds that a registration may ask to last: the largest that a Postgres integer holds, 68 years. */
  registrationTtlSecondsMax: 2_147_483_647,
  /** Words and texts from the data schemas of one affordance that search gets to see. */
  affordanceDetailsMax: 256,
  /** Clients of `/events` that one process serves at once. */
  eventClientsMax: 1_000,
  /** The same from one public address; from an IPv6 network of 64 bits. */
  eventClientsPerAddressMax: 100,
  /** Bytes of events that wait for one client; one that reads more slowly is dropped. */
  eventBufferBytesMax: 1024 * 1024,
  /** How long a client of `/events` may take to accept what was sent before it is dropped, in milliseconds. */
  eventStallMsMax: 30_000,
  /** Milliseconds without an event after which an event stream is sent a comment, so that nobody takes it for dead. */
  eventHeartbeatMs: 20_000,
  /** Seconds after which a client that found no place at `/events` may ask again. */
  eventRetrySeconds: 30,
  /** Bytes of a JSONPath query in UTF-8. */
  jsonPathBytesMax: 1024,
  /** Nesting of brackets and parentheses in a JSONPath query. */
  jsonPathDepthMax: 32,
  /** Milliseconds that one JSONPath search may take in all; reading 100,000 things takes some seconds. */
  jsonPathMsMax: 10_000,
  /** Milliseconds that its evaluation on some documents may take, or on all of them if it needs them at once. */
  jsonPathPageMsMax: 2_000,
  /** Characters of JSON in the answer to one JSONPath search. */
  jsonPathResultCharactersMax: 16 * 1024 * 1024,
  /** Characters of all the documents together that a JSONPath query sees which needs them all at once. */
  jsonPathWholeCharactersMax: 8 * 1024 * 1024,
  /** JSONPath searches that run at once; each holds some documents and its result in memory. */
  jsonPathSearchesMax: 16,
  /** Threads that evaluate JSONPath queries. */
  jsonPathThreadsMax: 2,
  /** Megabytes of memory that one of these threads may use. */
  jsonPathThreadMemoryMbMax: 128,
} as const;
