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
  /** Entries in one page of the public log. */
  logPageMax: 1_000,
  /** Entries in one page of the public log when the client names no limit. */
  logPageDefault: 100,
  /** How far the time in a signed head of the log may be from the auditor's clock, in milliseconds. */
  logHeadAgeMsMax: 5 * 60 * 1000,
  /** Discrepancies that one audit lists; the rest is counted. */
  auditFindingsMax: 1_000,
  /** Bytes of a request's query string, as sent. */
  queryStringBytesMax: 4 * 1024,
  /** Words of a search that are looked at; the rest is ignored. */
  searchWordsMax: 64,
  /** Characters of a title or name in a search result. */
  snippetTitleCharactersMax: 200,
  /** Characters of a description in a search result. */
  snippetCharactersMax: 1_000,
  /** Values of one repeatable search filter. */
  searchFilterValuesMax: 16,
  /** Texts of one entry that get a vector each. */
  embeddingTextsPerEntryMax: 64,
  /** Characters of one of them. */
  embeddingTextCharactersMax: 6_000,
  /** Characters of a query that are embedded. */
  queryEmbeddingCharactersMax: 2_000,
  /** Texts in one request for embeddings, and their characters. */
  embeddingTextsPerRequestMax: 64,
  embeddingRequestCharactersMax: 48_000,
  /** Numbers in a vector: what pgvector can store. */
  embeddingDimensionsMax: 16_000,
  /** Bytes of an answer with embeddings. */
  embeddingAnswerBytesMax: 32 * 1024 * 1024,
  /** Milliseconds that a request for embeddings may take. */
  embeddingMsMax: 60_000,
  /** How long an endpoint for embeddings may ask not to be asked again, in milliseconds. */
  embeddingRetryMsMax: 60 * 60 * 1000,
  /** Rows of the journal whose entries are embedded before the next ones are looked at. */
  embeddingBatchMax: 50,
  /** Milliseconds that a search waits for the vector of its words. */
  queryEmbeddingWaitMsMax: 800,
  /** How long no vector of a query is asked for after a failure: doubled each time, up to the second number, milliseconds. */
  queryEmbeddingPauseMsMin: 1_000,
  queryEmbeddingPauseMsMax: 60_000,
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
  /** How long a DID document counts as current if its HTTP answer asks for more than the usual, in milliseconds. */
  didLifetimeMsMax: 24 * 60 * 60 * 1000,
  /** How old the DID document may be that a write is checked against, in milliseconds. */
  didWriteAgeMsMax: 10_000,
  /** How old a DID document may be that readers are shown while its host cannot be asked, in milliseconds. */
  didStaleMsMax: 7 * 24 * 60 * 60 * 1000,
  /** Bytes of the log of a did:webvh; each entry has at most `didDocumentBytesMax`. */
  didLogBytesMax: 512 * 1024,
  /** Entries of the log of a did:webvh. */
  didLogEntriesMax: 512,
  /** Requests that one host gets at once because of what strangers have written; for DID documents, and for all else. */
  hostRequestsMax: 60,
  /** The same a second, once those at once are used up. */
  hostRequestsPerSecondMax: 10,
  /** Hosts whose requests are counted. */
  hostsMax: 10_000,
  /** Services of one DID document that are asked for a description. */
  didServicesMax: 16,
  /** Time between two looks whether the proof of an entry still holds, in milliseconds. */
  reviewIntervalMs: 60 * 60 * 1000,
  /** The same where the last look found a host that did not answer. */
  reviewRetryMs: 10 * 60 * 1000,
  /** How long a badge is still held while the host cannot be asked that has shown it, in milliseconds. */
  badgeGraceMsMax: 24 * 60 * 60 * 1000,
  /** Entries that a process reviews at once; most of the time they wait for the network. */
  reviewsMax: 8,
  /** Names of one entry that are compared with those of others. */
  namesPerEntryMax: 8,
  /** Characters of a name, in its form for comparing, that are compared with those of others. */
  lookalikeNameCharactersMax: 64,
  /** Rows of the journal that a consumer handles in one transaction. */
  journalBatchMax: 500,
  /** Rate of writes, in writes a second, up to which their answers wait until search has them. */
  indexWaitWritesPerSecondMax: 100,
  /** How long an answer to a write waits until search has the write, in milliseconds. */
  indexWaitMsMax: 1_000,
  /** Changes of entries that search on another server may lag behind before the database answers in its place. */
  searchBacklogMax: 500,
  /** How long such a change may have waited, in milliseconds. */
  searchLagMsMax: 30_000,
  /** Changes that such a server does not know yet and that are counted. */
  searchBacklogCountedMax: 1_000_000,
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
  /** Credentials that are looked at of one entry; the same bound holds for what its controller's services offer. */
  credentialsPerEntryMax: 8,
  /** Addresses that are fetched from the credential services of one DID document. */
  credentialServicesMax: 4,
  /** Types of one credential that a finding repeats. */
  credentialTypesMax: 16,
  /** Characters of each text that a finding repeats from a credential, and of its reason. */
  credentialTextCharactersMax: 512,
  /** Status entries of one credential. Each costs a request. */
  credentialStatusEntriesMax: 4,
  /** Bytes of a status list credential, as it is sent. */
  statusListBytesMax: 1024 * 1024,
  /** Bytes of a status list, after decompression; each holds eight entries. */
  statusListDecodedBytesMax: 8 * 1024 * 1024,
  /** Entries that a status list must have (Bitstring Status List §3.2), lest it tells who is asked for. */
  statusListEntriesMin: 131_072,
  /** How far the `created` of a signed request may lie from the clock, before or after, in milliseconds. */
  requestSignatureAgeMsMax: 5 * 60 * 1000,
  /** Characters of the nonce of a signed request. */
  requestNonceCharactersMin: 8,
  requestNonceCharactersMax: 128,
  /** How much longer a nonce is kept than its request is accepted, in milliseconds: clocks of nodes differ. */
  requestNonceMarginMs: 5 * 60 * 1000,
  /** Signed requests of one controller whose nonces are kept at once: one a second, for as long as they are kept. */
  requestNoncesPerControllerMax: 600,
  /** Expired nonces that go with each new one. */
  requestNoncesDeletedMax: 100,
  /** API tokens in use at once. */
  apiTokensMax: 1_000,
  /** API tokens that are listed: all that are in use, and some that are over. */
  apiTokensListMax: 2_000,
  /** Characters of what an operator calls an API token. */
  apiTokenNameCharactersMax: 200,
  /** How long an API token that is over stays in the list, in milliseconds. */
  apiTokenDeadMsMax: 90 * 24 * 60 * 60 * 1000,
  /** Network interfaces on which the registry announces itself and listens. */
  lanInterfacesMax: 32,
  /** Packets of the local network that are looked at at once, on one interface. */
  lanPacketsMax: 1_000,
  /** The same each second, once those at once are used up. */
  lanPacketsPerSecondMax: 200,
  /** Services of the local network that are known at once. */
  lanServicesMax: 1_000,
  /** The same of one announcer. */
  lanServicesPerAnnouncerMax: 256,
  /** New services of the local network that are taken in at once. */
  lanNewServicesMax: 200,
  /** New services that are taken in each second, once those at once are used up. */
  lanNewServicesPerSecondMax: 20,
  /** Bytes of a service's TXT record (RFC 6763 §6.2). */
  lanTextBytesMax: 1_300,
  /** Descriptions that are fetched from the local network at once. */
  lanFetchesMax: 8,
  /** The same from one address. */
  lanFetchesPerAddressMax: 2,
  /** Milliseconds that a fetch from the local network may take. */
  lanFetchMsMax: 5_000,
  /** Descriptions that are taken from one service, where it serves an array of them. */
  lanDescriptionsPerServiceMax: 50,
  /** Comings and goings of a service within a minute from which it is held back. */
  lanDeparturesMax: 3,
  /** How long a service is held back that comes and goes: doubled each time, up to the second number, milliseconds. */
  lanHoldMsMin: 60_000,
  lanHoldMsMax: 30 * 60 * 1000,
  /** Registered things that the registry announces for them. */
  lanAnnouncedThingsMax: 200,
  /** Bytes of a request to the inbox, which may hold several activities. */
  inboxBytesMax: 4 * 1024 * 1024,
  /** Activities in one request to the inbox. */
  inboxActivitiesMax: 100,
  /** Bytes of the id of an actor, an activity or an object; it must fit into a B-tree row, like a thing id. */
  activityIdBytesMax: 2_048,
  /** Registries through which an entry may have come. */
  pathOriginsMax: 16,
  /** Terms of the filter of a follow, over all facets. */
  followTermsMax: 16,
  /** Bytes of one of them: all together have to fit into a query string. */
  followTermBytesMax: 64,
  /** Peers that are known at once. */
  peersMax: 10_000,
  /** Of them, actors of one origin. */
  peersPerOriginMax: 1_000,
  /** How long a follower may be silent until it is forgotten, in milliseconds. */
  followerSilenceMsMax: 30 * 24 * 60 * 60 * 1000,
  /** Of the peers, those that wait for the operator. */
  peersPendingMax: 1_000,
  /** Entries that one peer may list here. */
  listingsPerPeerMax: 1_000_000,
  /** Documents of one peer that wait to be decided on. */
  heldDocumentsPerPeerMax: 1_000,
  /** How often it is tried to decide on such a document, with ever longer pauses: about three days in all. */
  heldDocumentAttemptsMax: 80,
  /** Entries in one page of a registry's list of entries. */
  entriesPageMax: 200,
  /** Characters of all documents in such a page; a single one may be longer. */
  entriesPageCharactersMax: 2 * 1024 * 1024,
  /** Bytes of such a page, as it is read from a peer. */
  entriesPageBytesMax: 8 * 1024 * 1024,
  /** Entries that are asked for by their keys in one request. */
  entriesByKeyMax: 32,
  /** Entries under a prefix up to which their digests are told one by one. */
  digestEntriesMax: 64,
  /** Digests over parts of the list of entries that are made at once. */
  digestsAtOnceMax: 4,
  /** Requests for digests in one comparison with a peer's list. */
  digestRequestsMax: 20_000,
  /** Activities that one peer may send at once. */
  peerActivitiesMax: 20_000,
  /** The same a second, once those at once are used up. */
  peerActivitiesPerSecondMax: 2_000,
  /** Requests to the inbox by actors of one host that are no peers, at once. */
  strangerRequestsMax: 20,
  /** The same a minute, once those at once are used up. */
  strangerRequestsPerMinuteMax: 20,
  /** Requests to the inbox by strangers from everywhere, a second. */
  strangersPerSecondMax: 50,
  /** Peers that a live search asks. */
  liveSearchPeersMax: 8,
  /** Milliseconds that they have to answer. */
  liveSearchMsMax: 300,
  /** Deliveries to different peers at once. */
  deliveriesMax: 32,
  /** Requests to one peer that takes one activity each, at once. */
  deliveriesPerPeerMax: 8,
  /** Time between two deliveries to a peer that does not answer: doubled each time, up to the second number, milliseconds. */
  deliveryBackoffMsMin: 1_000,
  deliveryBackoffMsMax: 60 * 60 * 1000,
  /** How often a peer's list is looked at in case that something was missed, in milliseconds. */
  pullIntervalMs: 10 * 60 * 1000,
  /** How often what is known of a peer's list is compared with it, in milliseconds. */
  verifyIntervalMs: 60 * 60 * 1000,
  /** How long entries are kept that a peer does not list any more since its database was restored, in milliseconds. */
  restoreGraceMs: 24 * 60 * 60 * 1000,
} as const;
