import { setImmediate } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import type { ThingId } from "../base/ids.ts";
import { isJsonObject, parseJson } from "../base/json.ts";
import { loggerOf } from "../base/log.ts";
import { Problem } from "../base/problem.ts";
import type { Database } from "../db/client.ts";
import { comparePositions, type JournalPosition } from "../db/journal.ts";
import type { DidResolver } from "../identity/resolver.ts";
import { isUri } from "../things/description.ts";
import { createEntryReader, etagOfEntry } from "../things/entry-store.ts";
import { mergePatch } from "../things/merge-patch.ts";
import { attest } from "./attest.ts";
import { type AdmissionMode, authorize } from "./authorize.ts";
import { mapBounded } from "./bounded.ts";
import { signedEntry } from "./decide.ts";
import { parse, validate } from "./intake.ts";
import { createListings, type Listings } from "./listings.ts";
import {
  type Act,
  chooseVisibility,
  type Departure,
  endLocalEntry,
  removeEntry,
  type Renewal,
  renewEntry,
  type VisibilityChoice,
} from "./registration.ts";
import type { Door, Outcome, Permitted, Receipt, Submission } from "./stages.ts";
import { Stopwatch } from "./stopwatch.ts";
import { store } from "./store.ts";
import { orProblem, storeAll } from "./store-all.ts";

/** How often a merge patch is applied anew when others change the entry meanwhile. */
const patchAttemptsMax = 5;

/** Documents of a batch whose signers are looked up at once. */
const attestedAtOnceMax = 8;

export interface AdmissionDeps {
  db: Database;
  resolver: DidResolver;
  clock: Clock;
  mode: AdmissionMode;
  /** The origin of this registry, as others see it. */
  origin(): string;
  /** Told of every committed change, so that consumers of the journal need not wait for their next look. */
  onAppend(position: JournalPosition): void;
  /** Told of every admission, for metrics. */
  onAdmission(record: AdmissionRecord): void;
}

/** One admission, as it is logged and counted. */
export interface AdmissionRecord {
  door: Door;
  intent: "publish" | "patch" | "remove" | "renew" | "visibility";
  outcome: Outcome | Problem["type"];
  /** By stage. `store` of a document in a batch is the time that it took to store the batch. */
  milliseconds: Record<string, number>;
}

/** What a door sends in. */
type Intake = Omit<Submission, "knownAs">;

export interface PatchRequest extends Act {
  patch: Uint8Array;
}

/**
 * The single write path. Whatever the door, a document goes through parse, validate, attest, authorize and store;
 * each stage has a type of its own, so that none can be skipped.
 */
export interface Admission extends Listings {
  /** Admits a description or Tombstone. Throws a Problem that says why not. */
  publish(submission: Intake): Promise<Receipt>;
  /**
   * Admits many documents, as `publish` would one after the other, but faster. Resolves to a receipt for each, or a
   * Problem that says why not, in their order; rejects with any other error, of which some may have been admitted.
   */
  publishAll(submissions: readonly Intake[]): Promise<(Receipt | Problem)[]>;
  /** Applies a JSON Merge Patch (RFC 7396) to an unsigned entry. */
  patch(request: PatchRequest): Promise<Receipt>;
  /** Deletes an unsigned entry, or unlists a signed one for its controller or an operator. */
  remove(act: Act): Promise<Receipt>;
  /** Lists an entry for its ttl from now on. */
  renew(renewal: Renewal): Promise<Receipt>;
  /** Lets a controller choose who finds an entry. */
  chooseVisibility(choice: VisibilityChoice): Promise<Receipt>;
  /** Ends an entry that is not on the local network any more; false if it was none. */
  endLocal(departure: Departure): Promise<boolean>;
}

export function createAdmission(deps: AdmissionDeps): Admission {
  const { db, clock } = deps;
  const log = loggerOf("admission");
  const reader = createEntryReader(db.orm);
  const place = { db: db.orm, entries: reader };

  /** The stages up to what is written. */
  async function permit(submission: Intake, watch: Stopwatch): Promise<Permitted> {
    const known = await knownUnderAlias(submission.target);
    const draft = watch.time("parse", () => parse(known === null ? submission : { ...submission, knownAs: known }));
    const candidate = watch.time("validate", () => validate(draft));
    const attested = await watch.timeAsync("attest", () => attest(candidate, deps));
    return authorize(attested, deps.mode, clock.now());
  }

  async function runRiver(submission: Intake, watch: Stopwatch): Promise<Receipt> {
    const permitted = await permit(submission, watch);
    // One instant for both: a lease counts from when its entry was registered.
    return watch.timeAsync("store", () => store(permitted, place, permitted.at));
  }

  async function publishAll(submissions: readonly Intake[]): Promise<(Receipt | Problem)[]> {
    const watches = submissions.map(() => new Stopwatch());
    const permissions = await mapBounded(submissions, attestedAtOnceMax, async (submission, index) => {
      // Checking a proof keeps the process busy: between two of them others get their turn.
      await setImmediate();
      return orProblem(permit(submission, watches[index] ?? new Stopwatch()));
    });
    const storing = new Stopwatch();
    const results = await storing.timeAsync("store", () => storeAll(permissions, place, clock.now()));

    const positions = results.flatMap((result) => (result instanceof Problem ? [] : (result.position ?? [])));
    const [last] = positions.sort((a, b) => comparePositions(b, a));
    if (last !== undefined) deps.onAppend(last);
    for (const [index, result] of results.entries()) {
      const { door } = submissions[index] as Intake;
      const laps = permissions[index] instanceof Problem ? {} : storing.laps;
      const outcome = result instanceof Problem ? result.type : result.outcome;
      report(door, "publish", outcome, { ...watches[index]?.laps, ...laps });
    }
    return results;
  }

  /** A path that holds no URI can only name an alias. */
  async function knownUnderAlias(target: readonly string[] | null): Promise<ThingId | null> {
    const alias = target?.find((reading) => !isUri(reading));
    return alias === undefined ? null : reader.findAlias(alias);
  }

  async function patchOnce(request: PatchRequest, watch: Stopwatch): Promise<Receipt> {
    const stored = await reader.findPrimary(request.thingId, clock.now());
    if (stored === null) throw new Problem("not-found", `There is no entry ${request.thingId}.`);
    if (stored.entry.state === "retracted") {
      throw new Problem("gone", `${request.thingId} was retracted by its controller.`);
    }
    if (stored.entry.controller !== null) throw signedEntry(stored.entry.controller);

    const { value: patch } = parseJson(request.patch);
    if (!isJsonObject(patch)) {
      throw new Problem("invalid-patch", "A merge patch of a Thing Description must be a JSON object (RFC 7396).");
    }
    const { value: td } = parseJson(Buffer.from(stored.document));
    if (!isJsonObject(td)) throw new Error("a stored description is not an object");
    const patched = mergePatch(td, patch);
    return runRiver(
      {
        door: request.door,
        evidence: request.evidence,
        bytes: Buffer.from(JSON.stringify(patched)),
        target: [request.thingId],
        precondition: request.precondition ?? { ifMatch: [etagOfEntry(stored.entry)] },
        origin: null,
      },
      watch,
    );
  }

  async function observed(
    door: Door,
    intent: AdmissionRecord["intent"],
    run: (watch: Stopwatch) => Promise<Receipt>,
  ): Promise<Receipt> {
    const watch = new Stopwatch();
    try {
      const receipt = await run(watch);
      if (receipt.position !== null) deps.onAppend(receipt.position);
      report(door, intent, receipt.outcome, watch.laps);
      return receipt;
    } catch (error) {
      report(door, intent, error instanceof Problem ? error.type : "internal-error", watch.laps);
      throw error;
    }
  }

  function report(
    door: Door,
    intent: AdmissionRecord["intent"],
    outcome: AdmissionRecord["outcome"],
    milliseconds: AdmissionRecord["milliseconds"],
  ): void {
    const record = { door, intent, outcome, milliseconds };
    log.info("admission", { ...record });
    deps.onAdmission(record);
  }

  return {
    publish: (submission) => observed(submission.door, "publish", (watch) => runRiver(submission, watch)),
    publishAll,
    ...createListings(deps),

    patch: (request) =>
      observed(request.door, "patch", async (watch) => {
        for (let attempt = 1; ; attempt += 1) {
          try {
            return await patchOnce(request, watch);
          } catch (error) {
            const lostRace = error instanceof Problem && error.type === "precondition-failed";
            if (!lostRace || request.precondition !== undefined || attempt === patchAttemptsMax) throw error;
          }
        }
      }),

    remove: (act) =>
      observed(act.door, "remove", (watch) =>
        watch.timeAsync("store", () => removeEntry(act, place, deps.mode, clock.now())),
      ),

    renew: (renewal) =>
      observed(renewal.door, "renew", (watch) =>
        watch.timeAsync("store", () => renewEntry(renewal, place, deps.mode, clock.now())),
      ),

    chooseVisibility: (choice) =>
      observed(choice.door, "visibility", (watch) =>
        watch.timeAsync("store", () => chooseVisibility(choice, place, deps.mode, clock.now())),
      ),

    async endLocal(departure) {
      const receipt = await endLocalEntry(departure, place, clock.now());
      if (receipt?.position != null) deps.onAppend(receipt.position);
      return receipt !== null;
    },
  };
}
