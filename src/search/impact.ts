import { quoted, tierLexeme } from "./lexemes.ts";

/**
 * How much a word says of an entry, decided when the entry is indexed (BM25F: Robertson, Zaragoza and Taylor, 2004):
 * its occurrences weighted by field and by the field's length, then saturated. A query only adds up what is stored.
 */

/** Of the thing. `label`: tags, vendors, types. */
export const thingFields = ["title", "label", "description", "example"] as const;
/** Of one affordance. `name`: with its titles; `affordance`: its descriptions; `detail`: the words of its schemas. */
export const affordanceFields = ["name", "affordance", "detail"] as const;
export type Field = (typeof thingFields)[number] | (typeof affordanceFields)[number];

interface FieldWeight {
  /** Of one occurrence in a field of usual length. */
  weight: number;
  /** From 0 (length does not matter) to 1 (twice as long halves the weight). */
  lengthShare: number;
  /** Words. A constant rather than the index's mean, so that an entry's lexemes depend on nothing but the entry. */
  usualLength: number;
}

/** Measured with `npm run bench:relevance`; all lie on plateaus. */
const weights: Record<Field, FieldWeight> = {
  title: { weight: 3, lengthShare: 0.5, usualLength: 4 },
  label: { weight: 1, lengthShare: 0, usualLength: 1 },
  description: { weight: 2, lengthShare: 0.5, usualLength: 20 },
  example: { weight: 1, lengthShare: 0.75, usualLength: 20 },
  name: { weight: 1.2, lengthShare: 0.5, usualLength: 3 },
  affordance: { weight: 0.75, lengthShare: 0.25, usualLength: 15 },
  detail: { weight: 0.05, lengthShare: 0.75, usualLength: 20 },
};

/**
 * Of a word in several affordances, the one counts that says most of it; the others add this share of theirs. So a server
 * with fifty tools is as good as its best one, neither lost for its length nor ahead for it.
 */
export const otherAffordancesShare = 0.25;

/**
 * What an inflected word's own form is stored with, of its impact: `ts_rank` halves the sum of two lexemes, of the form and
 * its stem, so that the stem makes four fifths of the impact and the very form one (inflectedFactor).
 */
export const inflectedShare = 0.25;

/** By what an impact that `ts_rank` has worked out of a word's form and its stem is to be multiplied. */
export const inflectedFactor = 2 / (1 + inflectedShare);

/** The weighted frequency at which a word has half of the impact that it can have. */
const saturation = 3;

/** What one occurrence in a field of `length` words adds to a word's weighted frequency. */
export function occurrenceWeight(field: Field, length: number): number {
  const { weight, lengthShare, usualLength } = weights[field];
  return weight / (1 - lengthShare + (lengthShare * length) / usualLength);
}

/** The impact, from 0 to 1, of a word of that weighted frequency. */
export function impactOf(frequency: number): number {
  return frequency / (frequency + saturation);
}

/**
 * `ts_rank`'s weights for the labels D, C, B and A, as they must be passed to it. Postgres has no place for an impact
 * in a tsvector, but ranks a lexeme by its labels, so a sequence of labels is made to say the impact.
 */
export const labelWeights = [0.125, 0.25, 0.5, 1] as const;

const labels = ["D", "C", "B", "A"] as const;

/** What `ts_rank` answers for one lexeme, up to its constant factor (tsrank.c, calc_rank_or). */
function rankOf(sequence: readonly number[]): number {
  let sum = 0;
  let max = -1;
  let maxAt = 0;
  for (const [index, weight] of sequence.entries()) {
    sum += weight / (index + 1) ** 2;
    if (weight > max) [max, maxAt] = [weight, index];
  }
  return max + sum - max / (maxAt + 1) ** 2;
}

/** The constant factor: ts_rank divides by π²/6. */
const rankDivisor = 1.64493406685;

/** What is ranked as impact 1. */
const rankOfFull = 1.5;

/** `ts_rank` times this is the impact. */
export const impactPerRank = rankDivisor / rankOfFull;

interface Level {
  impact: number;
  /** For instance `1B,2D`. */
  positions: string;
}

/** Every impact that up to three labels can say, in ascending order; most neighbours differ by less than a fifth. */
const levels: Level[] = levelsOf();

function levelsOf(): Level[] {
  const sequences = [0, 1, 2, 3].flatMap((first) => [
    [first],
    ...[0, 1, 2, 3].flatMap((second) => [[first, second], ...[0, 1, 2, 3].map((third) => [first, second, third])]),
  ]);
  const found = sequences
    .map((sequence) => ({
      impact: rankOf(sequence.map((label) => labelWeights[label] ?? 0)) / rankOfFull,
      positions: sequence.map((label, index) => `${index + 1}${labels[label]}`).join(","),
    }))
    .sort((a, b) => a.impact - b.impact || a.positions.length - b.positions.length);
  // Of levels that hardly differ, the shortest sequence is enough.
  const kept: Level[] = [];
  for (const level of found) {
    const last = kept.at(-1);
    if (last === undefined || level.impact > last.impact * 1.04) kept.push(level);
    else if (level.positions.length < last.positions.length) kept[kept.length - 1] = level;
  }
  return kept;
}

/** A lexeme with its impact in a tsvector's text form. */
export function weightedLexeme(lexeme: string, impact: number): string {
  return `${quoted(lexeme)}:${nearestLevel(impact).positions}`;
}

/** The impact that is stored for `impact`. */
export function storedImpact(impact: number): number {
  return nearestLevel(impact).impact;
}

/** The least impact that has a tier: words that say less of an entry have no mark of how much. */
const tierImpactMin = 0.3;

/**
 * The impacts of the tiers from 1 on: every one that is stored and says a good deal. Of a common word, the entries are found
 * first of which it says most, without looking at all that have it.
 */
const tierImpacts = levels.map(({ impact }) => impact).filter((impact) => impact >= tierImpactMin);
export const tiersMax = tierImpacts.length;

/** The tier of an impact; 0 for one below all. */
export function tierOf(impact: number): number {
  return tierImpacts.indexOf(storedImpact(impact)) + 1;
}

/** The highest impact in a tier; of tier 0, the highest without one. */
export function impactOfTier(tier: number): number {
  return tierImpacts[tier - 1] ?? tierImpactMin;
}

/** The lexemes of a word at `tier` or higher. */
export function tiersOf(form: string, tier: number): string[] {
  return Array.from({ length: tiersMax - tier + 1 }, (_, index) => tierLexeme(form, tier + index));
}

function nearestLevel(impact: number): Level {
  let low = 0;
  let high = levels.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((levels[middle] as Level).impact < impact) low = middle + 1;
    else high = middle;
  }
  const above = levels[low] as Level;
  const below = levels[low - 1];
  return below !== undefined && impact / below.impact < above.impact / impact ? below : above;
}
