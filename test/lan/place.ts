import { connect, createServer } from "node:net";
import path from "node:path";
import { createDatabasePlace, type DatabasePlace } from "../support/database.ts";
import type { Host } from "../support/network.ts";

/** A database for a registry on a host. */
export interface HostDatabase extends AsyncDisposable {
  readonly place: DatabasePlace;
  /** What makes a registry on the host use it. */
  readonly env: Record<string, string>;
}

/**
 * Makes a migrated, empty database for a host. A Postgres server is not on the host's network: it is reached by a Unix
 * socket, which this process joins to the server.
 */
export async function createHostDatabase(host: Host): Promise<HostDatabase> {
  const place = await createDatabasePlace();
  const { databaseUrl, dataDir } = place.config;
  const dispose = () => place[Symbol.asyncDispose]();
  if (databaseUrl === null) return { place, env: { DATA_DIR: dataDir }, [Symbol.asyncDispose]: dispose };

  const { hostname, port, pathname, username, password } = new URL(databaseUrl);
  const relay = createServer((incoming) => {
    const outgoing = connect(Number(port || 5432), hostname);
    incoming.on("error", () => outgoing.destroy()).pipe(outgoing);
    outgoing.on("error", () => incoming.destroy()).pipe(incoming);
  });
  relay.listen(path.join(host.directory, ".s.PGSQL.5432"));
  return {
    place,
    env: {
      DATABASE_URL: `postgres://${pathname}`,
      PGHOST: host.directory,
      PGUSER: decodeURIComponent(username),
      PGPASSWORD: decodeURIComponent(password),
    },
    async [Symbol.asyncDispose]() {
      relay.close();
      await dispose();
    },
  };
}
