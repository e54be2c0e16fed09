import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeHybridCursor, encodeHybridCursor, type HybridCursor } from "./hybrid-cursor.ts";

const rank = fc.option(fc.integer({ min: 1, max: 100 }));
const sequence = fc.integer({ min: 1, max: 2 ** 40 - 1 });
const cursors: fc.Arbitrary<HybridCursor> = fc.record({
  query: fc.string({ unit: fc.constantFrom(..."abcXYZ019_-"), minLength: 12, maxLength: 12 }),
  isDegraded: fc.boolean(),
  left: fc.array(fc.record({ sequence, wordsRank: rank, meaningRank: rank }), { maxLength: 200 }),
  shown: fc.array(sequence, { maxLength: 100 }),
  later: fc.nat(),
  words: fc.option(fc.string({ unit: fc.constantFrom(..."abcXYZ019_-."), minLength: 1 })),
});

describe("a cursor", () => {
  test("is read as it was written", () => {
    fc.assert(
      fc.property(cursors, (cursor) => {
        expect(decodeHybridCursor(encodeHybridCursor(cursor), cursor.query)).toEqual(cursor);
      }),
    );
  });

  test("fits into a query string beside a query of usual length", () => {
    const places = Array.from({ length: 200 }, () => ({ sequence: 2 ** 40 - 1, wordsRank: 100, meaningRank: 100 }));
    const cursor = { query: "x".repeat(12), isDegraded: false, left: places, shown: [], later: 0, words: null };
    expect(encodeHybridCursor(cursor).length).toBeLessThan(2_000);
  });

  test("of another engine is not one", () => {
    expect(decodeHybridCursor("WyJhYmMiLG51bGxd", "abc")).toBeNull();
  });

  test("that was tampered with is refused or read, and does nothing else", () => {
    fc.assert(
      fc.property(cursors, fc.nat(), fc.string({ unit: "binary", maxLength: 3 }), (cursor, at, put) => {
        const text = encodeHybridCursor(cursor);
        const place = at % text.length;
        try {
          decodeHybridCursor(text.slice(0, place) + put + text.slice(place + 1), cursor.query);
        } catch (error) {
          expect(error).toMatchObject({ type: "invalid-parameter" });
        }
      }),
    );
  });
});
