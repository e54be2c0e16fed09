import type { Clock } from "../../base/clock.ts";
import type { DidResolver } from "../../identity/resolver.ts";
import { Refusal } from "../failure.ts";
import { checkEntry, type Verdict } from "./entry-check.ts";
import { createFindings, type Findings } from "./findings.ts";
import type { LogClient } from "./log-client.ts";
import { fetchLogHead, type LogHead } from "./log-head.ts";
import { createLogWalk } from "./log-walk.ts";
import { createReplay, type Replay, type Standing } from "./replay.ts";

/** Entries that are looked at at once; most of the time they wait for the network. */
const entriesAtOnce = 8;

/**
 * Milliseconds before entries that seem wrong are looked at again with what the log says by then, and at the end before
 * the log alone is: changes reach it within a second, and what runs out within some seconds.
 */
const recheckPausesMs = [1_000, 5_000];
const lastPauseMs = 10_000;

/** Where the progress of a long audit is shown. */
export interface Progress {
  start(total: number): void;
  step(): void;
  end(): void;
}

export interface AuditOptions {
  client: LogClient;
  /** The head at an earlier audit. */
  known: LogHead | null;
  /** Checks each entry that the registry serves, and so reads the log from its start. */
  entries: boolean;
}

export interface AuditDeps {
  resolver: DidResolver;
  clock: Clock;
  pause(ms: number): Promise<unknown>;
  progress: Progress;
}

/** What an audit has seen. */
export interface AuditReport {
  /** The last head that was checked; null where there is none to rely on. */
  head: LogHead | null;
  /** The number of the first entry of the log that was read. */
  from: number;
  /** Entries by what is to be served of them; null if they were not looked at. */
  entries: Record<Standing["state"], number> | null;
  findings: Findings;
  /** What does not speak against the registry, and is not proven either. */
  unproven: Findings;
}

/** An entry that is not as it must be, or not proven to be. */
interface Doubt {
  standing: Standing;
  verdict: Exclude<Verdict, { is: "right" }>;
}

/**
 * Audits a registry from outside: its head, its log, and with `entries` what it serves. What is wrong is in the report.
 * Throws a Refusal where the registry cannot be audited, and what `DidResolver.resolve` throws of the registry's DID.
 */
export async function auditRegistry(options: AuditOptions, deps: AuditDeps): Promise<AuditReport> {
  const { client, known } = options;
  const { progress } = deps;
  const findings = createFindings();
  const unproven = createFindings();
  const replay = createReplay();
  const walk = createLogWalk({
    client,
    known,
    fromKnown: !options.entries,
    findings,
    onEntry(entry) {
      if (options.entries) replay.apply(entry);
      progress.step();
    },
  });
  const from = walk.seq + 1;
  let head: LogHead | null = null;

  /** Follows the log to where its head is by now. False where there is nothing to rely on. */
  async function catchUp(): Promise<boolean> {
    const next = await fetchLogHead(client, { ...deps, findings });
    if (next === null) return false;
    const earlier = head ?? known;
    if (earlier !== null) checkContinuation(next, earlier, findings);
    head = next;
    progress.start(Math.max(head.seq - walk.seq, 0));
    try {
      return await walk.follow(head);
    } finally {
      progress.end();
    }
  }

  async function check(standings: Iterable<Standing>): Promise<Doubt[]> {
    const doubts: Doubt[] = [];
    await forEachAtOnce(standings, async (standing) => {
      const verdict = await checkEntry(standing, { client, ...deps });
      if (verdict.is !== "right") doubts.push({ standing, verdict });
      progress.step();
    });
    return doubts;
  }

  /**
   * All doubts about the entries. What seems wrong may have changed a moment ago, so that the log does not say so yet: it
   * is wrong only if the log has not caught up with it after a while.
   */
  async function doubtsAboutEntries(): Promise<Doubt[]> {
    progress.start(replay.size);
    let doubts = await check(replay.standings);
    progress.end();
    for (const ms of [...recheckPausesMs, lastPauseMs]) {
      const wrong = doubts.filter(({ verdict }) => verdict.is === "wrong");
      if (wrong.length === 0) break;
      await deps.pause(ms);
      if (!(await catchUp())) break;
      const again =
        ms === lastPauseMs
          ? wrong.map((doubt) => (isChanging(doubt, replay) ? undecided(doubt) : doubt))
          : await check(wrong.map(({ standing }) => replay.current(standing)));
      doubts = [...doubts.filter(({ verdict }) => verdict.is !== "wrong"), ...again];
    }
    return doubts;
  }

  const isWhole = await catchUp();
  if (!options.entries || !isWhole) return { head, from, entries: null, findings, unproven };
  for (const { standing, verdict } of (await doubtsAboutEntries()).toSorted(bySeq)) {
    const { id, controller } = standing;
    const { is, ...fault } = verdict;
    (is === "wrong" ? findings : unproven).add({ ...fault, controller, id });
  }
  return { head, from, entries: countByState(replay), findings, unproven };
}

/** Checks that a log which was there before has not become shorter, and is not another registry's. */
function checkContinuation(head: LogHead, earlier: LogHead, findings: Findings): void {
  if (earlier.registry !== head.registry) {
    throw new Refusal(`The earlier audit was of ${earlier.registry}; this registry is ${head.registry}.`);
  }
  if (head.seq >= earlier.seq) return;
  const detail = `The log ends with entry ${head.seq}; at ${earlier.time} the registry signed that it had ${earlier.seq}: ${earlier.seq - head.seq} were taken away.`;
  findings.add({ check: "history", seq: head.seq + 1, detail });
}

function isChanging({ standing }: Doubt, replay: Replay): boolean {
  return replay.current(standing).seq !== standing.seq;
}

function undecided({ standing, verdict }: Doubt): Doubt {
  const detail = `It changed each time when it was looked at. At last: ${verdict.detail}`;
  return { standing, verdict: { ...verdict, is: "unproven", detail } };
}

function bySeq(a: Doubt, b: Doubt): number {
  return a.verdict.seq - b.verdict.seq;
}

function countByState(replay: Replay): Record<Standing["state"], number> {
  const counts = { listed: 0, retracted: 0, unlisted: 0, absent: 0 };
  for (const { state } of replay.standings) counts[state] += 1;
  return counts;
}

/** Runs `task` on each item, on some at once. */
async function forEachAtOnce<Item>(items: Iterable<Item>, task: (item: Item) => Promise<void>): Promise<void> {
  const queue = Iterator.from(items);
  const work = async () => {
    for (const item of queue) await task(item);
  };
  await Promise.all(Array.from({ length: entriesAtOnce }, work));
}
