import type { EntryKey, ThingId } from "../base/ids.ts";
import { Problem } from "../base/problem.ts";
import type { Queryable } from "../db/client.ts";
import type { JournalPosition } from "../db/journal.ts";
import type { EntryRow } from "../things/entry-store.ts";
import { createEntryWriter } from "../things/entry-writer.ts";
import { mapBounded } from "./bounded.ts";
import type { Place } from "./contested-write.ts";
import { decide } from "./decide.ts";
import type { Permitted, Receipt } from "./stages.ts";
import { noteListings, receipt, store, type Written, writtenFor } from "./store.ts";

/** Things whose documents are stored at once, where each needs statements of its own. */
const storesAtOnceMax = 8;

/** A document of a batch, and what becomes of it where it is the first one of a new thing. */
interface Creation {
  permitted: Permitted;
  written: Written;
}

/**
 * Stores many permitted documents as `store` would one after the other: what is simply new is written in one statement,
 * after all that is known of the batch's things was read in another one. Resolves to a receipt or a Problem for each, in
 * their order; what was refused before, stays so. Rejects with any other error.
 */
export async function storeAll(
  batch: readonly (Permitted | Problem)[],
  place: Place,
  now: Date,
): Promise<(Receipt | Problem)[]> {
  const open = batch.filter((one): one is Permitted => !(one instanceof Problem));
  const ofThings = Map.groupBy(open, ({ attested }) => attested.candidate.thingId);
  const known = await readKnown([...ofThings.keys()], place);

  // Only the first document of a thing meets what was read.
  const creations = new Map<ThingId, Creation>();
  for (const [thingId, [first]] of ofThings) {
    if (first === undefined) continue;
    const written = creationOf(first, known.get(thingId) ?? [], now);
    if (written !== null) creations.set(thingId, { permitted: first, written });
  }
  const positions = await putAll([...creations.values()], place, now);

  const results = new Map<Permitted, Receipt | Problem>();
  await mapBounded([...ofThings], storesAtOnceMax, async ([thingId, documents]) => {
    const creation = creations.get(thingId);
    const position = creation && positions.get(creation.written.entry.key);
    for (const [index, permitted] of documents.entries()) {
      const isFirst = index === 0;
      if (isFirst && creation !== undefined && position !== undefined) {
        results.set(permitted, receipt(creation.written.outcome, creation.written.entry, position, permitted));
        continue;
      }
      // What could not be created met another writer: what was read of it does not hold any more.
      const read = isFirst && creation === undefined ? (known.get(thingId) ?? []) : undefined;
      results.set(permitted, await orProblem(store(permitted, place, now, read)));
    }
  });
  return batch.map((one) => {
    const result = one instanceof Problem ? one : results.get(one);
    if (result === undefined) throw new Error("a document without a result");
    return result;
  });
}

/** Resolves to what `promise` does, or to the Problem with which it rejects. */
export async function orProblem<Result>(promise: Promise<Result>): Promise<Result | Problem> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

async function readKnown(thingIds: readonly ThingId[], { entries }: Place): Promise<Map<ThingId, EntryRow[]>> {
  if (thingIds.length === 0) return new Map();
  return Map.groupBy(await entries.findAllOfThings(thingIds), ({ thingId }) => thingId);
}

/** What is written for a document that needs nothing but a new entry; null for any other. */
function creationOf(permitted: Permitted, rows: readonly EntryRow[], now: Date): Written | null {
  const { candidate } = permitted.attested;
  // What is refused is refused, or done, when its turn comes.
  if (rows.some(({ controller }) => controller === permitted.attested.controller) || candidate.alias !== null)
    return null;
  try {
    const decision = decide(permitted.attested, rows, now);
    const isPlain = decision.action === "create" && decision.supersedes === null;
    return isPlain ? writtenFor(permitted, decision, now) : null;
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

async function putAll(
  creations: readonly Creation[],
  { db }: Place,
  now: Date,
): Promise<Map<EntryKey, JournalPosition>> {
  if (creations.length === 0) return new Map();
  const put = (on: Queryable) => createEntryWriter(on).putNew(creations.map(({ written }) => written));
  const listed = creations.flatMap(({ permitted, written: { entry } }) => {
    const { listing } = permitted.attested.candidate.submission;
    return listing === undefined ? [] : [{ entry, listing }];
  });
  if (listed.length === 0) return put(db);
  return db.transaction(async (tx) => {
    const positions = await put(tx);
    await noteListings(
      listed.filter(({ entry }) => positions.has(entry.key)),
      tx,
      now,
    );
    return positions;
  });
}
