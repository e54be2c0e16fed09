import type { Assertion } from "./assertion.ts";
import { checkOf } from "./assertion.ts";
import type { World } from "./world.ts";

export type Status = "pass" | "fail" | "not-implemented" | "not-applicable";

export interface Result {
  assertion: Assertion;
  status: Status;
  /** Why it failed, or why there is nothing to pass. */
  comment: string;
}

/** Judges one assertion; a feature that is absent, but not as it should be, fails. */
export async function judge(assertion: Assertion, world: World): Promise<Result> {
  const { verdict } = assertion;
  try {
    await checkOf(assertion)?.(world);
  } catch (error) {
    return { assertion, status: "fail", comment: error instanceof Error ? error.message : String(error) };
  }
  if (typeof verdict === "function") return { assertion, status: "pass", comment: "" };
  return { assertion, status: verdict.status, comment: verdict.reason };
}

/** A row in the form of the W3C's implementation reports: id, status, comment. */
export function csvRow({ assertion, status, comment }: Result): string {
  return [assertion.id, status, comment].map(csvField).join(",");
}

/** Counts by level and status, as a table. */
export function summaryOf(results: readonly Result[]): string {
  const statuses: Status[] = ["pass", "fail", "not-implemented", "not-applicable"];
  const count = (level: string, status: Status) =>
    results.filter((result) => result.assertion.level === level && result.status === status).length;
  const rows = ["MUST", "SHOULD", "MAY"].map((level) => [
    level,
    ...statuses.map((status) => String(count(level, status))),
  ]);
  return [["", ...statuses], ...rows]
    .map((row) =>
      row
        .map((cell) => cell.padEnd(16))
        .join("")
        .trimEnd(),
    )
    .join("\n");
}

function csvField(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return /[",]/.test(line) ? `"${line.replaceAll('"', '""')}"` : line;
}
