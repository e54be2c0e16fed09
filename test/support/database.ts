import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import postgres from "postgres";
import { inject } from "vitest";
import { type Database, type DatabaseOptions, openDatabase, rowsOf } from "../../src/db/client.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A Postgres server and the migrated database there that tests clone; absent where tests run on PGlite. */
    postgres: { serverUrl: string; template: string } | undefined;
  }
}

/** A migrated, empty database that nobody has open yet. */
export interface DatabasePlace extends AsyncDisposable {
  readonly kind: Database["kind"];
  /** What opens it; in the form of `startService`'s configuration. */
  readonly config: { databaseUrl: string | null; dataDir: string };
  readonly options: DatabaseOptions;
}

/** The kind of database that this run of the tests uses. */
export function testDatabaseKind(): Database["kind"] {
  return inject("postgres") === undefined ? "pglite" : "postgres";
}

/**
 * A place with a migrated, empty database: a copy of a data directory that was migrated once, or with
 * `npm run test:pg` a clone of a template on the server. Disposing of it removes it, whoever is connected.
 */
export async function createDatabasePlace(): Promise<DatabasePlace> {
  const server = inject("postgres");
  return server === undefined ? copyDirectory() : cloneTemplate(server.serverUrl, server.template);
}

/** An open database in a place of its own, which goes when the database is closed. */
export async function createTestDatabase(): Promise<Database & { place: DatabasePlace }> {
  const place = await createDatabasePlace();
  const db = await openDatabase(place.options);
  const close = async () => {
    await db.close();
    await place[Symbol.asyncDispose]();
  };
  return { kind: db.kind, orm: db.orm, place, close, [Symbol.asyncDispose]: close };
}

/** Empties every table, so that tests of one file can share a database: opening another costs half a second. */
export async function emptyTables(db: Database): Promise<void> {
  const tables = await rowsOf<{ name: string }>(
    db.orm,
    sql`select quote_ident(tablename) as name from pg_tables where schemaname = 'public'`,
  );
  await db.orm.execute(sql.raw(`truncate ${tables.map(({ name }) => name).join(", ")} restart identity cascade`));
}

async function copyDirectory(): Promise<DatabasePlace> {
  const template = await migratedDirectory();
  const dataDir = await mkdtemp(path.join(tmpdir(), "thingstead-test-"));
  await cp(template, dataDir, { recursive: true });
  return {
    kind: "pglite",
    config: { databaseUrl: null, dataDir },
    options: { dataDir },
    [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true, force: true }),
  };
}

async function cloneTemplate(serverUrl: string, template: string): Promise<DatabasePlace> {
  const name = `${template}_${Math.random().toString(36).slice(2, 12)}`;
  await onServer(serverUrl, `create database ${name} template ${template}`);
  const databaseUrl = databaseUrlOf(serverUrl, name);
  return {
    kind: "postgres",
    config: { databaseUrl, dataDir: "/nonexistent" },
    options: { databaseUrl },
    [Symbol.asyncDispose]: () => onServer(serverUrl, `drop database if exists ${name} with (force)`),
  };
}

/** `serverUrl` with another database. */
export function databaseUrlOf(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Runs one statement outside any transaction. */
export async function onServer(serverUrl: string, statement: string): Promise<void> {
  const client = postgres(serverUrl, { max: 1, onnotice: () => {} });
  try {
    await client.unsafe(statement);
  } finally {
    await client.end();
  }
}

/**
 * A data directory with the migrations applied. It is kept in `node_modules/.cache` under a name that changes with
 * the migrations and PGlite's version: making one takes seconds, copying it a fraction of one.
 */
async function migratedDirectory(): Promise<string> {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const cache = path.join(root, "node_modules/.cache/thingstead");
  const directory = path.join(cache, `pglite-${await fingerprint(root)}`);
  await mkdir(cache, { recursive: true });
  if (await exists(directory)) return directory;

  const made = await mkdtemp(path.join(cache, "making-"));
  await using unfinished = new AsyncDisposableStack();
  unfinished.defer(() => rm(made, { recursive: true, force: true }));
  const db = await openDatabase({ dataDir: made });
  await db.close();
  // Several test processes may be at this point: the first one's directory stays.
  await rename(made, directory).catch(async (error: unknown) => {
    if (!(await exists(directory))) throw error;
  });
  return directory;
}

async function exists(directory: string): Promise<boolean> {
  return readdir(directory).then(
    () => true,
    () => false,
  );
}

async function fingerprint(root: string): Promise<string> {
  const hash = createHash("sha256");
  const migrations = path.join(root, "migrations");
  hash.update(await readFile(path.join(root, "node_modules/@electric-sql/pglite/package.json")));
  for (const file of (await readdir(migrations)).filter((name) => name.endsWith(".sql")).sort()) {
    hash.update(`${file}\0`).update(await readFile(path.join(migrations, file)));
  }
  return hash.digest("hex").slice(0, 16);
}
