import { parseDurationMs } from "../base/duration.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { affordancesOf, objectOf } from "./vocabulary.ts";

const latencyMembers = ["latency", "lmos:latency"];

/** The largest that a Postgres integer holds: 24 days. */
const latencyMsMax = 2_147_483_647;

/**
 * Milliseconds in which a thing promises to answer: its own promise, or else the slowest one of its affordances, so that
 * it holds whichever is called. Null without a promise that can be read.
 */
export function latencyMsOf(td: JsonObject): number | null {
  const own = promiseOf(td) ?? promiseOf(objectOf(td["lmos:metadata"]));
  if (own !== null) return own;
  const promises = affordancesOf(td).flatMap(({ value }) => promiseOf(value) ?? []);
  return promises.length === 0 ? null : Math.max(...promises);
}

function promiseOf(holder: JsonObject): number | null {
  for (const member of latencyMembers) {
    const ms = parseLatencyMs(holder[member]);
    if (ms !== null) return ms;
  }
  return null;
}

/**
 * A latency as it is written (`100ms`, `1.5s`, `PT0.5S`, or a number of milliseconds) in whole milliseconds, rounded up,
 * since less was not promised. Null for nonsense, which includes promises to answer in no time.
 */
export function parseLatencyMs(value: JsonValue | undefined): number | null {
  const ms = typeof value === "number" ? value : typeof value === "string" ? parseDurationMs(value) : null;
  return ms !== null && ms > 0 && ms <= latencyMsMax ? Math.ceil(ms) : null;
}
