import type { Clock } from "../base/clock.ts";
import type { ThingId } from "../base/ids.ts";
import { isJsonObject, parseJson } from "../base/json.ts";
import { loggerOf } from "../base/log.ts";
import { Problem } from "../base/problem.ts";
import type { Database } from "../db/client.ts";
import type { JournalPosition } from "../db/journal.ts";
import type { DidResolver } from "../identity/resolver.ts";
import { isUri } from "../things/description.ts";
import { createEntryReader, etagOfEntry } from "../things/entry-store.ts";
import { mergePatch } from "../things/merge-patch.ts";
import { attest } from "./attest.ts";
import { type AdmissionMode, authorize } from "./authorize.ts";
import { signedEntry } from "./decide.ts";
import { parse, validate } from "./intake.ts";
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
import type { Door, Outcome, Receipt, Submission } from "./stages.ts";
import { store } from "./store.ts";

/** How often a merge patch is applied anew when others change the entry meanwhile. */
const patchAttemptsMax = 5;

export interface AdmissionDeps {
  db: Database;
  resolver: DidResolver;
  clock: Clock;
  mode: AdmissionMode;
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
  milliseconds: Record<string, number>;
}

export interface PatchRequest extends Act {
  patch: Uint8Array;
}

/**
 * The single write path. Whatever the door, a document goes through parse, validate, attest, authorize and store;
 * each stage has a type of its own, so that none can be skipped.
 */
export interface Admission {
  /** Admits a description or Tombstone. Throws a Problem that says why not. */
  publish(submission: Omit<Submission, "knownAs">): Promise<Receipt>;
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

  async function runRiver(submission: Omit<Submission, "knownAs">, watch: Stopwatch): Promise<Receipt> {
    const known = await knownUnderAlias(submission.target);
    const draft = watch.time("parse", () => parse(known === null ? submission : { ...submission, knownAs: known }));
    const candidate = watch.time("validate", () => validate(draft));
    const attested = await watch.timeAsync("attest", () => attest(candidate, deps));
    const permitted = authorize(attested, deps.mode, clock.now());
    return watch.timeAsync("store", () => store(permitted, place, clock.now()));
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
    const report = (outcome: AdmissionRecord["outcome"]) => {
      const record = { door, intent, outcome, milliseconds: watch.laps };
      log.info("admission", { ...record });
      deps.onAdmission(record);
    };
    try {
      const receipt = await run(watch);
      if (receipt.position !== null) deps.onAppend(receipt.position);
      report(receipt.outcome);
      return receipt;
    } catch (error) {
      report(error instanceof Problem ? error.type : "internal-error");
      throw error;
    }
  }

  return {
    publish: (submission) => observed(submission.door, "publish", (watch) => runRiver(submission, watch)),

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

/** Milliseconds per stage; `performance.now()` measures spans, the injected clock tells instants. */
class Stopwatch {
  readonly laps: Record<string, number> = {};

  time<Result>(lap: string, run: () => Result): Result {
    const start = performance.now();
    try {
      return run();
    } finally {
      this.#record(lap, start);
    }
  }

  async timeAsync<Result>(lap: string, run: () => Promise<Result>): Promise<Result> {
    const start = performance.now();
    try {
      return await run();
    } finally {
      this.#record(lap, start);
    }
  }

  #record(lap: string, start: number): void {
    this.laps[lap] = Math.round((performance.now() - start) * 1000) / 1000;
  }
}
