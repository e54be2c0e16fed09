import { randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import { serve, type ServerType } from "@hono/node-server";
import type { OpenAPIHono } from "@hono/zod-openapi";
import packageJson from "../package.json" with { type: "json" };
import { type Admission, createAdmission } from "./admission/admission.ts";
import { startAssessor } from "./admission/assessor.ts";
import { startEmbedder } from "./admission/embedder.ts";
import { startExpiry } from "./admission/expiry.ts";
import { createIndexWait } from "./admission/index-wait.ts";
import { indexerNameOf, isNearlyUpToDate, startIndexer, startOutsideIndexer } from "./admission/indexer.ts";
import { startPathIndexer } from "./admission/path-indexer.ts";
import { type Clock, systemClock } from "./base/clock.ts";
import { createEgress, type Egress } from "./base/egress.ts";
import { createHostBudget, withHostBudget } from "./base/host-budget.ts";
import { limits } from "./base/limits.ts";
import { loggerOf } from "./base/log.ts";
import { type Config, isLoopbackHost } from "./config.ts";
import { type Database, type DatabaseOptions, openDatabase, pingDatabase } from "./db/client.ts";
import type { Consumer } from "./db/consumer.ts";
import { establishEpoch, type JournalPosition, readBacklog } from "./db/journal.ts";
import { createLogReader, startPublicLog } from "./db/public-log.ts";
import type { Federation } from "./federation/federation.ts";
import { createApp } from "./http/app.ts";
import { answerBrokenRequests } from "./http/broken-requests.ts";
import { createEventStreams, type EventSettings } from "./http/events/event-streams.ts";
import { createJsonPathSearch } from "./http/jsonpath/jsonpath-search.ts";
import { createMetrics } from "./http/metrics.ts";
import { disabledFederation } from "./http/no-federation.ts";
import { createApiTokens } from "./identity/api-tokens.ts";
import { loadRegistryKey, registryDidDocument, registrySigningKey } from "./identity/registry-identity.ts";
import { createRequestNonces } from "./identity/request-nonces.ts";
import { createDidResolver, type DidResolver } from "./identity/resolver.ts";
import { createLan, type LanOptions, type LanParts } from "./lan/lan.ts";
import { createCapabilityCatalogue } from "./search/catalogue.ts";
import { createFallbackSearch } from "./search/fallback.ts";
import { createHybridSearch } from "./search/hybrid.ts";
import type { SearchEngine } from "./search/port.ts";
import { createPostgresSearch } from "./search/postgres.ts";
import { createAssessmentStore } from "./things/assessment-store.ts";
import { createEntryReader } from "./things/entry-store.ts";
import { createVersionReader } from "./things/version-reader.ts";

/** Milliseconds that requests under way are given when the service stops. */
const drainMs = 5_000;

/** A running registry. */
export interface Service extends AsyncDisposable {
  /** Where others see it, without a trailing slash. */
  readonly publicUrl: string;
  /** Where it listens. */
  readonly address: { host: string; port: number };
  readonly database: Database["kind"];
  /** Whether it uses the local network, and why. */
  readonly lan: { enabled: boolean; reason: string };
  /** Answers requests without the network, for tests. */
  readonly app: OpenAPIHono;
  /** Finishes the requests under way, stops the consumers, closes the database. */
  close(): Promise<void>;
}

/** What a caller may bring along, such as tests do. */
export interface ServiceParts {
  clock?: Clock;
  /** An open database, which stays the caller's to close; otherwise the configured one is opened. */
  database?: Database;
  /** An HTTP client for other hosts; the service closes it. */
  egress?: Egress;
  /** Bounds and intervals of the event streams that differ from the limits. */
  events?: Partial<EventSettings>;
  /** Sockets and intervals of the local network. */
  lan?: LanParts;
}

/**
 * Starts a registry: opens and migrates the database, starts the journal's consumers, listens. The one place where
 * everything is assembled. Rejects when the port is taken, or the database cannot be opened.
 */
export async function startService(config: Config, parts: ServiceParts = {}): Promise<Service> {
  await using stack = new AsyncDisposableStack();
  const clock = parts.clock ?? systemClock;

  const db = parts.database ?? stack.use(await openDatabase(databaseOptions(config)));
  const epoch = await establishEpoch(db.orm);
  const registryKey = await loadRegistryKey(db.orm);

  const { allowPrivateAddresses, egressPorts } = config;
  const egress = parts.egress ?? createEgress({ allowPrivateAddresses, ports: egressPorts });
  stack.defer(() => egress.close());
  const resolver = createDidResolver({ egress, clock, allowPrivateAddresses });

  const metrics = createMetrics(packageJson.version);
  const holder = randomUUID();
  const postgres = createPostgresSearch({ db: db.orm });
  const indexer = startIndexer({ db, engine: postgres, clock });
  stack.defer(() => indexer.stop());
  const meilisearch = await openMeilisearch(config, { db, epoch, postgres, clock, holder });
  if (meilisearch !== null) {
    stack.defer(() => meilisearch.indexer.stop());
    metrics.watchSearchBacklog(meilisearch.countBacklog);
  }
  const words = meilisearch?.engine ?? postgres;
  const meaning = await openMeaning(config, { db, words, clock, holder });
  if (meaning !== null) stack.defer(() => meaning.stop());

  const pathIndexer = startPathIndexer({ db, clock });
  stack.defer(() => pathIndexer.stop());
  const entries = createEntryReader(db.orm);
  const jsonPath = createJsonPathSearch({ db: db.orm, entries, clock });
  stack.defer(() => jsonPath.stop());

  const events = createEventStreams({ db: db.orm, epoch, clock, settings: parts.events ?? {} });
  metrics.watchEventStreams(events.count);

  const publicLog = startPublicLog({ db: db.orm });
  stack.defer(() => publicLog.stop());

  let wakeFederation = () => {};
  const onAppend = (position: JournalPosition) => {
    indexer.wake();
    meilisearch?.indexer.wake();
    meaning?.embedder.wake();
    publicLog.wake();
    assessor.wake();
    events.wake(position);
    wakeFederation();
  };

  const { trustedIssuers } = config;
  const budgeted = withHostBudget(egress, createHostBudget(clock));
  const assessor = startAssessor({ db, resolver, egress: budgeted, clock, trustedIssuers, onAppend });
  stack.defer(() => assessor.stop());

  const expiry = startExpiry({ db, clock, onAppend });
  stack.defer(() => expiry.stop());

  const indexWait = createIndexWait(indexer);
  const admission = createAdmission({
    db,
    resolver,
    clock,
    mode: config.admission,
    origin: () => publicUrl,
    onAppend,
    onAdmission: metrics.countAdmission,
  });

  const log = createLogReader(db.orm);
  const federation = await openFederation(config, { db, epoch, resolver, admission, clock });
  if (federation !== null) stack.defer(() => federation.stop());
  wakeFederation = () => federation?.wake();
  if (federation !== null) metrics.watchPeers(() => federation.peers.list());

  const lan = createLan({
    options: lanOptions(config),
    egress,
    admission,
    entries,
    log,
    clock,
    seed: epoch,
    sharesDatabase: db.kind !== "pglite",
    parts: parts.lan,
  });

  let publicUrl = config.publicUrl ?? "";
  const app = createApp({
    publicUrl: () => publicUrl,
    admission,
    admissionMode: config.admission,
    readAccess: config.readAccess,
    adminToken: config.adminToken,
    apiTokens: createApiTokens(db.orm),
    requestNonces: createRequestNonces(db.orm),
    resolver,
    entries,
    versions: createVersionReader(db.orm),
    assessments: createAssessmentStore(db.orm),
    search: meaning?.engine ?? words,
    catalogue: createCapabilityCatalogue({ db: db.orm }),
    searchable: (position) => indexWait.searchable(position),
    jsonPath,
    events,
    log,
    lan,
    federation: federation ?? disabledFederation,
    signingKey: () => registrySigningKey(registryKey, publicUrl),
    didDocument: () => registryDidDocument(registryKey, publicUrl),
    checkReady: () => pingDatabase(db),
    metrics: metrics.registry,
    clock,
  });

  const { server, address, port } = await listen(app, config.host, config.port);
  stack.defer(() => stopListening(server));
  // Before the server waits for its requests: event streams would never end by themselves.
  stack.defer(() => events.stop());
  if (config.publicUrl === null) publicUrl = `http://localhost:${port}`;
  loggerOf().info("listening", { host: config.host, port, database: db.kind });
  // Before all else ends, so that nobody is led to a server which has stopped.
  stack.defer(() => lan.stop());
  await lan.start({ address, port });

  const running = stack.move();
  const close = () => running.disposeAsync();
  return {
    publicUrl,
    address: { host: config.host, port },
    database: db.kind,
    lan: { enabled: lan.report().enabled, reason: lan.report().reason },
    app,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Federation, if the configuration has it; only then is its library loaded. */
async function openFederation(
  config: Config,
  parts: { db: Database; epoch: string; resolver: DidResolver; admission: Admission; clock: Clock },
): Promise<Federation | null> {
  const { publicUrl, allowPrivateAddresses } = config;
  if (!config.federation || publicUrl === null) return null;
  const { startFederation } = await import("./federation/federation.ts");
  return startFederation({
    ...parts,
    db: parts.db.orm,
    publicUrl,
    // Of its own: it ends with it.
    egress: createEgress({ allowPrivateAddresses, ports: config.egressPorts }),
    policy: config.peerPolicy,
    relay: config.federationRelay,
    registersSigned: config.admission !== "token",
    staleAfterSeconds: config.staleAfterSeconds,
    allowPrivateAddresses,
    version: packageJson.version,
    random: Math.random,
  });
}

/**
 * Search in Meilisearch, with the database's engine as its stand-in, if the configuration has it; only then is its client
 * loaded. Nothing here waits for the server: it may be down.
 */
async function openMeilisearch(
  config: Config,
  parts: { db: Database; epoch: string; postgres: SearchEngine; clock: Clock; holder: string },
): Promise<{ engine: SearchEngine; indexer: Consumer; countBacklog: () => Promise<number> } | null> {
  const { searchEngine, meiliUrl, meiliApiKey } = config;
  if (searchEngine !== "meilisearch" || meiliUrl === null) return null;
  const { createMeilisearch, indexUidOf } = await import("./search/meilisearch/meilisearch.ts");
  const { epoch, postgres, clock, holder } = parts;
  const db = parts.db.orm;
  const engine = createMeilisearch({
    server: { url: meiliUrl, apiKey: meiliApiKey },
    uid: indexUidOf(epoch),
    catalogue: postgres,
  });
  const consumer = indexerNameOf(engine);
  const isReady = () => isNearlyUpToDate(db, consumer, clock.now());
  return {
    engine: createFallbackSearch({ preferred: engine, fallback: postgres, isReady, clock }),
    indexer: startOutsideIndexer({ db, engine, clock, holder }),
    countBacklog: async () => (await readBacklog(db, consumer, limits.searchBacklogCountedMax)).rows,
  };
}

/**
 * Search by words and by meaning, if the configuration has an endpoint for embeddings; only then is its client loaded.
 * Nothing here waits for the endpoint. Null, and a log record that says what to do, where the database has no pgvector.
 */
async function openMeaning(
  config: Config,
  parts: { db: Database; words: SearchEngine; clock: Clock; holder: string },
): Promise<{ engine: SearchEngine; embedder: Consumer; stop: () => Promise<void> } | null> {
  const { embeddingsUrl: url, embeddingsModel: model } = config;
  if (url === null || model === null) return null;
  const { db, words, clock, holder } = parts;
  const { openEmbeddings } = await import("./search/embeddings/embeddings.ts");
  const { VectorExtensionError } = await import("./search/embeddings/vector-extension.ts");
  const log = loggerOf("embeddings");
  if (url.startsWith("http:") && !isLoopbackHost(new URL(url).hostname)) {
    log.warning("EMBEDDINGS_URL is plain http to another host: texts and the key can be read on the way");
  }
  const settings = { url, model, apiKey: config.embeddingsApiKey, tokensPerDay: config.embeddingsTokensPerDay };
  try {
    const embeddings = await openEmbeddings(settings, { db: db.orm, clock });
    const embedder = startEmbedder({ db, embeddings, clock, holder });
    const stop = async () => {
      await embedder.stop();
      await embeddings.close();
    };
    return { engine: createHybridSearch({ words, meaning: embeddings, db: db.orm }), embedder, stop };
  } catch (error) {
    if (!(error instanceof VectorExtensionError)) throw error;
    log.error("search goes by words alone: {error}", { error: error.message });
    return null;
  }
}

function databaseOptions({ databaseUrl, dataDir, embeddingsUrl }: Config): DatabaseOptions {
  return databaseUrl === null ? { dataDir, vectors: embeddingsUrl !== null } : { databaseUrl };
}

function lanOptions({ host, lan, lanProxy, lanInterfaces, lanTtlSeconds }: Config): LanOptions {
  const isLoopback = isLoopbackHost(host);
  return { enabled: lan, host, isLoopback, proxy: lanProxy, interfaces: lanInterfaces, ttlSeconds: lanTtlSeconds };
}

async function listen(
  app: OpenAPIHono,
  host: string,
  port: number,
): Promise<{ server: ServerType; address: string; port: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>();
  const server = serve({ fetch: app.fetch, hostname: host, port }, resolve);
  server.once("error", reject);
  answerBrokenRequests(server);
  // A client that sends its request byte by byte must not hold a connection for long.
  if ("requestTimeout" in server) server.requestTimeout = 30_000;
  const bound = await promise;
  return { server, address: bound.address, port: bound.port };
}

async function stopListening(server: ServerType): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  if ("closeIdleConnections" in server) server.closeIdleConnections();
  const timer = setTimeout(() => {
    if ("closeAllConnections" in server) server.closeAllConnections();
  }, drainMs);
  await promise;
  clearTimeout(timer);
}
