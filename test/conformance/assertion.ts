import type { World } from "./world.ts";

/** How strongly W3C WoT Discovery asks for something; where the level has a condition, the statement has it. */
export type Level = "MUST" | "SHOULD" | "MAY";

/** Whether the Recommendation (5 December 2023) has it as a rule, only as advice, or dropped it on the way. */
export type Standing = "normative" | "informative" | "removed";

/** Rejects where the registry does not do what the assertion asks for. */
export type Check = (world: World) => Promise<void>;

/** What there is to say about an assertion without asking a registry. */
export interface Excuse {
  status: "not-implemented" | "not-applicable";
  reason: string;
  /** Shows that a feature which is not there is refused as it should be. */
  check: Check | null;
}

/** One assertion that binds a directory, or the descriptions that it serves. */
export interface Assertion {
  id: string;
  level: Level;
  standing: Standing;
  statement: string;
  verdict: Check | Excuse;
}

export function assertion(
  id: string,
  level: Level,
  statement: string,
  verdict: Check | Excuse,
  standing: Standing = "normative",
): Assertion {
  return { id, level, standing, statement, verdict };
}

/** An optional feature that is not there, and why. */
export function notImplemented(reason: string, check: Check | null = null): Excuse {
  return { status: "not-implemented", reason, check };
}

/** Something that cannot concern this registry, and why. */
export function notApplicable(reason: string): Excuse {
  return { status: "not-applicable", reason, check: null };
}

/** What is to be run for an assertion; null where there is nothing. */
export function checkOf({ verdict }: Assertion): Check | null {
  return typeof verdict === "function" ? verdict : verdict.check;
}
