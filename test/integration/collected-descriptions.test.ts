import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { signDocument } from "../../src/identity/sign.ts";
import { factsOf } from "../../src/things/facts.ts";
import { newKey } from "../support/descriptions.ts";
import { startTestService, type TestService, thingPath } from "../support/service.ts";

// Descriptions that others wrote are not part of the project; where a collection of them lies beside it, they are tried.
const collection = new URL("../../../shared/data/", import.meta.url);
const examples = new URL("../../examples/", import.meta.url);

function descriptionsIn(folder: URL): { name: string; td: JsonObject }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".td.json"))
    .map((name) => ({ name, td: JSON.parse(readFileSync(new URL(name, folder), "utf8")) as JsonObject }));
}

function lineDescriptionsIn(file: URL): { name: string; td: JsonObject }[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as JsonObject)
    .map((td) => ({ name: String(td["title"]), td }));
}

const sets: [string, { name: string; td: JsonObject }[]][] = [
  ["the examples", descriptionsIn(examples)],
  ["collected Thing Descriptions", descriptionsIn(new URL("tds/", collection))],
  ["MCP servers as Thing Descriptions", lineDescriptionsIn(new URL("mcp/tds.ndjson", collection))],
];

describe.each(sets)("%s", (_, descriptions) => {
  const key = newKey();
  const signed = descriptions.map(({ name, td }, index) => {
    const id = `urn:example:collected:${index}`;
    const document = signDocument({ ...td, id }, key, { created: new Date() });
    return { name, id, td: document, text: JSON.stringify(document, null, "\t") };
  });
  let registry: TestService;

  beforeAll(async () => {
    registry = await startTestService();
    for (const document of signed) {
      const response = await registry.put(document);
      expect(`${document.name}: ${response.status} ${response.ok ? "" : await response.text()}`).toBe(
        `${document.name}: 201 `,
      );
    }
  });
  afterAll(() => registry?.close());

  const found = async (parameter: string, value: string): Promise<string[]> => {
    const ids: string[] = [];
    let cursor = "";
    do {
      const path = `/search?limit=100&${parameter}=${encodeURIComponent(value)}${cursor}`;
      const page = (await (await registry.request(path)).json()) as { items: { id: string }[]; next: string | null };
      ids.push(...page.items.map(({ id }) => id));
      cursor = page.next === null ? "" : `&cursor=${encodeURIComponent(page.next)}`;
    } while (cursor !== "");
    return ids;
  };

  test.skipIf(signed.length === 0)("come back byte for byte", async () => {
    for (const { id, text } of signed) expect(await (await registry.request(thingPath(id))).text()).toBe(text);
  });

  test.skipIf(signed.length === 0)("are found by their titles", async () => {
    const missed: string[] = [];
    for (const { name, id, td } of signed) {
      for (const title of factsOf(td).titles) {
        if (!(await found("q", title.text)).includes(id)) missed.push(`${name}: ${title.text}`);
      }
    }
    expect(missed).toEqual([]);
  });

  test.skipIf(signed.length === 0)(
    "are found by the names of their affordances, as words and as capabilities",
    async () => {
      const missed: string[] = [];
      for (const { name, id, td } of signed) {
        for (const affordance of factsOf(td).affordances) {
          for (const parameter of ["q", "capability"]) {
            if (!(await found(parameter, affordance.name)).includes(id))
              missed.push(`${name}: ${parameter}=${affordance.name}`);
          }
        }
      }
      expect(missed).toEqual([]);
    },
  );

  test.skipIf(descriptions.length === 0)("go through all of the directory API unsigned", async () => {
    await using open = await startTestService({ admission: "open" });
    const headers = { "content-type": "application/td+json" };
    for (const [index, { name, td }] of descriptions.entries()) {
      const known = { ...td, id: `https://things.example/${index}/a b?ü`.replaceAll(" ", "%20") };
      const { id: _id, ...anonymous } = td;
      const path = thingPath(known.id);
      const send = (method: string, to: string, body?: object, type = headers["content-type"]) =>
        open.request(to, {
          method,
          ...(body === undefined ? {} : { headers: { "content-type": type }, body: JSON.stringify(body) }),
        });

      expect((await send("PUT", path, known)).status, name).toBe(201);
      expect(await (await open.request(path)).json(), name).toMatchObject({ ...known, "@context": expect.anything() });
      expect((await send("PUT", path, { ...known, title: "Renamed" })).status, name).toBe(204);
      expect((await send("PATCH", path, { title: "Patched" }, "application/merge-patch+json")).status, name).toBe(204);

      const posted = await send("POST", "/things", anonymous);
      expect(posted.status, name).toBe(201);
      const location = new URL(posted.headers.get("location") ?? "").pathname;
      const query = encodeURIComponent(`$[?@.title=='Patched'].id`);
      expect(await (await open.request(`/search/jsonpath?query=${query}`)).json(), name).toEqual([known.id]);
      expect((await (await open.request("/things?ids=only")).json()) as string[], name).toHaveLength(2);
      for (const entry of [path, location]) expect((await send("DELETE", entry)).status, name).toBe(204);
    }
    expect(await (await open.request("/things")).json()).toEqual([]);
  });
});
