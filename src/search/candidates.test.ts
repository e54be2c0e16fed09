import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Candidates, chooseCandidates, entriesOf, type QueryTerm } from "./candidates.ts";
import { tiersMax } from "./impact.ts";

const total = 100_000;
/** A word; `atTier`: in how many entries at each tier from the first, the last one counting for all above. */
const term = (entries: number, atTier: number[] = [Math.floor(entries / 5), Math.floor(entries / 50)]): QueryTerm => ({
  forms: ["word"],
  factor: Math.log(1 + total / (entries + 1)),
  entries,
  tiers: Array.from({ length: tiersMax }, (_, index) => atTier[index] ?? atTier.at(-1) ?? 0),
});
const shown = ({ groups }: Candidates) =>
  groups.map((group) => group.map((atom) => `${atom.term}${"!".repeat(Math.min(atom.tier, 2))}`).join("&"));

describe("candidates", () => {
  test("all entries that have any word, where they are few", () => {
    const { candidates, isAll } = chooseCandidates([term(10), term(300)], total, total);
    expect(isAll).toBe(true);
    expect(shown(candidates)).toEqual(["0", "1"]);
  });

  test("all of them too where few pass the filters", () => {
    expect(chooseCandidates([term(50_000), term(80_000)], total, 400).isAll).toBe(true);
  });

  test("rare words first, then entries of which a common one says most", () => {
    const { candidates, isAll, next } = chooseCandidates([term(30_000, [9_000, 20]), term(40)], total, total);
    expect(isAll).toBe(false);
    expect(shown(candidates).slice(0, 2).toSorted()).toEqual(["0!!", "1"]);
    expect(next).toEqual({ term: 0, tier: 1 });
  });

  test("of common words, entries that have several", () => {
    const { candidates } = chooseCandidates(
      [term(20_000, [9_000]), term(15_000, [8_000]), term(10_000, [7_000])],
      total,
      total,
    );
    expect(shown(candidates)).toEqual(["2&1&0"]);
  });

  test("none for one word that says much of too many: their newest are next", () => {
    const { candidates, next } = chooseCandidates([term(60_000, [30_000])], total, total);
    expect(shown(candidates)).toEqual([]);
    expect(next).toEqual({ term: 0, tier: tiersMax });
  });

  test("never more than a few thousand are expected", () => {
    const terms = fc.array(fc.tuple(fc.nat(total), fc.nat(100)), { minLength: 1, maxLength: 64 });
    fc.assert(
      fc.property(terms, fc.integer({ min: 1, max: total }), (words, filtered) => {
        const query = words.map(([entries, percent]) =>
          term(entries, [Math.floor((entries * percent) / 100), Math.floor((entries * percent) / 1_000)]),
        );
        const { candidates, isAll } = chooseCandidates(query, total, filtered);
        if (isAll) return;
        const alone = candidates.groups.filter((group) => group.length === 1).flat();
        const expected = alone.reduce((sum, atom) => {
          return sum + entriesOf(query[atom.term] as QueryTerm, atom.tier);
        }, 0);
        // The rarest of several words together may be alone in its group as well.
        expect((expected * filtered) / total).toBeLessThanOrEqual(6_001);
      }),
    );
  });
});
