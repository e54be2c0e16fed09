import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { eq, sql } from "drizzle-orm";
import type { Clock } from "../../src/base/clock.ts";
import { type Did, entryKeyOf, type ThingId } from "../../src/base/ids.ts";
import type { Config } from "../../src/config.ts";
import { type Database, openDatabase, type Queryable, rowsOf } from "../../src/db/client.ts";
import { entries, type FollowFilter } from "../../src/db/schema/index.ts";
import { createDatabasePlace, type DatabasePlace } from "./database.ts";
import type { SignedTd } from "./descriptions.ts";
import { freePort } from "./process.ts";
import { adminToken, startTestService, type TestService, thingPath } from "./service.ts";

/** What `GET /peers` says of a peer, as far as tests look at it. */
export interface ShownPeer {
  id: string;
  actor: string;
  origin: string;
  handle: string | null;
  isRegistry: boolean;
  blocked: boolean;
  stale: boolean;
  follower: {
    state: string;
    filter: FollowFilter | null;
    lag: number | null;
    failures: number;
    lastError: string | null;
  };
  following: {
    state: string;
    filter: FollowFilter | null;
    pulledAt: string | null;
    verifiedAt: string | null;
    lastError: string | null;
    entries: number;
    refused: number;
    held: number;
  };
}

/** What `POST /peers/{id}/verify` answers. */
export interface ShownVerification {
  requests: number;
  fetched: number;
  refused: number;
  withdrawn: number;
  equal: boolean;
}

/** A registry that others can follow, in this process. */
export interface FederatedRegistry extends TestService {
  /** Its origin: who it is for its peers. */
  readonly origin: string;
  readonly db: Database;
  /** Asks it as its operator, and returns the answer's body. Throws for any other status than 2xx. */
  operate<T>(method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<T>;
  /** The peer with this origin. Throws if there is none. */
  peer(of: { origin: string }): Promise<ShownPeer>;
  peers(): Promise<ShownPeer[]>;
  /** Follows a registry, and waits until that has accepted and its list was read and compared. */
  follow(other: { origin: string }, filter?: FollowFilter): Promise<ShownPeer>;
  /** Registers a document, or a newer version of it. Throws if it is not taken. */
  publish(document: Pick<SignedTd, "id" | "text">): Promise<void>;
  /** What is kept of an entry; undefined if nothing is. */
  entry(document: SignedTd): Promise<typeof entries.$inferSelect | undefined>;
}

/** The system's clock, which a test can let run ahead. */
export interface ShiftedClock extends Clock {
  /** Lets `ms` milliseconds pass at once. */
  pass(ms: number): void;
}

export function shiftedClock(): ShiftedClock {
  let aheadMs = 0;
  return {
    now: () => new Date(Date.now() + aheadMs),
    pass(ms) {
      aheadMs += ms;
    },
  };
}

export interface RegistryOptions {
  /** Where it listens; default: a free port. */
  port?: number;
  clock?: Clock;
}

/** Starts a registry with federation, and a database of its own. `overrides` change its configuration. */
export async function startRegistry(
  overrides: Partial<Config> = {},
  { port: givenPort, ...parts }: RegistryOptions = {},
): Promise<FederatedRegistry> {
  const port = givenPort ?? (await freePort());
  const origin = overrides.publicUrl ?? `http://127.0.0.1:${port}`;
  await using stack = new AsyncDisposableStack();
  const place = stack.use(await createDatabasePlace());
  const db = stack.use(await openDatabase(place.options));
  const config = { federation: true, port, publicUrl: origin, ...overrides };
  const service = stack.use(await startTestService(config, { place, database: db, ...parts }));
  const running = stack.move();
  const close = () => running.disposeAsync();

  async function operate<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers = { authorization: `Bearer ${adminToken}`, "content-type": "application/json" };
    const response = await service.fetch(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`);
    return (text === "" ? null : JSON.parse(text)) as T;
  }

  const peers = async () => (await operate<{ peers: ShownPeer[] }>("GET", "/peers")).peers;

  async function peer(of: { origin: string }): Promise<ShownPeer> {
    const found = (await peers()).find((one) => one.origin === of.origin);
    if (found === undefined) throw new Error(`${origin} has no peer ${of.origin}`);
    return found;
  }

  return {
    ...service,
    origin,
    db,
    operate,
    peers,
    peer,
    async follow(other, filter) {
      await operate("POST", "/peers", { target: other.origin, ...(filter === undefined ? {} : { filter }) });
      await waitUntil(`${origin} has read the list of ${other.origin}`, async () => {
        const { following } = await peer(other);
        return following.state === "accepted" && following.pulledAt !== null && following.verifiedAt !== null;
      });
      return peer(other);
    },
    async publish(document) {
      const response = await service.put(document);
      if (!response.ok) throw new Error(`${document.id} was answered ${response.status}: ${await response.text()}`);
      await response.body?.cancel();
    },
    async entry({ id, key }) {
      const [row] = await db.orm
        .select()
        .from(entries)
        .where(eq(entries.key, entryKeyOf(key.controller as Did, id as ThingId)));
      return row;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Polls until `check` returns true; throws with `what` after `msMax`. An error of `check` counts as false. */
export async function waitUntil(what: string, check: () => Promise<boolean>, msMax = 40_000): Promise<void> {
  const deadline = performance.now() + msMax;
  let last: unknown = null;
  // Asking costs the same processor that is to do the work.
  for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 1.5, 150)) {
    try {
      if (await check()) return;
      last = null;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`not after ${msMax} ms: ${what}`, { cause: last });
    await sleep(pauseMs);
  }
}

/**
 * Waits until each of the registries has this very version of an entry, and lists it. The error of one that does not says
 * in what state all of them and their peers are.
 */
export async function waitForEntry(registries: readonly FederatedRegistry[], document: SignedTd): Promise<void> {
  for (const registry of registries) {
    try {
      await waitUntil(`${registry.origin} lists ${document.id}`, async () => {
        const response = await registry.fetch(thingPath(document.id));
        return (await response.text()) === document.text && response.status === 200;
      });
    } catch (error) {
      const states = await Promise.all(
        registries.map(async (one) => ({
          origin: one.origin,
          entry: await one.entry(document),
          peers: await one.peers(),
        })),
      );
      throw new Error(`${String(error)}\n${JSON.stringify(states, null, 1)}`, { cause: error });
    }
  }
}

/** An entry as it has to be the same in every registry that has it. */
// oxlint-disable-next-line typescript/consistent-type-definitions -- rows have to be records
export type EntryState = { key: string; digest: string; kind: "description" | "tombstone"; state: string };

/** All entries in a database, retracted ones included, in the order of their keys. */
export async function readState(db: Queryable): Promise<EntryState[]> {
  return rowsOf<EntryState>(
    db,
    sql`select encode(entry.key, 'hex') as key, encode(entry.digest, 'hex') as digest, version.kind, entry.state
        from entries entry join versions version on version.id = entry.version_id order by entry.key`,
  );
}

/** SHA-256 over `readState`: equal where two registries have the same versions of the same entries. */
export function stateDigest(state: readonly EntryState[]): string {
  const hash = createHash("sha256");
  for (const { key, digest, kind, state: is } of state) hash.update(`${key} ${digest} ${kind} ${is}\n`);
  return hash.digest("hex");
}

/** The same of the database in a place that nobody has open. */
export async function readStateAt(place: DatabasePlace): Promise<EntryState[]> {
  await using db = await openDatabase(place.options);
  return await readState(db.orm);
}
