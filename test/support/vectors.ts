import { sql } from "drizzle-orm";
import postgres from "postgres";
import { inject } from "vitest";
import { type Database, openDatabase, rowsOf } from "../../src/db/client.ts";
import { createDatabasePlace, type DatabasePlace } from "./database.ts";

/** Whether the databases of this run can have vectors: PGlite can, a Postgres server where pgvector is installed. */
export async function canHaveVectors(): Promise<boolean> {
  const server = inject("postgres");
  if (server === undefined) return true;
  const client = postgres(server.serverUrl, { max: 1, onnotice: () => {} });
  try {
    const found = await client`select 1 from pg_available_extensions where name = 'vector'`;
    return found.length > 0;
  } finally {
    await client.end();
  }
}

/** An open database that can have vectors, in a place of its own, which goes when it is closed. */
export async function createVectorDatabase(): Promise<Database & { place: DatabasePlace }> {
  const place = await createDatabasePlace();
  const db = await openDatabase({ ...place.options, vectors: true });
  const close = async () => {
    await db.close();
    await place[Symbol.asyncDispose]();
  };
  return { kind: db.kind, orm: db.orm, place, close, [Symbol.asyncDispose]: close };
}

/** Drops the tables of vectors, which are not made by migrations. */
export async function dropVectorTables(db: Database): Promise<void> {
  for (const name of await vectorTables(db)) await db.orm.execute(sql.raw(`drop table ${name}`));
}

export async function vectorTables(db: Database): Promise<string[]> {
  const tables = await rowsOf<{ name: string }>(
    db.orm,
    sql`select tablename as name from pg_tables where tablename like 'entry\_vectors\_%' order by 1`,
  );
  return tables.map(({ name }) => name);
}
