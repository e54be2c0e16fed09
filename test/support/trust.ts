import { expect } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { generateSigningKey, loadSigningKey, type SigningKey } from "../../src/identity/keys.ts";
import type { DidWebHost } from "./did-web-host.ts";
import { type TestService, thingPath } from "./service.ts";

/** What `/registration` says of the trust in an entry. */
export interface ShownRegistration {
  verification: {
    verified: boolean;
    state: string;
    reason: string | null;
    since: string;
    didDocumentRetrieved: string | null;
    stale: boolean;
    assessed: string | null;
  };
  badges: { badge: string; explanation: string; since: string; checked: string }[];
  findings: string[];
  lookalike: { id: string; controller: string; href: string; field: string; explanation: string } | null;
}

/** A key of the did:web of `path` on `web`. Its document is not hosted yet. */
export function webKey(web: DidWebHost, path: string): SigningKey {
  return loadSigningKey(generateSigningKey({ web: web.did(path).slice("did:web:".length) }));
}

/** Hosts the DID document of `did` with `keys` for assertions and authentication; `members` replace what it has. */
export function hostKeys(web: DidWebHost, path: string, keys: readonly SigningKey[], members: JsonObject = {}): void {
  web.host(path, {
    id: web.did(path),
    verificationMethod: keys.map(({ id, controller, publicKeyMultibase }) => ({
      id,
      type: "Multikey",
      controller,
      publicKeyMultibase,
    })),
    assertionMethod: keys.map(({ id }) => id),
    authentication: keys.map(({ id }) => id),
    ...members,
  });
}

export async function registrationOf(registry: TestService, id: string): Promise<ShownRegistration> {
  const response = await registry.request(`${thingPath(id)}/registration`);
  expect(response.status).toBe(200);
  return (await response.json()) as ShownRegistration;
}

/** Ids that a search finds. */
export async function found(registry: TestService, query: string): Promise<string[]> {
  const response = await registry.request(`/search?${query}`);
  expect(response.status).toBe(200);
  return ((await response.json()) as { items: { id: string }[] }).items.map(({ id }) => id);
}

/** The origin of a web server that hosts DIDs. */
export function originOf(web: DidWebHost): string {
  return `http://${web.location().replace("%3A", ":")}`;
}
