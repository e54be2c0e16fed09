import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { limits } from "../../src/base/limits.ts";
import { signDocument } from "../../src/identity/sign.ts";
import { type MovableClock, movableClock } from "../support/clock.ts";
import { signedTd, tdOf } from "../support/descriptions.ts";
import { type DidWebHost, startDidWebHost } from "../support/did-web-host.ts";
import { problemOf, startTestService, type TestService, thingPath } from "../support/service.ts";
import { openEvents } from "../support/sse-client.ts";
import { found, hostKeys, registrationOf, webKey } from "../support/trust.ts";

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

const hour = limits.reviewIntervalMs;

/** Registers a description by a new key of the did:web of `path`. */
async function publish(path: string) {
  const key = webKey(web, path);
  hostKeys(web, path, [key]);
  const document = signedTd({ key, created: clock.now() });
  expect((await registry.put(document)).status).toBe(201);
  await assessedBy(document.id, clock.now());
  return document;
}

/** Waits until the entry was looked at, at `instant` or later. */
async function assessedBy(id: string, instant: Date): Promise<void> {
  await expect
    .poll(async () => Date.parse((await registrationOf(registry, id)).verification.assessed ?? ""), { timeout: 10_000 })
    .toBeGreaterThanOrEqual(instant.getTime());
}

/** Lets an hour pass, and waits for the look that is due then. */
async function anHourLater(id: string): Promise<void> {
  clock.pass(hour + 1_000);
  await assessedBy(id, clock.now());
}

const stateOf = async (id: string) => (await registrationOf(registry, id)).verification.state;

describe("a key of a did:web", () => {
  test("that is added may sign from then on, and the old one's entry stays verified", async () => {
    const first = await publish("rotating");
    const next = webKey(web, "rotating");
    hostKeys(web, "rotating", [first.key, next]);
    clock.pass(limits.didWriteAgeMsMax + 1);
    const second = signedTd({ key: next, created: clock.now(), members: { id: first.id } });
    expect((await registry.put(second)).status).toBe(204);
    expect(await stateOf(first.id)).toBe("verified");
  });

  test("that is taken out signs no more updates ten seconds later", async () => {
    const first = await publish("removed");
    hostKeys(web, "removed", [webKey(web, "removed")]);
    clock.pass(limits.didWriteAgeMsMax + 1);
    const refused = await registry.put(
      signedTd({ key: first.key, created: clock.now(), members: { id: first.id, title: "After" } }),
    );
    expect([refused.status, await problemOf(refused)]).toEqual([400, "invalid-proof"]);
  });

  test("that is missing for an hour makes its entry unverifiable, for readers, searches and events", async () => {
    await using events = await openEvents(`${registry.url}/events?diff=true`);
    const document = await publish("missing");
    hostKeys(web, "missing", [webKey(web, "missing")]);
    await anHourLater(document.id);
    expect(await stateOf(document.id)).toBe("verified");
    expect(await found(registry, "verified=true")).toEqual([document.id]);

    await anHourLater(document.id);
    const { verification, badges } = await registrationOf(registry, document.id);
    expect(verification).toMatchObject({ state: "unverifiable", verified: false });
    expect(verification.reason).toContain("assertionMethod");
    expect(badges).toEqual([]);
    expect(await found(registry, "verified=true")).toEqual([]);
    await expect.poll(() => found(registry, "verified=false")).toEqual([document.id]);
    const [, changed] = await events.received(2);
    expect(changed).toMatchObject({
      type: "verification_changed",
      data: { id: document.id, verification: { state: "unverifiable" }, badges: [] },
    });
    // The description itself is served on: whoever reads it can see for itself.
    expect(await (await registry.request(thingPath(document.id))).text()).toBe(document.text);
  });

  test("that was missing for a moment only, or comes back, is the same key", async () => {
    const document = await publish("flapping");
    hostKeys(web, "flapping", []);
    await anHourLater(document.id);
    hostKeys(web, "flapping", [document.key]);
    await anHourLater(document.id);
    hostKeys(web, "flapping", []);
    await anHourLater(document.id);
    expect(await stateOf(document.id)).toBe("verified");
    await anHourLater(document.id);
    expect(await stateOf(document.id)).toBe("unverifiable");
    hostKeys(web, "flapping", [document.key]);
    await anHourLater(document.id);
    expect(await stateOf(document.id)).toBe("verified");
    await expect.poll(() => found(registry, "verified=true")).toEqual([document.id]);
  });

  test("that is revoked counts no more, at once", async () => {
    const document = await publish("revoked");
    const { id, controller, publicKeyMultibase } = document.key;
    const revoked = clock.now().toISOString();
    hostKeys(web, "revoked", [document.key], {
      verificationMethod: [{ id, type: "Multikey", controller, publicKeyMultibase, revoked }],
    });
    await anHourLater(document.id);
    expect((await registrationOf(registry, document.id)).verification).toMatchObject({
      state: "unverifiable",
      reason: expect.stringContaining("revoked"),
    });
  });

  test("whose place another key has taken is missing", async () => {
    const document = await publish("replaced");
    const other = webKey(web, "replaced");
    hostKeys(web, "replaced", [{ ...other, id: document.key.id }]);
    await anHourLater(document.id);
    expect(await stateOf(document.id)).toBe("verified");
    await anHourLater(document.id);
    expect(await stateOf(document.id)).toBe("unverifiable");
  });

  test("whose DID was deactivated (410) counts no more, at once", async () => {
    const document = await publish("deactivated");
    web.host("deactivated", "", 410);
    await anHourLater(document.id);
    expect(await stateOf(document.id)).toBe("unverifiable");
  });

  test("whose DID document is not there (404) counts for an hour more", async () => {
    const document = await publish("lost");
    web.host("lost", "", 404);
    await anHourLater(document.id);
    expect(await stateOf(document.id)).toBe("verified");
    await anHourLater(document.id);
    expect(await stateOf(document.id)).toBe("unverifiable");
  });
});

describe("a host that cannot be asked", () => {
  test("holds up writes with 503, not 4xx, and no older document serves for them", async () => {
    const first = await publish("down");
    web.host("down", "", 503);
    clock.pass(limits.didWriteAgeMsMax + 1);
    const second = signedTd({ key: first.key, created: clock.now(), members: { id: first.id } });
    const refused = await registry.put(second);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    expect(await problemOf(refused)).toBe("did-unavailable");
  });

  test("leaves entries as they were for seven days, labelled with the age of what is known", async () => {
    const document = await publish("silent");
    const heard = (await registrationOf(registry, document.id)).verification.didDocumentRetrieved;
    web.host("silent", "", 503);
    await anHourLater(document.id);
    clock.pass(2 * hour);
    await assessedBy(document.id, clock.now());
    expect((await registrationOf(registry, document.id)).verification).toMatchObject({
      state: "verified",
      stale: true,
      didDocumentRetrieved: heard,
    });
    clock.pass(limits.didStaleMsMax);
    await assessedBy(document.id, clock.now());
    expect(await stateOf(document.id)).toBe("unverifiable");
    hostKeys(web, "silent", [document.key]);
    await anHourLater(document.id);
    expect((await registrationOf(registry, document.id)).verification).toMatchObject({
      state: "verified",
      stale: false,
    });
  });
});

describe("a proof with an end", () => {
  test("lapses at that instant, and is told of", async () => {
    const key = webKey(web, "ending");
    hostKeys(web, "ending", [key]);
    const expires = new Date(clock.now().getTime() + 60_000);
    const json = signDocument(tdOf(), key, { created: clock.now(), expires });
    const document = { id: String(json["id"]), text: JSON.stringify(json) };
    expect((await registry.put(document)).status).toBe(201);
    expect(await found(registry, "verified=true")).toEqual([document.id]);

    clock.pass(59_999);
    expect(await stateOf(document.id)).toBe("verified");
    clock.pass(1);
    // Before anybody has looked again.
    expect(await stateOf(document.id)).toBe("lapsed");
    expect(await found(registry, "verified=true")).toEqual([]);
    await expect.poll(() => found(registry, "verified=false")).toEqual([document.id]);
    expect(await (await registry.request(thingPath(document.id))).text()).toBe(document.text);
  });

  test("lapses for a did:key as well, and a new version renews it", async () => {
    const first = signedTd();
    const expires = new Date(clock.now().getTime() + 60_000);
    const { proof: _, ...unsigned } = first.json;
    const text = JSON.stringify(signDocument(unsigned, first.key, { created: clock.now(), expires }));
    expect((await registry.put({ id: first.id, text })).status).toBe(201);
    clock.pass(60_000);
    await expect.poll(() => found(registry, "verified=false")).toEqual([first.id]);
    const second = signedTd({ key: first.key, created: clock.now(), members: { id: first.id } });
    expect((await registry.put(second)).status).toBe(204);
    expect(await stateOf(first.id)).toBe("verified");
    await expect.poll(() => found(registry, "verified=true")).toEqual([first.id]);
  });
});
