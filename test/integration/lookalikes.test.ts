import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { newKey, type SignedTd, signedTd } from "../support/descriptions.ts";
import { type DidWebHost, startDidWebHost } from "../support/did-web-host.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { hostKeys, originOf, registrationOf, webKey } from "../support/trust.ts";

let web: DidWebHost;
let registry: TestService;
beforeAll(async () => {
  web = await startDidWebHost();
  registry = await startTestService();
});
afterAll(async () => {
  await registry.close();
  await web[Symbol.asyncDispose]();
});

/** Registers an entry of the did:web of `path` that holds the badge `domain`. */
async function establish(path: string, members: JsonObject): Promise<SignedTd> {
  const key = webKey(web, path);
  const service = { id: "#td", type: "WotThing", serviceEndpoint: `${originOf(web)}/td/${path}` };
  hostKeys(web, path, [key], { service: [service] });
  const forms = { actions: { act: { forms: [{ href: `${originOf(web)}/act` }] } } };
  const document = signedTd({ key, members: { ...forms, ...members } });
  web.hostFile("td", path, document.text);
  expect((await registry.put(document)).status).toBe(201);
  await expect
    .poll(async () => (await registrationOf(registry, document.id)).badges.length, { timeout: 10_000 })
    .toBe(1);
  return document;
}

async function imitate(members: JsonObject, key = newKey()): Promise<SignedTd> {
  const document = signedTd({ key, members });
  expect((await registry.put(document)).status).toBe(201);
  return document;
}

const labelOf = async (id: string) => (await registrationOf(registry, id)).lookalike;

describe("an entry whose title could be taken for that of a better known one", () => {
  test.each([
    ["with Cyrillic letters", "Кontoso Billing"],
    ["with a capital I for an l", "Contoso BiIling"],
    ["with another case and a hyphen", "CONTOSO-billing"],
    ["with one letter more", "Contosso Billing"],
    ["of the same letters", "Contoso Billing"],
  ])("%s is labelled, with a link to the other", async (_, title) => {
    const known = await establish("contoso", { title: "Contoso Billing" }).catch(() => null);
    const id = known?.id;
    const other = await imitate({ title: title.replace("Кontoso", "Соntoso") });
    await expect.poll(() => labelOf(other.id), { timeout: 10_000 }).toMatchObject({ field: "title" });
    const label = await labelOf(other.id);
    if (id !== undefined) expect(label).toMatchObject({ id, href: expect.stringContaining(encodeURIComponent(id)) });
    expect(label?.controller).toMatch(/^did:web:/);
    const { items } = (await (await registry.request(`/search?q=${encodeURIComponent(title)}&limit=100`)).json()) as {
      items: { id: string; lookalike: { field: string } | null }[];
    };
    const item = items.find((one) => one.id === other.id);
    if (item !== undefined) expect(item.lookalike).toMatchObject({ field: "title" });
  });

  test("is labelled as well if it was there first", async () => {
    const early = await imitate({ title: "Fabrikam Forecasts" });
    expect(await labelOf(early.id)).toBeNull();
    const known = await establish("fabrikam", { title: "Fabrikam Forecasts" });
    await expect.poll(() => labelOf(early.id), { timeout: 10_000 }).toMatchObject({ id: known.id });
    expect(await labelOf(known.id)).toBeNull();
  });

  test("is not labelled where the controller is the same, or the badge no weaker, or the name another", async () => {
    const known = await establish("northwind", { title: "Northwind Orders" });
    const own = signedTd({ key: known.key, members: { title: "Northwind Orders" } });
    expect((await registry.put(own)).status).toBe(201);
    const ownNear = signedTd({ key: known.key, members: { title: "Nortwhind Orders" } });
    expect((await registry.put(ownNear)).status).toBe(201);
    const equal = await establish("northwind:two", { title: "Northwind Orders" });
    const equalNear = await establish("northwind:three", { title: "Northwimd Orders" });
    const other = await imitate({ title: "Southwind Orders" });
    const marker = await imitate({ title: "Northwind Orders" });
    await expect.poll(() => labelOf(marker.id), { timeout: 10_000 }).not.toBeNull();
    expect(await labelOf(own.id)).toBeNull();
    // Its own other name is no reason; that of another controller is.
    expect((await labelOf(ownNear.id))?.controller).not.toBe(known.key.controller);
    expect(await labelOf(equal.id)).toBeNull();
    expect(await labelOf(equalNear.id)).toBeNull();
    expect(await labelOf(other.id)).toBeNull();
  });

  test("loses the label once it has another title", async () => {
    await establish("tailspin", { title: "Tailspin Toys Agent" });
    const other = await imitate({ title: "Tailspin Toys Agent" });
    await expect.poll(() => labelOf(other.id), { timeout: 10_000 }).not.toBeNull();
    const renamed = signedTd({
      key: other.key,
      created: new Date(Date.now() + 1_000),
      members: { id: other.id, title: "Something of its own" },
    });
    expect((await registry.put(renamed)).status).toBe(204);
    await expect.poll(() => labelOf(other.id), { timeout: 10_000 }).toBeNull();
  });
});

test("an entry that claims another's vendor is labelled", async () => {
  const vendor = (name: string) => ({ "lmos:metadata": { "lmos:vendor": { "lmos:name": name } } });
  const known = await establish("litware", { title: "Litware Router", ...vendor("Litware Inc.") });
  const other = await imitate({ title: "Something else altogether", ...vendor("Litwarе Inc.") });
  await expect
    .poll(() => labelOf(other.id), { timeout: 10_000 })
    .toMatchObject({ id: known.id, field: "vendor", explanation: expect.any(String) });
});
