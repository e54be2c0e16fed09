import { type SQL, sql } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";

/**
 * `rows` as a set that a statement can read from, in their order, with the columns of `table`: one text parameter, however
 * many rows there are, since drivers and servers bound the number of parameters, and keep each statement that they have
 * prepared. `columns` are those that `rows` have, by their names there; all others are null.
 */
export function rowSetOf(
  table: PgTable,
  columns: Record<string, PgColumn>,
  rows: readonly Record<string, unknown>[],
): SQL {
  const records = rows.map((row) =>
    Object.fromEntries(Object.entries(columns).map(([name, column]) => [column.name, inputOf(row[name], column)])),
  );
  return sql`json_populate_recordset(null::${table}, ${JSON.stringify(records)}::text::json)`;
}

/** What Postgres reads as a value of the column. */
function inputOf(value: unknown, column: PgColumn): unknown {
  if (value === undefined || value === null) return null;
  return column.getSQLType() === "bytea" ? `\\x${String(value)}` : value;
}
