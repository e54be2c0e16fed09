import type { RankingScoreDetails } from "meilisearch";
import type { HitExplanation } from "../port.ts";

/** What one of Meilisearch's ranking rules has said of a hit. */
export interface RuleExplanation {
  /** Its name, for instance `typo`. */
  rule: string;
  /** From 0 to 1. */
  score: number;
}

/** Meilisearch scores a hit rule by rule, not word by word: a later rule only decides between equals of the earlier ones. */
export interface RankedExplanation extends HitExplanation {
  rules: RuleExplanation[];
}

/** @param details `_rankingScoreDetails` of a hit. Rules that only sort have no score. */
export function explanationOf(score: number, details: RankingScoreDetails | undefined): RankedExplanation {
  const rules = Object.entries(details ?? {})
    .flatMap(([rule, said]) =>
      typeof said?.["score"] === "number" ? [{ rule, order: Number(said["order"]), score: said["score"] }] : [],
    )
    .sort((a, b) => a.order - b.order)
    .map(({ rule, score: ruleScore }) => ({ rule, score: rounded(ruleScore) }));
  return { engine: "meilisearch", score, words: [], rules };
}

/** To three digits, as scores are shown. */
export function rounded(score: number): number {
  return Math.round(score * 1_000) / 1_000;
}
