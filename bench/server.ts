import { serve } from "@hono/node-server";
import { sql } from "drizzle-orm";
import { Hono } from "hono";
import { loadConfig } from "../src/config.ts";
import { openDatabase, type Queryable, rowsOf } from "../src/db/client.ts";
import { startService } from "../src/main.ts";

/**
 * A registry, and beside it on a second port what it is compared with, on the same database and driver:
 * `/static` (Hono with a fixed body), `/sql/{id}` (one query and its result), `PUT /insert/{id}` (one insert).
 * Prints its ports as JSON and runs until it is ended.
 */
const config = { ...loadConfig(process.env), port: 0, admission: "open" as const, logLevel: "silent" as const };
const database = await openDatabase(
  config.databaseUrl === null ? { dataDir: config.dataDir } : { databaseUrl: config.databaseUrl },
);
const service = await startService(config, { database });

const bare = new Hono();
let staticBody = "";
bare.put("/static", async (c) => {
  staticBody = await c.req.text();
  return c.body(null, 204);
});
bare.get("/static", (c) => c.body(staticBody, 200, { "content-type": "application/td+json" }));

const byId = preparedById(database.orm);
bare.get("/sql/:id", async (c) => {
  const [row] = await byId(c.req.param("id"));
  return c.body(row?.document ?? "", 200, { "content-type": "application/td+json" });
});

await database.orm.execute(sql`create table if not exists bench_inserts (id text primary key, document text not null)`);
bare.put("/insert/:id", async (c) => {
  const document = await c.req.text();
  await database.orm.execute(sql`insert into bench_inserts values (${c.req.param("id")}, ${document})`);
  return c.body(null, 201);
});

const server = serve({ fetch: bare.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => {
  process.stdout.write(`${JSON.stringify({ registry: service.address.port, bare: port })}\n`);
});

process.once("SIGTERM", async () => {
  server.close();
  await service.close();
  await database.close();
});

function preparedById(db: Queryable): (id: string) => Promise<{ document: string }[]> {
  return (id) =>
    rowsOf<{ document: string }>(
      db,
      sql`select versions.document from entries join versions on versions.id = entries.version_id where entries.thing_id = ${id} and entries.is_primary`,
    );
}
