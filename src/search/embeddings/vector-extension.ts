import { sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../../db/client.ts";

/** The database has no type for vectors. */
export class VectorExtensionError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "VectorExtensionError";
  }
}

/** Any constant: names the lock under which the extension is made. */
const extensionLock = 7_446_217_304;

/**
 * The version of pgvector in the database, where it is made now if it can be. Throws VectorExtensionError, which says
 * what to install or to run.
 */
export async function requireVectorExtension(db: Queryable): Promise<string> {
  const found = await findExtension(db);
  if (found === null) {
    throw new VectorExtensionError(
      "The database server has no pgvector, which search by meaning needs: install it there (Debian: postgresql-NN-pgvector, NN being the server's version)",
    );
  }
  if (found.installed !== null) return found.installed;
  try {
    await db.transaction(async (tx) => {
      await tx.execute(sql`select pg_advisory_xact_lock(${extensionLock}::bigint)`);
      await tx.execute(sql`create extension if not exists vector`);
    });
  } catch (cause) {
    throw new VectorExtensionError(
      "The extension pgvector could not be made in the database: run `create extension vector` there as its superuser",
      { cause },
    );
  }
  return (await findExtension(db))?.installed ?? found.available;
}

async function findExtension(db: Queryable): Promise<{ available: string; installed: string | null } | null> {
  const [row] = await rowsOf<{ available: string; installed: string | null }>(
    db,
    sql`select default_version as available, installed_version as installed
        from pg_available_extensions where name = 'vector'`,
  );
  return row ?? null;
}

/** Whether `version`, such as 0.8.1, is `major`.`minor` or later. */
export function hasVersion(version: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = version.split(".").map(Number);
  return first > major || (first === major && second >= minor);
}
