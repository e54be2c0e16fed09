import assert from "node:assert/strict";
import { type Assertion, assertion, type Check, notApplicable, notImplemented } from "./assertion.ts";
import { arrayOf, assertProblem, mediaTypeOf, objectOf, register, type World } from "./world.ts";

const isAbsent =
  (path: string, method = "GET"): Check =>
  async (world) => {
    await assertProblem(await (await world.open()).send(path, { method }), 404);
  };
const noSparql = notApplicable("Binds who offers SPARQL, which this registry does not yet.");
const noXPath = notApplicable("Binds who offers XPath, which this registry does not.");

async function jsonPath(world: World, query: string): Promise<Response> {
  return (await world.open()).send(`/search/jsonpath?query=${encodeURIComponent(query)}`);
}

/** WoT Discovery §7.3.2.3. */
export const search: Assertion[] = [
  assertion(
    "tdd-search-large-tdds",
    "SHOULD",
    "There is search of some kind, so that nobody has to read everything.",
    async (world) => {
      const registry = await world.open();
      const word = `w${crypto.randomUUID().replaceAll("-", "")}`;
      const { id } = await register(registry, { title: `Finder ${word}` });
      const { items } = await objectOf(await registry.send(`/search?q=${word}`));
      assert.equal((items as { id: string }[])[0]?.id, id);
    },
  ),
  assertion(
    "tdd-search-jsonpath",
    "MAY",
    "There may be search by JSONPath.",
    async (world) => {
      const { id } = await register(await world.open());
      assert.deepEqual(await arrayOf(await jsonPath(world, `$[?@.id=='${id}'].id`)), [id]);
    },
    "informative",
  ),
  assertion(
    "tdd-search-jsonpath-method",
    "MUST",
    "It is asked by GET of /search/jsonpath.",
    async (world) => {
      const registry = await world.open();
      const { id } = await register(registry);
      const [found] = await arrayOf(await jsonPath(world, `$[?@.id=='${id}']`));
      assert.equal(found?.id, id);
      await assertProblem(await registry.send("/search/jsonpath?query=$", { method: "POST" }), 405);
    },
    "informative",
  ),
  assertion(
    "tdd-search-jsonpath-response",
    "MUST",
    "The answer is 200 with TDs or parts of them as JSON; a bad query is a 400.",
    async (world) => {
      const registry = await world.open();
      const { id, title } = await register(registry);
      const whole = await jsonPath(world, `$[?@.id=='${id}']`);
      assert.equal(mediaTypeOf(whole), "application/json");
      assert.equal((await arrayOf(whole))[0]?.id, id);
      assert.deepEqual(await arrayOf(await jsonPath(world, `$[?@.id=='${id}'].title`)), [title]);
      assert.deepEqual(await arrayOf(await jsonPath(world, "$[?@.id=='urn:example:none']")), []);
      for (const query of ["", "$[", "no path", "$[?@.id=1"]) await assertProblem(await jsonPath(world, query), 400);
      await assertProblem(await registry.send("/search/jsonpath"), 400);
    },
    "informative",
  ),
  assertion(
    "tdd-search-xpath",
    "MAY",
    "There may be search by XPath.",
    notImplemented("JSONPath says the same of JSON documents.", isAbsent("/search/xpath?query=%2F%2Ftitle")),
    "informative",
  ),
  assertion("tdd-search-xpath-method", "MUST", "It is asked by GET of /search/xpath.", noXPath, "informative"),
  assertion(
    "tdd-search-xpath-response",
    "MUST",
    "The answer is 200 with JSON; a bad query is a 400.",
    noXPath,
    "informative",
  ),
  assertion(
    "tdd-search-sparql",
    "MAY",
    "There may be search by SPARQL.",
    notImplemented("SPARQL is not there yet.", isAbsent("/search/sparql?query=ASK%20%7B%7D")),
  ),
  assertion("tdd-search-sparql-version", "MUST", "It follows the protocol of SPARQL 1.1.", noSparql),
  assertion("tdd-search-sparql-method-get", "MUST", "It is asked by GET of /search/sparql.", noSparql),
  assertion(
    "tdd-search-sparql-method-post",
    "MAY",
    "It may be asked by POST, too.",
    notImplemented("SPARQL is not there yet.", isAbsent("/search/sparql", "POST")),
  ),
  assertion("tdd-search-sparql-resp-select-ask", "MUST", "SELECT and ASK are answered in JSON.", noSparql),
  assertion(
    "tdd-search-sparql-resp-describe-construct",
    "MUST",
    "CONSTRUCT and DESCRIBE are answered in JSON-LD.",
    noSparql,
  ),
  assertion("tdd-search-sparql-error", "MUST", "Other forms, such as updates, are refused with 400.", noSparql),
  assertion(
    "tdd-search-sparql-federation",
    "MAY",
    "Queries may be federated.",
    notImplemented("SPARQL is not there yet."),
  ),
  assertion("tdd-search-sparql-federation-version", "MUST", "Federation follows SPARQL 1.1 Federated Query.", noSparql),
];
