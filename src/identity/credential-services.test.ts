import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CredentialHost, startCredentialHost } from "../../test/support/credential-host.ts";
import { credentialOf, newIssuer } from "../../test/support/credential-issuer.ts";
import { createEgress, type Egress } from "../base/egress.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { fetchServiceCredentials, type ServiceCredentials } from "./credential-services.ts";
import { checkCredential } from "./credentials.ts";
import { parseDid } from "./did.ts";
import { createDidResolver } from "./resolver.ts";

const controller = parseDid("did:web:agents.example%3A8443:billing");
const encodedController = "did%3Aweb%3Aagents.example%253A8443%3Abilling";

let host: CredentialHost;
let egress: Egress;
beforeAll(async () => {
  host = await startCredentialHost();
  egress = createEgress({ allowPrivateAddresses: true, msMax: 2_000, bytesMax: 2 * limits.documentBytesMax });
});
afterAll(async () => {
  await egress.close();
  await host[Symbol.asyncDispose]();
});

function fetchFrom(...service: JsonObject[]): Promise<ServiceCredentials> {
  return fetchServiceCredentials({ id: controller, service }, { egress });
}

const linked = (serviceEndpoint: JsonValue): JsonObject => ({
  id: "#credentials",
  type: "LinkedVerifiablePresentation",
  serviceEndpoint,
});
const registry = (serviceEndpoint: JsonValue): JsonObject => ({
  id: "#registry",
  type: "CredentialRegistry",
  serviceEndpoint,
});
const presentationOf = (...verifiableCredential: JsonValue[]): JsonObject => ({
  "@context": ["https://www.w3.org/ns/credentials/v2"],
  type: ["VerifiablePresentation"],
  holder: controller,
  verifiableCredential,
});

describe("a linked presentation", () => {
  test("leads to credentials that can be checked", async () => {
    const issuer = await newIssuer();
    const issued = await issuer.issue(credentialOf(issuer.did, controller));
    const url = host.serve("/presentation", presentationOf(issued));
    const { credentials, faults } = await fetchFrom(linked(url));
    expect({ credentials, faults }).toEqual({ credentials: [issued], faults: [] });

    const clock = { now: (): Date => new Date("2026-11-21T09:00:00Z") };
    const context = { controller, thingId: "urn:example:thing", trustedIssuers: [issuer.did] };
    const resolver = createDidResolver({ egress, clock });
    expect(await checkCredential(credentials[0] ?? {}, "service", context, { resolver, egress, clock })).toMatchObject({
      accepted: true,
      source: "service",
    });
  });

  test("may be at several addresses, each asked once", async () => {
    const one = host.serve("/one", presentationOf({ id: "urn:1" }));
    const two = host.serve("/two", presentationOf({ id: "urn:2" }, "eyJhbGciOiJFZERTQSJ9.e30.c2ln", { id: "urn:3" }));
    const before = host.requests.length;
    const found = await fetchFrom(linked([one, two, 7, null]), linked(two));
    expect(found).toEqual({ credentials: [{ id: "urn:1" }, { id: "urn:2" }, { id: "urn:3" }], faults: [] });
    expect(host.requests.slice(before)).toEqual(["/one", "/two"]);
  });

  test("may be one credential, or hold one that is no array", async () => {
    const bare = host.serve("/bare", { type: ["VerifiableCredential"], id: "urn:1" });
    const single = host.serve("/single", { ...presentationOf(), verifiableCredential: { id: "urn:2" } });
    expect(await fetchFrom(linked([bare, single]))).toEqual({
      credentials: [{ type: ["VerifiableCredential"], id: "urn:1" }, { id: "urn:2" }],
      faults: [],
    });
  });
});

describe("a credential registry", () => {
  test("is asked for the DID, in the place for it or at the end", async () => {
    host.serve(`/vcs/${encodedController}/all`, [{ id: "urn:1" }]);
    host.serve(`/registry/${encodedController}`, [{ id: "urn:2" }]);
    const registries = [host.url("/vcs/{credentialSubject.id}/all"), host.url("/registry/")];
    expect(await fetchFrom(registry({ registries }))).toEqual({
      credentials: [{ id: "urn:1" }, { id: "urn:2" }],
      faults: [],
    });
    expect((await fetchFrom(registry(host.url("/registry/")))).credentials).toEqual([{ id: "urn:2" }]);
  });
});

describe("what is no credential service", () => {
  test("is left alone", async () => {
    const before = host.requests.length;
    const url = host.serve("/td", presentationOf({ id: "urn:1" }));
    const services: JsonObject[] = [
      { id: "#td", type: "WotThing", serviceEndpoint: url },
      { id: "#none", serviceEndpoint: url },
      linked({ registries: [url] }),
      linked(null),
      registry({ uri: url }),
    ];
    expect(await fetchFrom(...services)).toEqual({ credentials: [], faults: [] });
    expect(await fetchFrom()).toEqual({ credentials: [], faults: [] });
    expect(host.requests.length).toBe(before);
  });

  test("is told from one with several types", async () => {
    const url = host.serve("/types", presentationOf({ id: "urn:1" }));
    const service = { ...linked(url), type: ["Other", "LinkedVerifiablePresentation"] };
    expect((await fetchFrom(service)).credentials).toEqual([{ id: "urn:1" }]);
  });
});

describe("a service that fails", () => {
  test("is a fault, and the others are asked all the same", async () => {
    const good = host.serve("/good", presentationOf({ id: "urn:1" }));
    const { credentials, faults } = await fetchFrom(linked([host.url("/missing"), "http://127.0.0.1:1/", good]));
    expect(credentials).toEqual([{ id: "urn:1" }]);
    expect(faults).toEqual([
      `${host.url("/missing")} answered with status 404.`,
      expect.stringContaining("cannot be reached"),
    ]);
  });

  test.each<[string, unknown, string]>([
    ["no JSON", "<html>", "cannot be read"],
    ["a presentation of nothing", { verifiableCredential: [] }, "nothing that is a credential in JSON"],
    ["a JWT", '"eyJhbGciOiJFZERTQSJ9.e30.c2ln"', "nothing that is a credential in JSON"],
    ["more bytes than a document may have", " ".repeat(limits.documentBytesMax + 1), "at most 262144 are accepted"],
  ])("answers with %s", async (_name, body, reason) => {
    const url = host.serve("/bad", body);
    expect(await fetchFrom(linked(url))).toEqual({ credentials: [], faults: [expect.stringContaining(reason)] });
  });

  test("may lead nowhere that must not be fetched", async () => {
    const strict = createEgress({ allowPrivateAddresses: false });
    const endpoints = [host.url("/good"), "ipfs://bafy/presentation", "https://10.0.0.1/", "https://localhost/"];
    const before = host.requests.length;
    const document = { id: controller, service: [linked(endpoints)] };
    const { credentials, faults } = await fetchServiceCredentials(document, { egress: strict });
    await strict.close();
    expect(credentials).toEqual([]);
    expect(faults).toHaveLength(endpoints.length);
    expect(host.requests.length).toBe(before);
  });
});

describe("services are bounded", () => {
  test("in the addresses that are asked", async () => {
    const paths = Array.from({ length: limits.credentialServicesMax + 1 }, (_, index) => `/many/${index}`);
    const urls = paths.map((path) => host.serve(path, presentationOf({ id: path })));
    const before = host.requests.length;
    const { credentials, faults } = await fetchFrom(linked(urls.slice(0, 2)), registry(urls.slice(2)), linked(urls));
    expect(host.requests.length - before).toBe(limits.credentialServicesMax);
    expect(credentials).toHaveLength(2);
    expect(faults.at(-1)).toBe("The credential services lead to 8 addresses; only 4 are looked at.");
  });

  test("in the credentials that come of it", async () => {
    const many = Array.from({ length: limits.credentialsPerEntryMax }, (_, index) => ({ index }));
    const url = host.serve("/full", presentationOf(...many));
    expect(await fetchFrom(linked(url))).toEqual({ credentials: many, faults: [] });
    const more = host.serve("/more", presentationOf({ id: "urn:1" }));
    expect(await fetchFrom(linked([url, more]))).toEqual({
      credentials: many,
      faults: ["The credential services lead to 9 credentials; only 8 are looked at."],
    });
  });

  test("and never throw, whatever a DID document says of them", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 2 }), fc.jsonValue({ maxDepth: 2 }), async (endpoint, type) => {
        const services = [linked(endpoint as JsonValue), registry(endpoint as JsonValue)];
        const odd = { type: type as JsonValue, serviceEndpoint: endpoint as JsonValue };
        const { credentials } = await fetchFrom(...services, odd);
        expect(credentials).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});
