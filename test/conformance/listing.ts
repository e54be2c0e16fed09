import assert from "node:assert/strict";
import type { JsonObject } from "../../src/base/json.ts";
import { type Assertion, assertion, notApplicable, notImplemented } from "./assertion.ts";
import {
  arrayOf,
  assertProblem,
  assertTd,
  linksOf,
  listedIds,
  mediaTypeOf,
  objectOf,
  patch,
  register,
  type Registry,
  pathOf,
  type World,
} from "./world.ts";

const ordered = listedIds.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
const idsOf = (things: JsonObject[]) => things.map(({ id }) => id);

function nextOf(response: Response): string | null {
  return linksOf(response).find(({ rel }) => rel === "next")?.target ?? null;
}

/** All pages from `path` on, as `Link` headers lead. */
async function pagesFrom(registry: Registry, path: string): Promise<{ ids: unknown[]; next: string | null }[]> {
  const pages: { ids: unknown[]; next: string | null }[] = [];
  for (let at: string | null = path; at !== null;) {
    assert(pages.length < 100, "the pages never end");
    const response: Response = await registry.send(at);
    const next: string | null = nextOf(response);
    pages.push({ ids: idsOf(await arrayOf(response)), next });
    at = next === null ? null : new URL(next, registry.origin).href.slice(registry.origin.length);
  }
  return pages;
}

async function stateTagOf(registry: Registry): Promise<string> {
  const link = linksOf(await registry.send("/things?limit=1")).find(({ rel }) => rel === "canonical");
  assert(link, "there is no canonical link");
  assert.equal(new URL(link.target, registry.origin).href, `${registry.origin}/things`);
  const etag = link.parameters["etag"] ?? "";
  assert.match(etag, /^"[^"]+"$/);
  return etag;
}

const refusesOrder = async (world: World) => {
  const registry = await world.listed();
  assert.equal((await arrayOf(await registry.send("/things"))).length, listedIds.length);
  for (const query of ["sort_by=created", "sort_by=title&sort_order=desc", "sort_order=asc"]) {
    await assertProblem(await registry.send(`/things?${query}`), 501);
  }
};

/** WoT Discovery §7.3.2.1.5. */
export const listing: Assertion[] = [
  assertion("tdd-things-list-method", "MUST", "GET /things lists the TDs.", async (world) => {
    const things = await arrayOf(await (await world.listed()).send("/things"));
    assert.deepEqual(new Set(idsOf(things)), new Set(listedIds));
  }),
  assertion("tdd-things-list-resp", "MUST", "The answer is 200 with an array of TDs.", async (world) => {
    const things = await arrayOf(await (await world.listed()).send("/things"));
    assert.equal(things.length, listedIds.length);
    for (const thing of things) assertTd(thing);
  }),
  assertion(
    "tdd-things-list-resp-content-type",
    "MUST",
    "JSON is labelled application/ld+json, or application/json for who asks.",
    async (world) => {
      const registry = await world.listed();
      for (const path of ["/things", "/things?limit=2"]) {
        assert.equal(mediaTypeOf(await registry.send(path)), "application/ld+json");
        const plain = await registry.send(path, { headers: { accept: "application/json" } });
        assert.equal(mediaTypeOf(plain), "application/json");
      }
    },
  ),
  assertion("tdd-things-list-pagination", "MAY", "The list may come in pages.", async (world) => {
    const pages = await pagesFrom(await world.listed(), "/things?limit=4");
    assert.deepEqual(
      pages.map(({ ids }) => ids),
      [ordered.slice(0, 4), ordered.slice(4)],
    );
  }),
  assertion("tdd-things-list-pagination-limit", "MAY", "`limit` bounds the page.", async (world) => {
    const registry = await world.listed();
    for (const limit of [1, 3, 6, 7]) {
      const things = await arrayOf(await registry.send(`/things?limit=${limit}`));
      assert.equal(things.length, Math.min(limit, listedIds.length));
    }
    for (const limit of ["0", "-1", "many"]) await assertProblem(await registry.send(`/things?limit=${limit}`), 400);
  }),
  assertion(
    "tdd-things-list-pagination-header-nextlink",
    "MUST",
    "While more follows, a Link header with rel=next leads there.",
    async (world) => {
      const registry = await world.listed();
      const pages = await pagesFrom(registry, "/things?limit=2");
      assert.deepEqual(
        pages.map(({ next }) => next !== null),
        [true, true, false],
      );
      assert.equal(nextOf(await registry.send(`/things?limit=${listedIds.length}`)), null);
    },
  ),
  assertion(
    "tdd-things-list-pagination-header-nextlink-attr",
    "MUST",
    "The next link repeats the arguments, and has the offset of the next page.",
    async (world) => {
      const registry = await world.listed();
      for (const format of ["", "&format=collection"]) {
        const next = nextOf(await registry.send(`/things?limit=2&offset=1${format}`));
        const parameters = new URL(next ?? "", registry.origin).searchParams;
        assert.equal(parameters.get("limit"), "2");
        assert.equal(parameters.get("offset"), "3");
        assert.equal(parameters.get("format") ?? "array", format === "" ? "array" : "collection");
      }
      const walked = await pagesFrom(registry, "/things?limit=2&offset=1");
      assert.deepEqual(
        walked.flatMap(({ ids }) => ids),
        ordered.slice(1),
      );
    },
  ),
  assertion(
    "tdd-things-list-pagination-header-nextlink-base",
    "MUST",
    "The next link is absolute, or relative to the base of the API.",
    async (world) => {
      const registry = await world.listed();
      const next = nextOf(await registry.send("/things?limit=2"));
      assert(next !== null && new URL(next, registry.origin).href.startsWith(`${registry.origin}/things?`));
    },
  ),
  assertion(
    "tdd-things-list-pagination-header-canonicallink",
    "MUST",
    "A page has a Link header with rel=canonical to the list, whose etag is of the list's state.",
    async (world) => {
      const registry = await world.open();
      const thing = await register(registry);
      const before = await stateTagOf(registry);
      assert.equal(await stateTagOf(registry), before);
      assert.equal((await patch(registry, thing.id, { title: "Changed" })).status, 204);
      assert.equal(await stateTagOf(registry), before, "an update changes neither membership nor order");
      await register(registry);
      const after = await stateTagOf(registry);
      assert.notEqual(after, before);
      assert.equal((await registry.send(pathOf(thing.id), { method: "DELETE" })).status, 204);
      assert.notEqual(await stateTagOf(registry), after);
    },
  ),
  assertion(
    "tdd-things-list-pagination-order-default",
    "MUST",
    "The list is in the order of the ids by code point.",
    async (world) => {
      const registry = await world.listed();
      assert.deepEqual(idsOf(await arrayOf(await registry.send("/things"))), ordered);
      const pages = await pagesFrom(registry, "/things?limit=1");
      assert.deepEqual(
        pages.flatMap(({ ids }) => ids),
        ordered,
      );
    },
  ),
  assertion(
    "tdd-things-list-pagination-collection",
    "MAY",
    "With format=collection the list comes as a ThingCollection with total, members and next.",
    async (world) => {
      const registry = await world.listed();
      const page = await objectOf(await registry.send("/things?format=collection&limit=4"));
      assert.equal(page["@type"], "ThingCollection");
      assert.equal(page.total, listedIds.length);
      assert.deepEqual(idsOf(page.members as JsonObject[]), ordered.slice(0, 4));
      const rest = await objectOf(await registry.send(String(page.next)));
      assert.deepEqual(idsOf(rest.members as JsonObject[]), ordered.slice(4));
      assert.equal(rest.next, undefined);
    },
  ),
  assertion(
    "tdd-things-list-pagination-order",
    "MAY",
    "Clients may choose the order.",
    notImplemented("The order by id is what makes every page cost the same.", refusesOrder),
    "removed",
  ),
  assertion(
    "tdd-things-list-pagination-orderable",
    "MAY",
    "A directory may say by which attributes it orders.",
    notImplemented("The order by id is what makes every page cost the same."),
    "removed",
  ),
  assertion(
    "tdd-things-list-pagination-order-unsupported",
    "MUST",
    "A request for an order that is not supported is answered 501.",
    refusesOrder,
    "removed",
  ),
  assertion(
    "tdd-things-list-pagination-order-nextlink",
    "MUST",
    "Where clients choose the order, the next link keeps it.",
    notApplicable("Binds who lets clients choose the order."),
    "removed",
  ),
  assertion(
    "tdd-things-list-pagination-order-utf-8",
    "MUST",
    "The order is by Unicode code point.",
    async (world) => {
      const ids = idsOf(await arrayOf(await (await world.listed()).send("/things")));
      assert.deepEqual(ids.slice(-2), ["urn:example:listed:\uFB33", "urn:example:listed:\u{1F600}"]);
      assert.deepEqual(ids, ordered);
    },
    "removed",
  ),
];
