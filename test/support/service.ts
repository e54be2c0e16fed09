import { randomUUID } from "node:crypto";
import type { Config } from "../../src/config.ts";
import { signRequest } from "../../src/identity/http-signature.ts";
import type { SigningKey } from "../../src/identity/keys.ts";
import { type Service, type ServiceParts, startService } from "../../src/main.ts";
import { createDatabasePlace, type DatabasePlace } from "./database.ts";
import type { SignedTd } from "./descriptions.ts";

/** What `token` mode and operators use in tests. */
export const adminToken = "a-token-for-tests-0123456789";

/** A registry for tests: real in every part, on a free port of the loopback address, with a database of its own. */
export interface TestService extends AsyncDisposable {
  readonly service: Service;
  readonly url: string;
  readonly place: DatabasePlace;
  /** Sends a request over the network. `path` starts with a slash. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Asks the app itself, without the network. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Registers or updates a document over the network. */
  put(document: Pick<SignedTd, "id" | "text">, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

/**
 * Starts a registry. `overrides` change its configuration; with `place` it opens that database, which then stays when
 * the service is closed (for tests with two nodes, or a restart).
 */
export async function startTestService(
  overrides: Partial<Config> = {},
  options: { place?: DatabasePlace } & ServiceParts = {},
): Promise<TestService> {
  const { place: givenPlace, ...parts } = options;
  const place = givenPlace ?? (await createDatabasePlace());
  const service = await startService(
    {
      host: "127.0.0.1",
      port: 0,
      publicUrl: null,
      ...place.config,
      searchEngine: "postgres",
      meiliUrl: null,
      meiliApiKey: null,
      embeddingsUrl: null,
      embeddingsModel: null,
      embeddingsApiKey: null,
      embeddingsTokensPerDay: 0,
      admission: "signed",
      readAccess: "open",
      adminToken,
      allowPrivateAddresses: true,
      egressPorts: [443],
      trustedIssuers: [],
      federation: false,
      federationRelay: false,
      peerPolicy: "open",
      staleAfterSeconds: 86_400,
      lan: false,
      lanProxy: false,
      lanInterfaces: null,
      lanTtlSeconds: 120,
      logLevel: "silent",
      ...overrides,
    },
    parts,
  );
  const url = `http://127.0.0.1:${service.address.port}`;
  const close = async () => {
    await service.close();
    if (givenPlace === undefined) await place[Symbol.asyncDispose]();
  };
  const fetchFrom = (path: string, init?: RequestInit) => fetch(url + path, init);
  return {
    service,
    url,
    place,
    fetch: fetchFrom,
    request: async (path, init) => service.app.request(path, init),
    put: ({ id, text }, headers = {}) =>
      fetchFrom(thingPath(id), {
        method: "PUT",
        headers: { "content-type": "application/td+json", ...headers },
        body: text,
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The path of an entry. */
export function thingPath(id: string): string {
  return `/things/${encodeURIComponent(id)}`;
}

/** A request to `path` of the registry that `key` has signed, now or as `options` say. */
export function signedRequest(
  registry: Pick<TestService, "service">,
  path: string,
  key: SigningKey,
  options: { method?: string; body?: string; created?: Date; nonce?: string; headers?: Record<string, string> } = {},
): { method: string; body?: string; headers: Record<string, string> } {
  const { method = "POST", body = "", created = new Date(), nonce = randomUUID(), headers = {} } = options;
  const targetUri = registry.service.publicUrl + path;
  const content = body === "" ? {} : { body };
  const type: Record<string, string> = body === "" ? {} : { "content-type": "application/json" };
  const signature = signRequest({ method, targetUri, body }, key, { created, nonce });
  return { method, ...content, headers: { ...type, ...signature, ...headers } };
}

/** The name of the problem in a response, such as `not-found`; null if it holds none. */
export async function problemOf(response: Response): Promise<string | null> {
  if (!response.headers.get("content-type")?.startsWith("application/problem+json")) return null;
  const { type } = (await response.json()) as { type: string };
  return type.replace("urn:thingstead:problem:", "");
}
