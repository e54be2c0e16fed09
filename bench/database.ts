import postgres from "postgres";
import { type Database, openDatabase } from "../src/db/client.ts";

/** A database of a benchmark's own. */
export interface BenchDatabase {
  url: string;
  drop(): Promise<void>;
}

/** Makes a database named `name` on the server of `serverUrl`, in the place of one that was left behind. */
export async function createDatabase(serverUrl: string, name: string): Promise<BenchDatabase> {
  const onServer = async (statement: string) => {
    const client = postgres(serverUrl, { max: 1, onnotice: () => {} });
    await client.unsafe(statement);
    await client.end();
  };
  const drop = () => onServer(`drop database if exists ${name} with (force)`);
  await drop();
  await onServer(`create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop };
}

/** An empty database: on the server of DATABASE_URL, or an embedded one in memory. */
export async function openBenchDatabase(name = "thingstead_bench"): Promise<Database> {
  const serverUrl = process.env.DATABASE_URL;
  if (serverUrl === undefined || serverUrl === "") return openDatabase({});
  const created = await createDatabase(serverUrl, name);
  const database = await openDatabase({ databaseUrl: created.url });
  const close = async () => {
    await database.close();
    await created.drop();
  };
  return { ...database, close, [Symbol.asyncDispose]: close };
}
