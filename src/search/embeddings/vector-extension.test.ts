import { sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { createDatabasePlace, createTestDatabase, testDatabaseKind } from "../../../test/support/database.ts";
import { canHaveVectors, createVectorDatabase } from "../../../test/support/vectors.ts";
import { openDatabase, rowsOf } from "../../db/client.ts";
import { hasVersion, requireVectorExtension, VectorExtensionError } from "./vector-extension.ts";

const hasVectors = await canHaveVectors();
const isPglite = testDatabaseKind() === "pglite";

describe("the extension pgvector", () => {
  test.runIf(hasVectors)("is made where it can be, by several nodes at once", async () => {
    await using db = await createVectorDatabase();
    const versions = await Promise.all([1, 2, 3].map(() => requireVectorExtension(db.orm)));
    expect(new Set(versions).size).toBe(1);
    expect(await rowsOf(db.orm, sql`select '[1,2]'::vector <=> '[2,4]'::vector as distance`)).toEqual([
      { distance: expect.closeTo(0) },
    ]);
  });

  // PGlite as it is opened without vectors is a database server on which pgvector is not installed.
  test.runIf(isPglite || !hasVectors)("that is not installed is asked for", async () => {
    await using db = await createTestDatabase();
    await expect(requireVectorExtension(db.orm)).rejects.toThrow(VectorExtensionError);
    await expect(requireVectorExtension(db.orm)).rejects.toThrow(/install it/);
  });

  test.runIf(hasVectors && !isPglite)("that the registry's user may not make is left to the superuser", async () => {
    await using db = await createVectorDatabase();
    const role = `visitor_${Math.random().toString(36).slice(2, 10)}`;
    await db.orm.execute(sql.raw(`create role ${role}`));
    try {
      await expect(
        db.orm.transaction(async (tx) => {
          await tx.execute(sql.raw(`set local role ${role}`));
          await requireVectorExtension(tx);
        }),
      ).rejects.toThrow(/create extension vector/);
    } finally {
      await db.orm.execute(sql.raw(`drop role ${role}`));
    }
  });

  test.each([
    ["0.8.1", 0, 8, true],
    ["0.10.0", 0, 8, true],
    ["1.0", 0, 8, true],
    ["0.6.2", 0, 7, false],
  ])("of version %s is compared number by number", (version, major, minor, expected) => {
    expect(hasVersion(version, major, minor)).toBe(expected);
  });
});

test.runIf(isPglite)(
  "a database that had vectors opens without the extension, and has them again with it",
  async () => {
    await using place = await createDatabasePlace();
    {
      await using db = await openDatabase({ ...place.options, vectors: true });
      await requireVectorExtension(db.orm);
      await db.orm.execute(sql`create table some_vectors (embedding vector(2))`);
      await db.orm.execute(sql`insert into some_vectors values ('[1,2]')`);
    }
    {
      await using db = await openDatabase(place.options);
      expect(await rowsOf(db.orm, sql`select from search_entries`)).toEqual([]);
    }
    await using db = await openDatabase({ ...place.options, vectors: true });
    expect(await rowsOf(db.orm, sql`select embedding::text as e from some_vectors`)).toEqual([{ e: "[1,2]" }]);
  },
);
