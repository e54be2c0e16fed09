import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { FilterFault } from "./meilisearch-filter.ts";
import {
  defaultSettings,
  distributionOf,
  type MeilisearchDocument,
  type MeilisearchIndex,
  type MeilisearchQuery,
  type MeilisearchSettings,
  type Ranked,
  ranked,
  RequestFault,
  shown,
} from "./meilisearch-index.ts";

/** What goes wrong with a request: the connection breaks, no answer comes, or an answer with this status. */
export type RequestFailure = "break" | "hang" | number;

interface StandInTask {
  uid: number;
  indexUid: string | null;
  type: string;
  status: "enqueued" | "processing" | "succeeded" | "failed";
  error: { message: string; code: string; type: string; link: string } | null;
  run(): void;
}

/** A task error; `type` as in Meilisearch: `invalid_request` is the sender's fault, `internal` and `system` are not. */
export interface TaskFailure {
  code: string;
  type: "invalid_request" | "internal" | "system";
}

export interface MeilisearchStandIn extends AsyncDisposable {
  readonly url: string;
  /** Each request so far, such as `POST /indexes/a/search`. */
  readonly requests: string[];
  readonly indexes: Map<string, MeilisearchIndex>;
  /** Says of each request how it fails; null: not at all. */
  failing: (method: string, path: string) => RequestFailure | null;
  /** Says of each task how it fails; null: not at all. */
  failingTask: (type: string, documents: MeilisearchDocument[]) => TaskFailure | null;
  /** While true, tasks are taken and not done. */
  isBusy: boolean;
  /** Stops listening; `start` listens at the same place again. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Forgets everything, as a server does whose volume was lost. */
  lose(): void;
}

/**
 * A stand-in for a Meilisearch server on the loopback interface, for tests where none can run. It has the part of the HTTP
 * API (https://www.meilisearch.com/docs/reference/api) that the registry uses: indexes, settings, documents, tasks, swaps,
 * searches alone and federated, filters, facets, sorting, API keys, errors.
 *
 * It is no search engine. There is no typo tolerance, no proximity, no exactness, and its ranking is a rough one: what
 * depends on these can be tested with a real server only. It keeps nothing on disk.
 */
export async function startMeilisearchStandIn(options: { apiKey?: string } = {}): Promise<MeilisearchStandIn> {
  const tasks: StandInTask[] = [];
  let server: Server | null = null;
  let port = 0;

  const standIn: MeilisearchStandIn = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    requests: [],
    indexes: new Map(),
    failing: () => null,
    failingTask: () => null,
    isBusy: false,
    async start() {
      const listening = createServer((request, response) => {
        const url = new URL(request.url ?? "/", "http://localhost");
        const method = request.method ?? "GET";
        standIn.requests.push(`${method} ${url.pathname}`);
        const failure = standIn.failing(method, url.pathname);
        if (failure === "break") return void request.socket.destroy();
        if (failure === "hang") return undefined;
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          const { status, body } =
            failure !== null
              ? { status: failure, body: fault("internal", "asked to fail", "internal") }
              : answered(method, url, Buffer.concat(chunks).toString("utf8"), request.headers.authorization);
          response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
        });
        return undefined;
      });
      server = listening;
      const { promise, resolve } = Promise.withResolvers<void>();
      listening.listen(port, "127.0.0.1", resolve);
      await promise;
      ({ port } = listening.address() as AddressInfo);
    },
    async stop() {
      const closing = server;
      if (closing === null) return;
      server = null;
      const { promise, resolve } = Promise.withResolvers<void>();
      closing.close(() => resolve());
      closing.closeAllConnections();
      await promise;
    },
    lose() {
      standIn.indexes.clear();
      tasks.length = 0;
    },
    [Symbol.asyncDispose]: () => standIn.stop(),
  };
  await standIn.start();
  return standIn;

  function answered(method: string, url: URL, text: string, authorization: string | undefined): Answer {
    try {
      if (options.apiKey !== undefined && authorization !== `Bearer ${options.apiKey}`) {
        return authorization === undefined
          ? { status: 401, body: fault("missing_authorization_header", "The Authorization header is missing.", "auth") }
          : { status: 403, body: fault("invalid_api_key", "The provided API key is invalid.", "auth") };
      }
      return route(method, url, text === "" ? undefined : parseBody(text));
    } catch (error) {
      if (error instanceof FilterFault) return refused("invalid_search_filter", error.message);
      if (error instanceof RequestFault) return refused(error.code, error.message);
      throw error;
    }
  }

  function route(method: string, url: URL, body: unknown): Answer {
    const [first = "", uid = "", part = "", item] = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const what = `${method} ${[first, uid && ":uid", part, item && (item === "delete-batch" ? item : ":id")].filter(Boolean).join("/")}`;
    switch (what) {
      case "GET version":
        return ok({ commitSha: "0", commitDate: "2025-06-09", pkgVersion: "1.15.0" });
      case "GET health":
        return ok({ status: "available" });
      case "GET tasks/:uid":
        return taskAnswer(Number(uid));
      case "POST indexes": {
        const { uid: named, primaryKey = null } = body as { uid: string; primaryKey?: string };
        return enqueue("indexCreation", named, () => {
          if (standIn.indexes.has(named)) throw new TaskFault("index_already_exists", "invalid_request");
          standIn.indexes.set(named, emptyIndex(primaryKey));
        });
      }
      case "POST swap-indexes":
        return enqueue("indexSwap", null, () => swap(body as { indexes: [string, string] }[]));
      case "POST multi-search":
        return ok(searchedTogether(body as FederatedBody));
      case "GET indexes/:uid":
        return withIndex(uid, ({ createdAt, primaryKey }) => ({ uid, createdAt, updatedAt: createdAt, primaryKey }));
      case "DELETE indexes/:uid":
        return enqueue("indexDeletion", uid, () => void (needed(uid) && standIn.indexes.delete(uid)));
      case "GET indexes/:uid/settings":
        return withIndex(uid, ({ settings }) => settings);
      case "PATCH indexes/:uid/settings":
        return enqueue("settingsUpdate", uid, () => {
          const index = made(uid, null);
          index.settings = merged(index.settings, body as Record<string, unknown>) as MeilisearchSettings;
        });
      case "POST indexes/:uid/search":
        return withIndex(uid, (index) => searched(index, body as SearchBody));
      case "POST indexes/:uid/documents": {
        const documents = body as MeilisearchDocument[];
        return enqueue("documentAdditionOrUpdate", uid, () => addAll(uid, documents, url), documents);
      }
      case "POST indexes/:uid/documents/delete-batch":
        return enqueue("documentDeletion", uid, () => {
          for (const id of body as string[]) needed(uid).documents.delete(id);
        });
      case "DELETE indexes/:uid/documents":
        return enqueue("documentDeletion", uid, () => needed(uid).documents.clear());
      case "GET indexes/:uid/documents/:id":
        return withIndex(uid, ({ documents, settings }) => {
          const document = documents.get(item ?? "");
          if (document === undefined) throw new Missing("document_not_found", `Document \`${item}\` not found.`);
          return shown(document, settings);
        });
      default:
        throw new Error(`the stand-in does not have ${what}`);
    }
  }

  function withIndex(uid: string, answer: (index: MeilisearchIndex) => unknown): Answer {
    try {
      const index = standIn.indexes.get(uid);
      if (index === undefined) throw new Missing("index_not_found", `Index \`${uid}\` not found.`);
      return ok(answer(index));
    } catch (error) {
      if (error instanceof Missing) return { status: 404, body: fault(error.code, error.message, "invalid_request") };
      throw error;
    }
  }

  function enqueue(
    type: string,
    indexUid: string | null,
    run: () => void,
    documents: MeilisearchDocument[] = [],
  ): Answer {
    const task: StandInTask = {
      uid: tasks.length,
      indexUid,
      type,
      status: "enqueued",
      error: null,
      run() {
        const failure = standIn.failingTask(type, documents);
        if (failure !== null) throw new TaskFault(failure.code, failure.type);
        run();
      },
    };
    tasks.push(task);
    return { status: 202, body: { taskUid: task.uid, indexUid, status: "enqueued", type, enqueuedAt: "" } };
  }

  /** Tasks are done in their order, as soon as somebody asks for one of them. */
  function taskAnswer(uid: number): Answer {
    const wanted = tasks[uid];
    if (wanted === undefined)
      return { status: 404, body: fault("task_not_found", "Task not found.", "invalid_request") };
    for (const task of standIn.isBusy ? [] : tasks.slice(0, uid + 1)) {
      if (task.status !== "enqueued") continue;
      try {
        task.run();
        task.status = "succeeded";
      } catch (error) {
        if (!(error instanceof TaskFault)) throw error;
        task.status = "failed";
        task.error = fault(error.code, error.message, error.type);
      }
    }
    const { run: _, ...answer } = wanted;
    return ok(answer);
  }

  function needed(uid: string): MeilisearchIndex {
    const index = standIn.indexes.get(uid);
    if (index === undefined) throw new TaskFault("index_not_found", "invalid_request");
    return index;
  }

  function made(uid: string, primaryKey: string | null): MeilisearchIndex {
    const index = standIn.indexes.get(uid) ?? emptyIndex(primaryKey);
    standIn.indexes.set(uid, index);
    return index;
  }

  function addAll(uid: string, documents: MeilisearchDocument[], url: URL): void {
    const index = made(uid, url.searchParams.get("primaryKey"));
    for (const document of documents) {
      const id = document[index.primaryKey ?? "id"];
      if (typeof id !== "string" || !/^[\w-]{1,511}$/.test(id))
        throw new TaskFault("invalid_document_id", "invalid_request");
    }
    for (const document of documents) index.documents.set(String(document[index.primaryKey ?? "id"]), document);
  }

  function swap(pairs: { indexes: [string, string] }[]): void {
    for (const { indexes } of pairs) for (const uid of indexes) needed(uid);
    for (const {
      indexes: [a, b],
    } of pairs) {
      const [left, right] = [needed(a), needed(b)];
      standIn.indexes.set(a, right).set(b, left);
    }
  }

  function searched(index: MeilisearchIndex, query: SearchBody): unknown {
    const { offset = 0, limit = 20, facets } = query;
    const found = ranked(index, query);
    const end = Math.min(offset + limit, index.settings.pagination.maxTotalHits);
    return {
      hits: found.slice(offset, end).map((hit) => shownHit(hit, index, query)),
      ...listInfo(query.q, offset, limit, found.length),
      ...(facets === undefined
        ? {}
        : {
            facetDistribution: distributionOf(
              found.map(({ document }) => document),
              facets,
              index.settings,
            ),
          }),
    };
  }

  function searchedTogether({ federation, queries }: FederatedBody): unknown {
    const { offset = 0, limit = 20, facetsByIndex = {} } = federation;
    const best = new Map<MeilisearchDocument, { hit: MeilisearchDocument; weighted: number; sequence: number }>();
    const found = new Map<string, Set<MeilisearchDocument>>();
    for (const [queriesPosition, { indexUid, federationOptions, ...query }] of queries.entries()) {
      for (const name of ["limit", "offset", "facets"]) {
        if (name in query)
          throw new RequestFault("invalid_multi_search_query_pagination", `\`${name}\` in a federated query`);
      }
      const index = standIn.indexes.get(indexUid);
      if (index === undefined) throw new RequestFault("index_not_found", `Index \`${indexUid}\` not found.`);
      for (const hit of ranked(index, query)) {
        const weighted = hit.score * (federationOptions?.weight ?? 1);
        found.set(indexUid, (found.get(indexUid) ?? new Set()).add(hit.document));
        if ((best.get(hit.document)?.weighted ?? -1) >= weighted) continue;
        const federated = { indexUid, queriesPosition, weightedRankingScore: weighted };
        const sequence = Number(hit.document["sequence"] ?? 0);
        best.set(hit.document, { hit: { ...shownHit(hit, index, query), _federation: federated }, weighted, sequence });
      }
    }
    const list = [...best.values()].sort((a, b) => b.weighted - a.weighted || b.sequence - a.sequence);
    const counted = Object.entries(facetsByIndex).map(([uid, facets]) => [
      uid,
      { distribution: distributionOf([...(found.get(uid) ?? [])], facets, needed(uid).settings), stats: {} },
    ]);
    return {
      hits: list.slice(offset, offset + limit).map(({ hit }) => hit),
      ...listInfo(undefined, offset, limit, list.length),
      ...(counted.length === 0 ? {} : { facetsByIndex: Object.fromEntries(counted) }),
    };
  }
}

type SearchBody = MeilisearchQuery & { offset?: number; limit?: number; facets?: string[] };

interface FederatedBody {
  federation: { offset?: number; limit?: number; facetsByIndex?: Record<string, string[]> };
  queries: (MeilisearchQuery & { indexUid: string; federationOptions?: { weight: number } })[];
}

interface Answer {
  status: number;
  body: unknown;
}

class Missing extends RequestFault {}

class TaskFault extends Error {
  readonly code: string;
  readonly type: string;

  constructor(code: string, type: string) {
    super(`the task failed with ${code}`);
    this.code = code;
    this.type = type;
  }
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}

function refused(code: string, message: string): Answer {
  return { status: 400, body: fault(code, message, "invalid_request") };
}

function fault(code: string, message: string, type: string) {
  return { message, code, type, link: `https://docs.meilisearch.com/errors#${code}` };
}

function emptyIndex(primaryKey: string | null): MeilisearchIndex {
  return { createdAt: new Date().toISOString(), primaryKey, documents: new Map(), settings: defaultSettings() };
}

function listInfo(q: string | null | undefined, offset: number, limit: number, estimatedTotalHits: number) {
  return { ...(q === undefined ? {} : { query: q ?? "" }), processingTimeMs: 0, limit, offset, estimatedTotalHits };
}

function shownHit({ document, score, matchingWords }: Ranked, { settings }: MeilisearchIndex, query: MeilisearchQuery) {
  return {
    ...shown(document, settings, query.attributesToRetrieve),
    ...(query.showRankingScore === true ? { _rankingScore: score } : {}),
    ...(query.showRankingScoreDetails === true
      ? { _rankingScoreDetails: { words: { order: 0, matchingWords, maxMatchingWords: matchingWords, score } } }
      : {}),
  };
}

/** Meilisearch reads JSON strictly: text with half of a surrogate pair is none. */
function parseBody(text: string): unknown {
  return JSON.parse(text, (_, value: unknown) => {
    if (typeof value === "string" && !value.isWellFormed())
      throw new RequestFault("malformed_payload", "lone surrogate");
    return value;
  });
}

/** Settings are changed as far as they are named; objects are merged. */
function merged(old: Record<string, unknown>, changes: Record<string, unknown>): Record<string, unknown> {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  return Object.fromEntries(
    Object.entries({ ...old, ...changes }).map(([name, value]) => {
      const had = old[name];
      return [name, isObject(had) && isObject(value) ? merged(had, value) : value];
    }),
  );
}
