import assert from "node:assert/strict";
import type { JsonObject } from "../../src/base/json.ts";
import { validateDescription } from "../../src/things/description.ts";
import { type Assertion, assertion, notApplicable, notImplemented } from "./assertion.ts";
import {
  assertProblem,
  assertTd,
  mediaTypeOf,
  newTd,
  objectOf,
  pathOf,
  put,
  read,
  register,
  type World,
} from "./world.ts";

const wellKnown = "/.well-known/wot";
const noCoap = notApplicable("Binds TD servers over CoAP; this one speaks HTTP only.");
const discovery = "https://www.w3.org/2022/wot/discovery";
const link = { rel: "describedby", type: "application/td+json", href: "https://things.example/td" };

/** What serves a TD here: the directory's own, and one that was registered. */
async function eachTdServer(world: World, see: (path: string, accept?: string) => Promise<void>): Promise<void> {
  const { id } = await register(await world.open());
  await see(wellKnown);
  await see(pathOf(id));
}

/** WoT Discovery §7.1 (but for security) and §7.2. */
export const exploration: Assertion[] = [
  assertion(
    "exploration-directory-description-type",
    "MUST",
    "A directory's TD is of type ThingDirectory.",
    async (world) => {
      const td = await objectOf(await (await world.open()).send(wellKnown));
      assert.equal(td["@type"], "ThingDirectory");
      assert((td["@context"] as unknown[]).includes(discovery), "the context does not define ThingDirectory");
      assert.deepEqual(validateDescription(td), []);
    },
  ),
  assertion(
    "exploration-link-description-type",
    "MUST",
    "A TD that only leads to another is of type ThingLink; such TDs can be registered.",
    async (world) => {
      const registry = await world.open();
      for (const type of ["ThingLink", `${discovery}#ThingLink`]) {
        const { id } = await register(registry, { "@type": type, links: [link] });
        assert.equal((await read(registry, id))["@type"], type);
      }
    },
  ),
  assertion(
    "exploration-link-description-link",
    "MUST",
    "A ThingLink has a link of relation describedby and type application/td+json; others are refused.",
    async (world) => {
      const registry = await world.open();
      const { id } = await register(registry, { "@type": "ThingLink", links: [link] });
      assert.deepEqual((await read(registry, id)).links, [link]);
      for (const wrong of [{ rel: "item" }, { type: "text/html" }]) {
        const refused = await put(registry, newTd({ "@type": "ThingLink", links: [{ ...link, ...wrong }] }));
        const { validationErrors } = await assertProblem(refused, 400);
        assert.equal((validationErrors as JsonObject[])[0]?.field, "/links");
      }
    },
  ),
  assertion("exploration-server-http-method", "MUST", "A TD is read with GET.", (world) =>
    eachTdServer(world, async (path) => assertTd(await objectOf(await (await world.open()).send(path)))),
  ),
  assertion("exploration-server-http-resp", "MUST", "The answer is 200 with the TD.", (world) =>
    eachTdServer(world, async (path) => {
      const response = await (await world.open()).send(path);
      assert.equal(response.status, 200);
      assertTd((await response.json()) as JsonObject);
    }),
  ),
  assertion(
    "exploration-server-http-resp-content-type",
    "MUST",
    "JSON is labelled application/td+json, or as the client would rather have it.",
    (world) =>
      eachTdServer(world, async (path) => {
        const registry = await world.open();
        assert.equal(mediaTypeOf(await registry.send(path)), "application/td+json");
        const plain = await registry.send(path, { headers: { accept: "application/json" } });
        assert.equal(mediaTypeOf(plain), "application/json");
      }),
  ),
  assertion("exploration-server-http-resp-json", "MUST", "Without negotiation the TD comes as JSON-LD 1.1.", (world) =>
    eachTdServer(world, async (path) => {
      const response = await (await world.open()).send(path, { headers: { accept: "*/*" } });
      assert.match(mediaTypeOf(response) ?? "", /^application\/(\w+\+)?json$/);
      assertTd(await objectOf(response));
    }),
  ),
  assertion(
    "exploration-server-http-alternate-content",
    "MAY",
    "Other serialisations may be negotiated.",
    notImplemented("TDs are kept and signed as JSON; there is no other form of them.", (world) =>
      eachTdServer(world, async (path) => {
        await assertProblem(await (await world.open()).send(path, { headers: { accept: "text/turtle" } }), 406);
      }),
    ),
  ),
  assertion(
    "exploration-server-http-alternate-language",
    "MAY",
    "Another default language may be negotiated.",
    notImplemented("TDs are served as they were signed; they may hold several languages themselves."),
    "informative",
  ),
  assertion("exploration-server-http-head", "MUST", "HEAD answers with the headers of GET.", (world) =>
    eachTdServer(world, async (path) => {
      const registry = await world.open();
      const [get, head] = [await registry.send(path), await registry.send(path, { method: "HEAD" })];
      assert.equal(head.status, 200);
      for (const name of ["content-type", "etag", "vary", "last-modified"]) {
        assert.equal(head.headers.get(name), get.headers.get(name), name);
      }
      assert.match(String(head.headers.get("content-type")), /td\+json/);
      assert.equal(await head.text(), "");
    }),
  ),
  assertion("exploration-server-coap-method", "MUST", "Over CoAP, a TD is read with GET.", noCoap),
  assertion(
    "exploration-server-coap-resp",
    "MUST",
    "Over CoAP, the answer is 2.05 with content format 432 or 50.",
    noCoap,
  ),
  assertion("exploration-server-coap-alternate-content", "MAY", "Over CoAP, other forms may be negotiated.", noCoap),
  assertion("exploration-server-coap-size2", "SHOULD", "Over CoAP, Size2 is answered with an estimate.", noCoap),
];
