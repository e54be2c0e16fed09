import assert from "node:assert/strict";
import type { JsonObject } from "../../src/base/json.ts";
import { type Assertion, assertion, notApplicable, notImplemented } from "./assertion.ts";
import { assertTd, objectOf, type World } from "./world.ts";

const wellKnown = "/.well-known/wot";
const askedElsewhere = notApplicable("Is asked of a network, not by HTTP: `test/lan/announcing.test.ts` does so.");
const noCoap = notApplicable("Binds things and directories that speak CoAP, which this registry does not.");

async function ownDescription(world: World, url = wellKnown): Promise<JsonObject> {
  const td = await objectOf(await (await world.open()).send(url));
  assertTd(td);
  assert.equal(td["@type"], "ThingDirectory");
  return td;
}

async function didDocument(world: World): Promise<JsonObject> {
  const document = await objectOf(await (await world.open()).send("/.well-known/did.json"));
  assert.match(String(document.id), /^did:web:/);
  return document;
}

async function coreLinks(world: World, query = ""): Promise<string> {
  const response = await (await world.open()).send(`/.well-known/core${query}`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/link-format");
  return response.text();
}

/** WoT Discovery §6. */
export const introduction: Assertion[] = [
  assertion(
    "introduction-direct-url",
    "MAY",
    "A single URL that somebody passes on is enough of an introduction.",
    async (world) => {
      await ownDescription(world, `${(await world.open()).origin}${wellKnown}`);
    },
  ),
  assertion(
    "introduction-direct-thing-description",
    "MUST",
    "Reading such a URL yields a TD, by the rules for TD servers.",
    async (world) => {
      const registry = await world.open();
      const response = await registry.send(`${registry.origin}${wellKnown}`);
      assert.equal(response.headers.get("content-type"), "application/td+json");
      assertTd(await objectOf(response));
    },
  ),
  assertion(
    "introduction-direct-directory-description",
    "MUST",
    "The URL that introduces a directory leads to the TD of the directory itself.",
    async (world) => {
      const td = await ownDescription(world, `${(await world.open()).origin}${wellKnown}`);
      assert(td.properties && "things" in (td.properties as JsonObject), "there is no property `things`");
    },
  ),
  assertion(
    "introduction-well-known-uri",
    "MAY",
    "A directory may be introduced by a well-known URI.",
    async (world) => {
      assert.equal((await (await world.open()).send(wellKnown)).headers.get("content-type"), "application/td+json");
    },
  ),
  assertion(
    "introduction-well-known-path",
    "MUST",
    "That URI is /.well-known/wot, and the TD there is the directory's own.",
    async (world) => {
      assert.equal((await ownDescription(world)).id, `${(await world.open()).origin}${wellKnown}`);
    },
  ),
  assertion(
    "introduction-well-known-thing-description",
    "MUST",
    "The well-known URI answers as a TD server does.",
    async (world) => {
      const response = await (await world.open()).send(wellKnown);
      assert.equal(response.headers.get("content-type"), "application/td+json");
      assertTd(await objectOf(response));
    },
  ),
  assertion("introduction-dns-sd", "MAY", "A directory may announce itself by DNS-SD, also over mDNS.", askedElsewhere),
  assertion("introduction-dns-sd-service-name", "MUST", "Things on TCP are announced as _wot._tcp.", askedElsewhere),
  assertion(
    "introduction-dns-sd-service-name-directory",
    "MUST",
    "Directories on TCP are announced as _directory._sub._wot._tcp.",
    askedElsewhere,
  ),
  assertion("introduction-dns-sd-service-name-udp", "MUST", "Things on UDP are announced as _wot._udp.", noCoap),
  assertion(
    "introduction-dns-sd-service-name-directory-udp",
    "MAY",
    "The name _directory._sub._wot._udp is kept for directories on UDP.",
    noCoap,
    "informative",
  ),
  assertion("introduction-dns-sd-txt-record", "MUST", "The TXT record on TCP has td, type and scheme.", askedElsewhere),
  assertion("introduction-dns-sd-txt-record-udp", "MUST", "The TXT record on UDP has td, type and scheme.", noCoap),
  assertion(
    "introduction-core-rd",
    "MAY",
    "A directory may introduce itself in the CoRE Link Format.",
    async (world) => {
      assert.match(await coreLinks(world), /^<\/\.well-known\/wot>;/);
      assert.equal(await coreLinks(world, "?href=/nowhere"), "");
    },
  ),
  assertion(
    "introduction-core-rd-directory",
    "MAY",
    "It may register with a CoRE Resource Directory.",
    notImplemented("The registry looks for no CoRE Resource Directory: CoAP networks are not where it lives."),
  ),
  assertion(
    "introduction-core-rd-resource-type-thing",
    "MUST",
    "The link to a Thing's TD has the resource type wot.thing.",
    notApplicable("The links are to the directory's own TD; the TDs in it are found by its API."),
  ),
  assertion(
    "introduction-core-rd-resource-type-directory",
    "MUST",
    "The link to a directory's TD has the resource type wot.directory.",
    async (world) => {
      assert.match(await coreLinks(world, "?rt=wot.directory"), /^<\/\.well-known\/wot>;rt="wot\.directory"[^<]*$/);
      assert.equal(await coreLinks(world, "?rt=wot.thing"), "");
    },
  ),
  assertion(
    "introduction-did",
    "MAY",
    "Whoever has a DID may publish there, as a service, where the TD is.",
    async (world) => {
      const { service } = await didDocument(world);
      assert(Array.isArray(service) && service.some((one) => (one as JsonObject).type === "WotDirectory"));
    },
  ),
  assertion(
    "introduction-did-service-context",
    "MUST",
    "Such a DID document has the context of Discovery for DIDs.",
    async (world) => {
      const context = (await didDocument(world))["@context"];
      assert(Array.isArray(context) && context.includes("https://www.w3.org/2022/wot/discovery-did"));
    },
  ),
  assertion(
    "introduction-did-service-endpoint",
    "MUST",
    "The endpoint of the service leads to the TD of the directory.",
    async (world) => {
      const services = (await didDocument(world)).service as JsonObject[];
      const endpoint = services.find(({ type }) => type === "WotDirectory")?.serviceEndpoint;
      assert(typeof endpoint === "string");
      await ownDescription(world, endpoint);
    },
  ),
];
