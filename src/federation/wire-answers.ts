import { z } from "zod";
import type { EgressResponse } from "../base/egress.ts";
import { parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem, type ProblemType, problemTypes } from "../base/problem.ts";
import { snippetOf } from "../base/shown-text.ts";
import { type Verdict, WireError } from "./ports.ts";

/** What a peer's answer means if it does not take what was sent, or does not give what it was asked for; else null. */
export function failureOf(answer: EgressResponse, now: Date): WireError | null {
  const { status } = answer;
  if (status >= 200 && status < 300) return null;
  const message = `${new URL(answer.url).host} answers with status ${status}${detailOf(answer)}`;
  if ([401, 403, 404, 410].includes(status)) return new WireError("unwelcome", message);
  const isPassing = status < 400 || [408, 425, 429].includes(status) || status >= 500;
  if (!isPassing) return new WireError("refused", message);
  const retryAfterSeconds = retryAfter(answer.headers.get("retry-after"), now);
  return new WireError("unavailable", message, retryAfterSeconds === null ? {} : { retryAfterSeconds });
}

/** What the answer gives for a reason, if it is problem details (RFC 9457). */
function detailOf({ headers, body }: EgressResponse): string {
  if (!(headers.get("content-type") ?? "").includes("json")) return ".";
  const read = z.object({ detail: z.string() }).safeParse(jsonOf(body));
  return read.success ? `: ${snippetOf(read.data.detail, limits.snippetTitleCharactersMax)}` : ".";
}

/** Seconds (RFC 9110 §10.2.3); null where the header says nothing. */
function retryAfter(value: string | null, now: Date): number | null {
  if (value === null) return null;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const ms = Date.parse(value) - now.getTime();
  return Number.isNaN(ms) ? null : Math.max(0, Math.ceil(ms / 1000));
}

const text = z.string().transform((said) => snippetOf(said, limits.snippetTitleCharactersMax));
const verdictSchema = z.discriminatedUnion("outcome", [
  z.object({ outcome: z.literal("taken"), changed: z.boolean() }),
  z.object({ outcome: z.literal("held"), reason: text }),
  z.object({ outcome: z.literal("refused"), problem: z.string().transform(problemOf), detail: text }),
]);

/** The verdicts on `count` activities, in their order. Throws WireError where the answer does not have that many. */
export function readVerdicts(body: Uint8Array, count: number): Verdict[] {
  const read = z.object({ verdicts: z.array(verdictSchema).length(count) }).safeParse(jsonOf(body));
  if (read.success) return read.data.verdicts;
  throw new WireError("unavailable", `The peer does not say what became of ${count} activities.`);
}

type RefusalProblem = Extract<Verdict, { outcome: "refused" }>["problem"];

/** The problem that a peer names, if it is one that is known here. */
function problemOf(name: string): RefusalProblem {
  if (name === "loop" || name === "quota-exceeded") return name;
  return Object.hasOwn(problemTypes, name) ? (name as ProblemType) : "peer-refused";
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return parseJson(body).value;
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}
