import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import type { OpenAPIHono } from "@hono/zod-openapi";
import { Registry } from "prom-client";
import { systemClock } from "../../src/base/clock.ts";
import { createApp } from "../../src/http/app.ts";
import type { HttpDeps } from "../../src/http/deps.ts";
import type { FederationPort } from "../../src/http/federation-port.ts";
import { disabledFederation } from "../../src/http/no-federation.ts";
import { createApiTokens } from "../../src/identity/api-tokens.ts";
import { createRequestNonces } from "../../src/identity/request-nonces.ts";
import { createCapabilityCatalogue } from "../../src/search/catalogue.ts";
import type { SearchEngine } from "../../src/search/port.ts";
import { createPostgresSearch } from "../../src/search/postgres.ts";
import { createAssessmentStore } from "../../src/things/assessment-store.ts";
import { createEntryReader } from "../../src/things/entry-store.ts";
import { createTestDatabase } from "./database.ts";
import { adminToken, startTestService, type TestService } from "./service.ts";

/** The routes over a real registry's database, with a federation of the test's own behind them. */
export interface FederatedApp extends AsyncDisposable {
  /** The registry that fills the database. */
  readonly registry: TestService;
  readonly db: Awaited<ReturnType<typeof createTestDatabase>>;
  readonly publicUrl: string;
  readonly search: SearchEngine;
  /** Where it listens. */
  readonly url: string;
  /** Asks the app itself, without the network. */
  request(path: string, init?: RequestInit): Promise<Response>;
}

/** `federation` has what the test needs of the port; the rest answers as if there were none. */
export async function startFederatedApp(
  federation: Partial<FederationPort>,
  options: Partial<Pick<HttpDeps, "readAccess">> = {},
): Promise<FederatedApp> {
  const db = await createTestDatabase();
  const registry = await startTestService({ admission: "open" }, { place: db.place, database: db });
  const publicUrl = "https://registry.example";
  const search = createPostgresSearch({ db: db.orm });
  const deps: Partial<HttpDeps> = {
    publicUrl: () => publicUrl,
    readAccess: "open",
    adminToken,
    apiTokens: createApiTokens(db.orm),
    requestNonces: createRequestNonces(db.orm),
    entries: createEntryReader(db.orm),
    assessments: createAssessmentStore(db.orm),
    search,
    catalogue: createCapabilityCatalogue({ db: db.orm }),
    metrics: new Registry(),
    clock: systemClock,
    federation: { ...disabledFederation, enabled: true, ...federation },
    ...options,
  };
  const app: OpenAPIHono = createApp(deps as HttpDeps);
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    registry,
    db,
    publicUrl,
    search,
    url: `http://127.0.0.1:${port}`,
    request: async (path, init) => app.request(path, init),
    [Symbol.asyncDispose]: async () => {
      server.close();
      await registry.close();
      await db.close();
    },
  };
}
