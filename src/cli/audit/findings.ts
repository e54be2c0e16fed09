import { limits } from "../../base/limits.ts";

/** Something that is not as the log or its head say. */
export interface Finding {
  /**
   * What was looked at: the signed `head`; the chain of the `log`; its `history` since an earlier audit; what is served
   * of an `entry`; its `proof`.
   */
  check: "head" | "log" | "history" | "entry" | "proof";
  /** The number of the log's entry that it is about. */
  seq: number | null;
  controller: string | null;
  id: string | null;
  detail: string;
}

/** Gathers findings, of which there may be more than anybody reads. */
export interface Findings {
  add(finding: Pick<Finding, "check" | "detail"> & Partial<Finding>): void;
  /** The first ones, at most `limits.auditFindingsMax`. */
  readonly list: readonly Finding[];
  readonly count: number;
}

export function createFindings(): Findings {
  const list: Finding[] = [];
  let count = 0;
  return {
    add(finding) {
      count += 1;
      if (list.length < limits.auditFindingsMax) list.push({ seq: null, controller: null, id: null, ...finding });
    },
    list,
    get count() {
      return count;
    },
  };
}
