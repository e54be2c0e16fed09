import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { PGlite } from "@electric-sql/pglite";
import { type SQL, sql } from "drizzle-orm";
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { migrate as migratePglite } from "drizzle-orm/pglite/migrator";
import { drizzle as drizzlePostgres } from "drizzle-orm/postgres-js";
import { migrate as migratePostgres } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { limits } from "../base/limits.ts";
import { lockDataDir } from "./data-dir-lock.ts";
import * as schema from "./schema/index.ts";

/** Runs queries: the database itself or a transaction in it. */
export type Queryable = PgDatabase<PgQueryResultHKT, typeof schema>;

/** An open, migrated database. */
export interface Database extends AsyncDisposable {
  readonly kind: "pglite" | "postgres";
  readonly orm: Queryable;
  /** Closes all connections, and frees the data directory. */
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** A `postgres://` URL; without one PGlite is embedded. */
  databaseUrl?: string;
  /** PGlite's directory, made when missing; without one (and without a URL) the data is in memory. */
  dataDir?: string;
  /** Connections to a Postgres server. */
  connectionsMax?: number;
  /** Whether PGlite is to have the type for vectors; a Postgres server has it where pgvector is installed. */
  vectors?: boolean;
}

const migrationsFolder = fileURLToPath(new URL("../../migrations", import.meta.url));

/** Any constant: names the lock under which migrations run on a shared server. */
const migrationLock = 7_446_217_301;

/**
 * Opens the database and brings its schema up to date. Throws when the server cannot be reached or the data
 * directory is in use by another process.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  return options.databaseUrl === undefined
    ? openPglite(options.dataDir, options.vectors ?? false)
    : openPostgres(options.databaseUrl, options.connectionsMax ?? 10);
}

/** The rows of a hand-written query. The two drivers wrap them differently. */
export async function rowsOf<Row extends Record<string, unknown>>(db: Queryable, query: SQL): Promise<Row[]> {
  const result: unknown = await db.execute(query);
  return Array.isArray(result) ? [...(result as Row[])] : (result as { rows: Row[] }).rows;
}

async function openPostgres(databaseUrl: string, connectionsMax: number): Promise<Database> {
  const migrator = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await migrator`select pg_advisory_lock(${migrationLock})`;
    await migratePostgres(drizzlePostgres(migrator), { migrationsFolder });
  } finally {
    // Closing the session also frees the lock, whatever happened.
    await migrator.end();
  }

  const client = postgres(databaseUrl, {
    max: connectionsMax,
    onnotice: () => {},
    // Queries here take milliseconds; compiling one would take longer than running it.
    connection: { application_name: "thingstead", statement_timeout: limits.statementMsMax, jit: "off" },
  });
  const close = () => client.end({ timeout: 5 });
  const orm = drizzlePostgres(preparing(client), { schema });
  return { kind: "postgres", orm, close, [Symbol.asyncDispose]: close };
}

/**
 * The client, with each query prepared once a connection. Drizzle sends all its queries through `unsafe`, for which
 * the driver by itself would parse and describe the statement anew each time, and so go to the server twice.
 */
function preparing<Client extends postgres.Sql | postgres.TransactionSql>(client: Client): Client {
  return new Proxy(client, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (name === "unsafe") {
        return (query: string, parameters?: never[]) => target.unsafe(query, parameters, { prepare: true });
      }
      if (name === "begin" || name === "savepoint") {
        const run = member as (...args: unknown[]) => Promise<unknown>;
        return (...args: unknown[]) => {
          const body = args.pop() as (tx: postgres.TransactionSql) => Promise<unknown>;
          return run(...args, (tx: postgres.TransactionSql) => body(preparing(tx)));
        };
      }
      return member;
    },
  });
}

async function openPglite(dataDir: string | undefined, vectors: boolean): Promise<Database> {
  const directory = dataDir === undefined ? undefined : path.resolve(dataDir, "pglite");
  if (dataDir !== undefined) await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const unlock = dataDir === undefined ? async () => {} : await lockDataDir(dataDir);
  try {
    const client = await PGlite.create({
      ...(directory === undefined ? {} : { dataDir: directory }),
      // Loaded only where it is used: it makes starting slower.
      ...(vectors ? { extensions: { vector: (await import("@electric-sql/pglite-pgvector")).vector } } : {}),
      // A third of the memory, and faster to reopen, than with PGlite's own settings.
      postgresqlconf: ["shared_buffers=16MB", "wal_buffers=1MB"],
    });
    await migratePglite(drizzlePglite(client), { migrationsFolder });
    await client.exec(`set statement_timeout = ${limits.statementMsMax}`);
    const close = async () => {
      if (client.closed) return;
      await client.close();
      await unlock();
    };
    return { kind: "pglite", orm: drizzlePglite(client, { schema }), close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** Answers whether the database does: for readiness probes. */
export async function pingDatabase(db: Database): Promise<void> {
  await db.orm.execute(sql`select 1`);
}
