import { limits } from "../base/limits.ts";
import { loggerOf } from "../base/log.ts";
import type { Database, Queryable } from "../db/client.ts";
import { startConsumer } from "../db/consumer.ts";
import { appendToJournal, type JournalPosition, type JournalRow } from "../db/journal.ts";
import { hostOfDid } from "../identity/domain-badge.ts";
import { credentialsInDescription } from "../identity/credentials.ts";
import { type AssessmentRow, createAssessmentStore, isAbout } from "../things/assessment-store.ts";
import { createEntryReader, descriptionOf, type StoredEntry } from "../things/entry-store.ts";
import { type AssessDeps, type Assessment, assessEntry } from "./assess.ts";
import { changedEntries } from "./changed-entries.ts";
import { journalRow } from "./contested-write.ts";
import { entryNamesOf, lookalikeOf, lookalikesAmong } from "./names.ts";
import { strengthOf, trustOf } from "./trust.ts";

/** Milliseconds between two looks whether an assessment is due, where nobody says that there is one. */
const intervalMs = 500;

/** Milliseconds after which another node may take up what this one has not finished. */
const leaseMs = 5 * 60 * 1000;

/** Namesakes that are looked at again when an entry gets a stronger badge. */
const namesakesMax = 100;

export interface AssessorDeps extends AssessDeps {
  db: Database;
  /** Told of every committed change of what readers see. */
  onAppend(position: JournalPosition): void;
}

/** Finds out, and finds out again, what readers can rely on about entries. */
export interface Assessor {
  /** Says that there is news in the journal. */
  wake(): void;
  /** Assesses all that is due, and resolves when nothing is. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Looks at entries after they were accepted: at each change, for what needs no network, in a consumer of the journal;
 * at what needs it, then and from time to time, one after the other. What readers see of it is written with a row in the
 * journal, so that search and events learn of it as of any other change.
 */
export function startAssessor(deps: AssessorDeps): Assessor {
  const { db, clock } = deps;
  const log = loggerOf("assessor");
  const stopping = new AbortController();
  let wakeUp: (() => void) | null = null;
  let news = true;
  const wakeLoop = () => {
    news = true;
    wakeUp?.();
  };

  const consumer = startConsumer({
    name: "assessor",
    db: db.orm,
    batchMax: limits.journalBatchMax,
    handle: (rows, tx) => noteChanges(rows, tx, clock.now()),
    async afterBatch() {
      wakeLoop();
    },
  });

  async function assessDue(): Promise<number> {
    const now = clock.now();
    const until = new Date(now.getTime() + leaseMs);
    const claimed = await createAssessmentStore(db.orm).claimDue(now, until, limits.reviewsMax);
    const results = await Promise.allSettled(claimed.map((row) => assessOne(row, deps)));
    for (const result of results) {
      // It is due again when the lease ends.
      if (result.status === "rejected") log.error("an assessment failed: {error}", { error: result.reason });
    }
    return claimed.length;
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      news = false;
      try {
        if ((await assessDue()) > 0) continue;
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.error("assessments failed: {error}", { error });
      }
      if (news || stopping.signal.aborted) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, intervalMs);
      wakeUp = resolve;
      await promise;
      clearTimeout(timer);
      wakeUp = null;
    }
  }

  const running = run();
  return {
    wake: consumer.wake,
    async settle() {
      while ((await assessDue()) > 0);
    },
    async stop() {
      stopping.abort();
      wakeUp?.();
      await Promise.all([consumer.stop(), running]);
    },
  };
}

/** What a change of entries means at once: their names, and whether they have to be assessed. */
async function noteChanges(rows: JournalRow[], tx: Queryable, now: Date): Promise<void> {
  const store = createAssessmentStore(tx);
  // What the assessor itself has found is no reason to look again.
  const changed = await changedEntries(
    rows.filter(({ kind }) => kind !== "verification"),
    tx,
    now,
    { discoverable: false },
  );
  const keys = [...changed.keys()];
  await store.remove(keys.filter((key) => changed.get(key) === undefined));
  const current = [...changed.values()].filter((stored) => stored !== undefined);
  const known = await store.find(current.map(({ entry }) => entry.key));
  const named = current.map((stored) => {
    const { entry } = stored;
    const td = descriptionOf(stored);
    const strength = strengthOf(trustOf(entry, known.get(entry.key), now).badges);
    return { stored, td, key: entry.key, names: entryNamesOf(td), strength };
  });
  await store.putNames(new Map(named.map(({ key, names, strength }) => [key, { names, strength }])));
  const lookalikes = lookalikesAmong(await store.findLikeNames(named));
  const due = named.filter(
    ({ stored: { entry }, td, key }) =>
      lookalikes.has(key) ||
      known.has(key) ||
      entry.proofExpires !== null ||
      (entry.controller !== null && (hostOfDid(entry.controller) !== null || credentialsInDescription(td).length > 0)),
  );
  await store.request(
    due.map(({ key }) => key),
    now,
  );
}

/** Assesses one entry and writes what was found. */
async function assessOne(claimed: AssessmentRow, deps: AssessorDeps): Promise<void> {
  const { db, clock } = deps;
  const [stored] = await createEntryReader(db.orm).findCurrent([claimed.key], clock.now());
  if (stored === undefined) return createAssessmentStore(db.orm).remove([claimed.key]);
  const assessment = await assessEntry(stored, claimed, deps);
  const named = nameOf(stored, assessment, clock.now());
  const before = isAbout(claimed, stored.entry.versionDigest) ? claimed : null;
  const position = await db.orm.transaction((tx) => writeAssessment(named, before, assessment, tx, clock.now()));
  if (position !== null) deps.onAppend(position);

  if (named.strength > Math.max(1, strengthOf(before?.badges ?? []))) {
    const store = createAssessmentStore(db.orm);
    await store.request(await store.findWeakerNamesakes(named.names, named.strength, namesakesMax), clock.now());
  }
}

/** The names of an entry, with what its badges make of them. */
function nameOf(stored: StoredEntry, assessment: Assessment, now: Date) {
  const { badges } = trustOf(stored.entry, { ...assessment, lookalike: null }, now);
  return { key: stored.entry.key, names: entryNamesOf(descriptionOf(stored)), strength: strengthOf(badges) };
}

/** Writes what was found; returns its place in the journal if readers see a difference. */
async function writeAssessment(
  named: ReturnType<typeof nameOf>,
  before: AssessmentRow | null,
  assessment: Assessment,
  tx: Queryable,
  now: Date,
): Promise<JournalPosition | null> {
  const store = createAssessmentStore(tx);
  const { key } = assessment;
  // A change that came meanwhile has asked for an assessment of its own.
  if (!(await store.holds(key, assessment.versionDigest))) return null;
  await store.putNames(new Map([[key, named]]));
  const row: AssessmentRow = { ...assessment, lookalike: lookalikeOf(await store.findLikeNames([named])) };
  await store.put(row);
  if (visibleIn(row) === visibleIn(before)) return null;
  const entry = await createEntryReader(tx).readFacts(key);
  return entry === null ? null : appendToJournal(tx, journalRow("verification", entry, entry, now));
}

/** What readers see of an assessment, to compare; without one, an entry that has just been accepted. */
function visibleIn(row: AssessmentRow | null): string {
  const { state, badges, lookalike } = row ?? { state: "verified", badges: [], lookalike: null };
  return JSON.stringify([state, badges.map(({ badge }) => badge), lookalike?.of, lookalike?.field]);
}
