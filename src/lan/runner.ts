import type { Admission } from "../admission/admission.ts";
import type { Clock } from "../base/clock.ts";
import type { Egress } from "../base/egress.ts";
import { loggerOf } from "../base/log.ts";
import type { EntryReader } from "../things/entry-store.ts";
import { fetchService } from "./fetch-things.ts";
import type { Job, Outcome } from "./service.ts";
import type { Services } from "./services.ts";

/** Does what the services call for. */
export interface Runner {
  /** Starts what is to be done now. */
  run(): void;
  /** Gives up what is under way, and starts nothing more. */
  stop(): Promise<void>;
}

export interface RunnerDeps {
  services: Services;
  egress: Egress;
  admission: Pick<Admission, "publish" | "endLocal">;
  entries: Pick<EntryReader, "findAllOfThing">;
  clock: Clock;
  /** Milliseconds. */
  now(): number;
}

export function createRunner(deps: RunnerDeps): Runner {
  const { services, admission, now } = deps;
  const log = loggerOf("lan");
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();

  async function outcomeOf(job: Job): Promise<Outcome> {
    try {
      if (job.kind === "fetch") return await fetchService(job, { ...deps, signal: stopping.signal });
      for (const entry of job.entries) await admission.endLocal({ ...entry, origin: job.name });
      log.info("{service} has left, with {entries} entries", { service: job.name, entries: job.entries.length });
      return { kind: "ended" };
    } catch (error) {
      log.error("{job} of {service} failed: {error}", { job: job.kind, service: job.name, error });
      return { kind: "failed", error: "The registry could not do it; its log says why." };
    }
  }

  async function work(job: Job): Promise<void> {
    services.finish(job, await outcomeOf(job), now());
    if (!stopping.signal.aborted) run();
  }

  function run(): void {
    for (const job of services.next(now())) {
      const one = work(job).finally(() => running.delete(one));
      running.add(one);
    }
  }

  return {
    run,
    async stop() {
      stopping.abort(new Error("the registry stops"));
      await Promise.all(running);
    },
  };
}
