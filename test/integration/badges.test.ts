import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { limits } from "../../src/base/limits.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { type MovableClock, movableClock } from "../support/clock.ts";
import {
  type CredentialIssuer,
  credentialOf,
  newIssuer,
  statusEntryOf,
  statusListOf,
} from "../support/credential-issuer.ts";
import { newKey, type SignedTd, signedTd } from "../support/descriptions.ts";
import { type DidWebHost, startDidWebHost } from "../support/did-web-host.ts";
import { startTestService, type TestService, thingPath } from "../support/service.ts";
import { found, hostKeys, originOf, registrationOf, webKey } from "../support/trust.ts";

let clock: MovableClock;
let web: DidWebHost;
let registry: TestService;
beforeEach(async () => {
  clock = movableClock();
  web = await startDidWebHost();
  registry = await startTestService({}, { clock });
});
afterEach(async () => {
  await registry.close();
  await web[Symbol.asyncDispose]();
});

const formsAt = (...hrefs: string[]): JsonObject => ({ actions: { act: { forms: hrefs.map((href) => ({ href })) } } });

/** A signed description of the did:web of `path`, whose DID document's WotThing service is at `/td/PATH`. */
function domainTd(path: string, members: JsonObject = formsAt(`${originOf(web)}/act`)): SignedTd {
  const key = webKey(web, path);
  const service = { id: "#td", type: "WotThing", serviceEndpoint: `${originOf(web)}/td/${path}` };
  hostKeys(web, path, [key], { service: [service] });
  return signedTd({ key, created: clock.now(), members });
}

const badgesOf = async (id: string) => (await registrationOf(registry, id)).badges.map(({ badge }) => badge);

async function put(document: SignedTd): Promise<void> {
  expect([201, 204]).toContain((await registry.put(document)).status);
  if (document.key.controller.startsWith("did:web:")) await assessed(document.id);
}

async function assessed(id: string): Promise<void> {
  await expect
    .poll(async () => Date.parse((await registrationOf(registry, id)).verification.assessed ?? ""), { timeout: 10_000 })
    .toBeGreaterThanOrEqual(clock.now().getTime());
}

async function later(id: string, ms: number): Promise<void> {
  clock.pass(ms);
  await assessed(id);
}

describe("the badge self", () => {
  test("is that of every did:key, from the first moment, and says what it means", async () => {
    const document = signedTd({ created: clock.now() });
    await put(document);
    const { badges } = await registrationOf(registry, document.id);
    expect(badges).toMatchObject([{ badge: "self", explanation: expect.stringContaining("whoever that is") }]);
    expect(badges[0]?.since).toBe(clock.now().toISOString());
    expect(await found(registry, "badge=self")).toEqual([document.id]);
    expect(await found(registry, "badge=domain")).toEqual([]);
  });

  test("is not that of an unsigned entry", async () => {
    await using open = await startTestService({ admission: "open" });
    const { proof: _, ...td } = signedTd().json;
    await open.put({ id: String(td["id"]), text: JSON.stringify(td) });
    expect(await registrationOf(open, String(td["id"]))).toMatchObject({
      verification: { state: "unsigned", verified: false },
      badges: [],
    });
    expect(await found(open, "badge=self")).toEqual([]);
  });
});

describe("the badge domain", () => {
  test("is held where all forms lead to the DID's host and its WotThing service serves this very description", async () => {
    const document = domainTd("shop");
    web.hostFile("td", "shop", document.text);
    await put(document);
    const { badges, findings } = await registrationOf(registry, document.id);
    expect(badges).toMatchObject([{ badge: "domain", explanation: expect.stringContaining("127.0.0.1") }]);
    expect(findings).toEqual([]);
    await expect.poll(() => found(registry, "badge=domain&verified=true")).toEqual([document.id]);
    const facets = await (await registry.request("/search?facets=badge")).json();
    expect(facets).toMatchObject({ facets: { badge: { values: [{ value: "domain", count: 1 }] } } });
  });

  test("does not mind how the service spells the description", async () => {
    const document = domainTd("spelt");
    web.hostFile("td", "spelt", JSON.stringify(document.json));
    await put(document);
    expect(await badgesOf(document.id)).toEqual(["domain"]);
  });

  test.each<[string, (td: SignedTd) => void, string]>([
    [
      "serves another description",
      (td) => web.hostFile("td", "other", { ...td.json, title: "Other" }),
      "very description",
    ],
    ["serves nothing", () => {}, "very description"],
    ["serves what is no JSON", () => web.hostFile("td", "other", "<html>"), "cannot be used"],
    ["fails", () => web.hostFile("td", "other", "", 500), "very description"],
  ])("is not held where the service %s", async (_, host, reason) => {
    const document = domainTd("other");
    host(document);
    await put(document);
    const { badges, findings } = await registrationOf(registry, document.id);
    expect(badges).toEqual([]);
    expect(findings).toEqual([expect.stringContaining(reason)]);
  });

  test("is not held where the DID document names no service", async () => {
    const document = domainTd("bare");
    hostKeys(web, "bare", [document.key]);
    await put(document);
    expect((await registrationOf(registry, document.id)).findings).toEqual([expect.stringContaining("WotThing")]);
  });

  test.each([
    ["to another host", ["https://elsewhere.example/act"]],
    ["to another host as well", ["http://127.0.0.1/act", "https://elsewhere.example/act"]],
    ["to a host that only ends alike", ["https://not127.0.0.1.example/act"]],
    ["nowhere", ["urn:example:nowhere"]],
  ])("is not held where the forms lead %s", async (_, hrefs) => {
    const document = domainTd("forms", formsAt(...hrefs));
    web.hostFile("td", "forms", document.text);
    await put(document);
    expect(await badgesOf(document.id)).toEqual([]);
    expect(web.requests, "nobody was asked for it").not.toContain("/td/forms");
  });

  test("is about this very version: a new one has to earn it again", async () => {
    const document = domainTd("versions");
    web.hostFile("td", "versions", document.text);
    await put(document);
    expect(await badgesOf(document.id)).toEqual(["domain"]);
    clock.pass(1_000);
    const next = signedTd({
      key: document.key,
      created: clock.now(),
      members: { ...formsAt(`${originOf(web)}/act`), id: document.id, title: "Next" },
    });
    await put(next);
    expect(await badgesOf(document.id)).toEqual([]);
    web.hostFile("td", "versions", next.text);
    await later(document.id, limits.reviewIntervalMs + 1_000);
    expect(await badgesOf(document.id)).toEqual(["domain"]);
  });

  test("is held for a day where the service does not answer, and not for an hour where it answers otherwise", async () => {
    const document = domainTd("silent");
    web.hostFile("td", "silent", document.text);
    await put(document);
    web.hostFile("td", "silent", "", 503);
    await later(document.id, limits.reviewIntervalMs + 1_000);
    expect(await badgesOf(document.id)).toEqual(["domain"]);
    await later(document.id, limits.badgeGraceMsMax);
    expect(await badgesOf(document.id)).toEqual([]);
    web.hostFile("td", "silent", document.text);
    await later(document.id, limits.reviewIntervalMs + 1_000);
    expect(await badgesOf(document.id)).toEqual(["domain"]);
    web.hostFile("td", "silent", "", 404);
    await later(document.id, limits.reviewIntervalMs + 1_000);
    expect(await badgesOf(document.id)).toEqual([]);
    await expect.poll(() => found(registry, "badge=domain")).toEqual([]);
  });

  test("is not held any more once the key is not", async () => {
    const document = domainTd("revoked");
    web.hostFile("td", "revoked", document.text);
    await put(document);
    web.host("revoked", "", 410);
    await later(document.id, limits.reviewIntervalMs + 1_000);
    expect(await registrationOf(registry, document.id)).toMatchObject({
      verification: { state: "unverifiable" },
      badges: [],
    });
  });
});

describe("the badge credential", () => {
  let issuer: CredentialIssuer;
  let trusting: TestService;
  beforeEach(async () => {
    issuer = await newIssuer();
    trusting = await startTestService({ trustedIssuers: [issuer.did] }, { clock });
  });
  afterEach(() => trusting.close());

  const shown = async (id: string) => registrationOf(trusting, id);

  /** A credential about `subject` whose status is in a list on `web`, and what sets its bit there. */
  async function statusOf() {
    const url = `${originOf(web)}/lists/1`;
    const publish = async (set: number[]) =>
      web.hostFile("lists", "1", await issuer.sign(await statusListOf(issuer.did, url, { set })));
    await publish([]);
    return { credentialStatus: statusEntryOf(url, 7), revoke: () => publish([7]) };
  }

  test("is held while a credential in the description counts, and dropped, but not the entry, when it is revoked", async () => {
    const key = newKey();
    const { credentialStatus, revoke } = await statusOf();
    const verifiableCredential = await issuer.issue(credentialOf(issuer.did, key.controller, { credentialStatus }));
    const document = signedTd({ key, created: clock.now(), members: { verifiableCredential } });
    expect((await trusting.put(document)).status).toBe(201);
    await expect
      .poll(async () => (await shown(document.id)).badges, { timeout: 10_000 })
      .toMatchObject([{ badge: "self" }, { badge: "credential", explanation: expect.stringContaining(issuer.did) }]);
    await expect.poll(() => found(trusting, "badge=credential")).toEqual([document.id]);

    await revoke();
    clock.pass(limits.reviewIntervalMs + 1_000);
    await expect
      .poll(async () => (await shown(document.id)).badges.map(({ badge }) => badge), { timeout: 10_000 })
      .toEqual(["self"]);
    expect(await shown(document.id)).toMatchObject({
      verification: { state: "verified" },
      findings: [expect.stringContaining("revoked")],
    });
    await expect.poll(() => found(trusting, "badge=credential")).toEqual([]);
    expect((await trusting.request(thingPath(document.id))).status).toBe(200);
  });

  test("is held by what a credential service of the DID document offers, and ends with it", async () => {
    const key = webKey(web, "certified");
    const validUntil = new Date(clock.now().getTime() + 5 * 60_000).toISOString();
    const credential = await issuer.issue(credentialOf(issuer.did, key.controller, { validUntil }));
    const presentation = {
      "@context": "https://www.w3.org/ns/credentials/v2",
      type: "VerifiablePresentation",
      verifiableCredential: [credential],
    };
    web.hostFile("vp", "certified", presentation);
    const serviceEndpoint = `${originOf(web)}/vp/certified`;
    hostKeys(web, "certified", [key], {
      service: [{ id: "#vp", type: "LinkedVerifiablePresentation", serviceEndpoint }],
    });
    const document = signedTd({ key, created: clock.now() });
    expect((await trusting.put(document)).status).toBe(201);
    const names = async () => (await shown(document.id)).badges.map(({ badge }) => badge);
    await expect.poll(names, { timeout: 10_000 }).toEqual(["credential"]);
    clock.pass(5 * 60_000 + 1);
    await expect.poll(names, { timeout: 10_000 }).toEqual([]);
  });

  test("is not held where the operator trusts nobody, and nobody is asked", async () => {
    const key = webKey(web, "untrusted");
    hostKeys(web, "untrusted", [key], {
      service: [{ id: "#vp", type: "LinkedVerifiablePresentation", serviceEndpoint: `${originOf(web)}/vp/untrusted` }],
    });
    const document = signedTd({ key, created: clock.now() });
    await put(document);
    expect(await badgesOf(document.id)).toEqual([]);
    expect(web.requests).not.toContain("/vp/untrusted");
  });
});

test("a badge that nobody knows is found nowhere, and one filter needs all its badges", async () => {
  const document = signedTd({ created: clock.now() });
  await put(document);
  expect(await found(registry, "badge=golden")).toEqual([]);
  expect(await found(registry, "badge=self&badge=domain")).toEqual([]);
  expect(await found(registry, "badge=SELF")).toEqual([document.id]);
});
