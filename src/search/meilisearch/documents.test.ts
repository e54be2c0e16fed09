import * as fc from "fast-check";
import { expect, test } from "vitest";
import { searchAction, searchDocument, searchFilters, searchFor } from "../../../test/support/search.ts";
import { indexedDocumentOf, readFacetToken, titleToken } from "./documents.ts";
import { afterPlace, filterOf } from "./filters.ts";

const now = new Date("2026-11-21T12:00:00Z");
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.constantFrom("half \ud83d", "\udc00", "nul \0"),
);

test("documents are JSON that a strict reader takes, with ids and values that Meilisearch keeps whole", () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), (texts) => {
      const spoken = texts.map((one) => ({ language: null, text: one }));
      const document = indexedDocumentOf(
        searchDocument(1, {
          titles: spoken,
          descriptions: spoken,
          types: texts,
          affordances: texts.map((name) => searchAction(name, { titles: spoken, details: spoken })),
          tags: texts,
          vendors: texts,
          origin: texts[0] ?? null,
        }),
      );
      expect(JSON.stringify(document)).not.toMatch(/\\ud[89a-f]/i);
      expect(document.key).toMatch(/^[0-9a-f]{64}$/);
      for (const filter of document.filters) expect(filter).toMatch(/^[a-z]+:[0-9a-f]{32}$/);
      expect(document.titleToken).toMatch(/^t[0-9a-f]{0,400}$/);
    }),
    { numRuns: 100 },
  );
});

test("expressions of filters hold nothing that somebody typed", () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 3 }), text, (values, other) => {
      const query = searchFor(other, {
        filters: searchFilters({ tag: values, capability: values }),
        controller: other,
        origin: other,
        withoutOrigins: values,
        latencyMsMax: 5,
        modifiedSince: now,
      });
      for (const expression of filterOf(query, now)) expect(expression).toMatch(/^[\w ":<>=,[\]]+$/);
      expect(afterPlace("title", { place: other, sequence: 1 })).toMatch(
        /^titleToken > (t[0-9a-f]*) OR \(titleToken = \1 AND sequence > 1\)$/,
      );
    }),
    { numRuns: 100 },
  );
});

test("titles are ordered as the database orders them: by their code points", () => {
  const titles = ["", "10 sensors", "9 sensors", "a", "a b", "aa", "é", "\uFFFD", "😀"];
  const byCodePoint = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  expect(titles.map(titleToken).toSorted(byCodePoint)).toEqual(titles.toSorted(byCodePoint).map(titleToken));
});

test("facets keep what tells values apart and the spelling to show", () => {
  const tokens = (labels: string[]) =>
    (indexedDocumentOf(searchDocument(1, { tags: labels })).facets.tag ?? []).map(readFacetToken);
  const [shouted] = tokens(["AIR quality - 1"]);
  const [quiet] = tokens(["air  quality - 1"]);
  expect(shouted?.key).toBe(quiet?.key);
  expect(shouted?.label).toBe("AIR quality - 1");
  expect(tokens(["water"])[0]?.key).not.toBe(quiet?.key);
});
