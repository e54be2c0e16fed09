import { limits } from "../base/limits.ts";
import { departed, isForgiven, isHeld } from "./hold.ts";
import { nameKey } from "./instance-name.ts";
import type { Observations, ServiceObservation } from "./observations.ts";
import { createRate } from "../base/rate.ts";
import {
  type Job,
  type LocalEntry,
  merged,
  newService,
  noFacts,
  type Outcome,
  reportOf,
  type Service,
  type ServiceReport,
  without,
} from "./service.ts";
import { type Facts, targetOf } from "./target.ts";

/** All in milliseconds. */
export interface ServiceSettings {
  /** How long a service may be silent before it is checked. */
  ttlMs: number;
  /** Time between two checks of a service that failed once, or is silent. */
  checkMs: number;
  /** Time between two fetches of a service that is well. */
  refreshMs: number;
  /** Time between two fetches of a service whose announcement changes. */
  changeMs: number;
}

/** A record that would complete what is known of a service. */
export interface MissingRecord {
  name: string;
  type: "SRV" | "TXT" | "A";
}

/** What the local network offers. All instants are milliseconds and never go back. */
export interface Services {
  /** Takes in what a packet from `sender` said. */
  hear(heard: Observations, sender: string, now: number): void;
  /**
   * Takes up, after a start, the entries of a service that was known before; it has to be heard again. False if there
   * is no room.
   */
  restore(name: string, entries: readonly LocalEntry[], now: number): boolean;
  /** The jobs to start at `now`. Each has to be finished. */
  next(now: number): Job[];
  /** Says how a job ended. */
  finish(job: Job, outcome: Outcome, now: number): void;
  /** Records to ask the network for at `now`. */
  missing(now: number): MissingRecord[];
  /** Whether a service announces a thing, at a URL for which `counts`. */
  announces(thingId: string, counts: (url: string) => boolean): boolean;
  /** What readers are shown. */
  list(now: number): ServiceReport[];
}

/** How often missing records are asked for. The time between doubles each time, from `askMs` milliseconds. */
const asksMax = 4;
const askMs = 250;
/** A withdrawn service is asked for so much later, in milliseconds: if it is there, it says so (RFC 6762 §10.1). */
const doubtMs = 1_000;
/** Failures in a row that end the entries of a service. */
const failuresMax = 2;

/**
 * What the local network offers, as a state machine: it is told what was heard and how its jobs ended, and says what is
 * to be done next. It has neither clock nor network.
 *
 * - Who announces a service first is believed, as long as the service answers: others can only have it asked again.
 * - A service that is withdrawn, or fails twice in a row, ends with its entries. Silence alone leads to a fetch.
 * - One that comes and goes is held back for a time that grows.
 */
export function createServices(settings: ServiceSettings, startAt: number): Services {
  const { ttlMs, checkMs, refreshMs, changeMs } = settings;
  const table = new Map<string, Service>();
  const newcomers = createRate(limits.lanNewServicesMax, limits.lanNewServicesPerSecondMax, startAt);

  /** A place in the table for a new service; undefined if there is none. */
  function take(name: string, sender: string | null, now: number): Service | undefined {
    if (table.size >= limits.lanServicesMax && !evict()) return undefined;
    const service = newService(name, sender, now);
    table.set(nameKey(name), service);
    return service;
  }

  /** How many more services `sender` may announce. */
  function roomOf(sender: string): number {
    const count = table.values().reduce((sum, { announcer }) => sum + (announcer === sender ? 1 : 0), 0);
    return limits.lanServicesPerAnnouncerMax - count;
  }

  /** Makes room by the service that was heard longest ago of those that came to nothing. */
  function evict(): boolean {
    const useless = [...table].filter(([, { standing, job, leaving, known }]) => {
      return (
        standing !== "admitted" &&
        standing !== "neighbour" &&
        job === null &&
        leaving.length + known.entries.length === 0
      );
    });
    const oldest = useless.sort(([, a], [, b]) => a.lastSeen - b.lastSeen)[0];
    return oldest !== undefined && table.delete(oldest[0]);
  }

  function hearService(
    observation: ServiceObservation,
    hosts: Observations["hosts"],
    sender: string,
    now: number,
  ): void {
    const known = table.get(nameKey(observation.name));
    if (observation.goodbye) {
      if (known?.present !== true) return;
      // Whoever else says so may be wrong, or lying: then the service itself is asked.
      if (isTrusted(known, sender)) depart(known, now, "counted");
      else doubt(known, now);
      return;
    }
    const service = known ?? take(observation.name, sender, now);
    if (service === undefined) return;
    if (!service.present) {
      service.present = true;
      service.announcer = sender;
      service.dueAt = Math.max(now, service.hold.until);
    }
    service.lastSeen = now;
    service.silent = false;
    const location = observation.location ?? service.facts.location;
    const heard = location === null ? undefined : hosts.get(nameKey(location.host));
    const isSameHost = location?.host === service.facts.location?.host;
    const address = heard ?? (isSameHost ? service.facts.address : null);
    merge(service, { location, text: observation.text ?? service.facts.text, address }, sender, now);
  }

  function hearHosts(hosts: Observations["hosts"], sender: string, now: number): void {
    if (hosts.size === 0) return;
    for (const service of table.values()) {
      const address = service.present && service.hostKey !== null ? hosts.get(service.hostKey) : undefined;
      if (address !== undefined) merge(service, { ...service.facts, address }, sender, now);
    }
  }

  /** Takes facts over, if they are new, and if who announces them may change what is known. */
  function merge(service: Service, facts: Facts, sender: string, now: number): void {
    if (JSON.stringify(facts) !== JSON.stringify(service.facts)) {
      const isWell = service.target.kind === "fetch" && service.failures === 0;
      if (isWell && !isTrusted(service, sender)) return doubt(service, now);
      const isChange = service.target.kind !== "incomplete";
      if (isChange || service.announcer === null) service.announcer = sender;
      if (isChange) service.round += 1;
      service.facts = facts;
      service.hostKey = facts.location === null ? null : nameKey(facts.location.host);
      service.target = targetOf(facts);
      if (service.target.kind === "fetch") {
        service.dueAt = Math.max(now, service.hold.until, isChange ? service.fetchedAt + changeMs : 0);
      } else if (service.target.kind !== "incomplete") {
        release(service, []);
        Object.assign(service, {
          standing: "none",
          title: null,
          error: service.target.reason,
          failures: 0,
          dueAt: null,
        });
      }
    }
    if (service.target.kind === "incomplete" && service.asked === 0) service.askAt ??= now;
  }

  /** Whether `sender` announced the service, or is where it is. After a restart nobody remembers who announced it. */
  function isTrusted({ announcer, target }: Service, sender: string): boolean {
    return announcer === null || announcer === sender || (target.kind === "fetch" && target.address === sender);
  }

  /** Has a service fetched soon, to see whether it is as it was. */
  function doubt(service: Service, now: number): void {
    if (service.dueAt === null) return;
    service.dueAt = Math.min(service.dueAt, Math.max(now, service.hold.until, service.fetchedAt + checkMs));
  }

  /** Keeps those of its entries that are among `entries`, and has the others ended. */
  function release(service: Service, entries: readonly LocalEntry[]): void {
    service.leaving = without(merged(service.leaving, service.known.entries), entries);
    service.known = { entries, digest: null };
  }

  function depart(service: Service, now: number, how: "counted" | "uncounted"): void {
    release(service, []);
    if (how === "counted") service.hold = departed(service.hold, now);
    service.facts = noFacts;
    service.hostKey = null;
    service.target = { kind: "incomplete" };
    service.present = false;
    service.silent = false;
    service.standing = "none";
    service.title = null;
    service.error = null;
    service.failures = 0;
    service.dueAt = null;
    service.round += 1;
    service.asked = 0;
    service.askAt = now + doubtMs;
  }

  function fail(service: Service, error: string, now: number): void {
    service.failures += 1;
    service.error = error;
    service.dueAt = now + Math.min(checkMs * 2 ** Math.max(0, service.failures - failuresMax), refreshMs + checkMs);
    if (service.failures < failuresMax) return;
    const wasThere = service.standing === "admitted" || service.standing === "neighbour";
    if (service.silent) return depart(service, now, wasThere ? "counted" : "uncounted");
    release(service, []);
    if (wasThere) service.hold = departed(service.hold, now);
    service.standing = "none";
    service.dueAt = Math.max(service.dueAt, service.hold.until);
  }

  function finishFetch(service: Service, outcome: Outcome, now: number): void {
    if (outcome.kind === "failed") return fail(service, outcome.error, now);
    service.failures = 0;
    service.error = null;
    service.dueAt = now + refreshMs;
    if (outcome.kind === "directory") {
      release(service, []);
      service.standing = "neighbour";
      service.title = outcome.title;
    } else if (outcome.kind === "things") {
      const entries = merged(outcome.known.entries, outcome.remaining);
      release(service, entries);
      service.known = { entries, digest: outcome.known.digest };
      service.standing = entries.length > 0 ? "admitted" : "refused";
      service.title = outcome.title;
      service.error = outcome.error;
    }
  }

  /** What was fetched is not what is announced any more. Its entries go, unless the next fetch brings them again. */
  function finishStale(service: Service, outcome: Outcome): void {
    if (outcome.kind !== "things") return;
    const entries = merged(outcome.known.entries, outcome.remaining);
    if (service.target.kind === "fetch") {
      service.known = { entries: merged(service.known.entries, entries), digest: null };
    } else {
      service.leaving = merged(service.leaving, entries);
    }
  }

  /** Notices silence, and forgets what is gone for good. */
  function settle(service: Service, now: number): void {
    if (service.present && !service.silent && now - service.lastSeen >= ttlMs) {
      service.silent = true;
      const isChecked = service.target.kind === "fetch" || service.known.entries.length > 0;
      if (!isChecked || isHeld(service.hold, now)) depart(service, now, "uncounted");
      else if (service.job === null) service.dueAt = now;
    }
    const isBusy = service.present || service.job !== null || service.leaving.length > 0 || service.askAt !== null;
    if (!isBusy && isForgiven(service.hold, now)) table.delete(nameKey(service.name));
  }

  /** Services whose time has come: those that are well first, then new ones, then those that failed. */
  function dueServices(now: number): Service[] {
    const rank = ({ standing, failures }: Service) => (standing === "none" ? 1 + failures : 0);
    return [...table.values()]
      .filter(({ present, job, leaving, dueAt, target, silent }) => {
        const isIdle = present && job === null && leaving.length === 0;
        return isIdle && dueAt !== null && dueAt <= now && (target.kind === "fetch" || silent);
      })
      .sort((a, b) => rank(a) - rank(b) || (a.dueAt ?? 0) - (b.dueAt ?? 0));
  }

  function startEnds(now: number): Job[] {
    return [...table.values()].flatMap((service) => {
      if (service.job !== null || service.leaving.length === 0 || service.endAt > now) return [];
      service.job = { kind: "end", name: service.name, entries: service.leaving };
      return [service.job];
    });
  }

  function startFetches(now: number): Job[] {
    const running = [...table.values()].flatMap(({ job }) => (job?.kind === "fetch" ? [job.target.address] : []));
    return dueServices(now).flatMap((service) => {
      const { name, target, known, round } = service;
      if (target.kind !== "fetch") {
        fail(service, "It was not heard since this registry started.", now);
        return [];
      }
      const ofAddress = running.filter((address) => address === target.address).length;
      if (running.length >= limits.lanFetchesMax || ofAddress >= limits.lanFetchesPerAddressMax) return [];
      running.push(target.address);
      service.fetchedAt = now;
      service.dueAt = null;
      service.job = { kind: "fetch", name, target, known, round };
      return [service.job];
    });
  }

  function missingOf(service: Service, now: number): MissingRecord[] {
    const { name, facts, target, present, askAt } = service;
    if (askAt === null || askAt > now) return [];
    if (present && target.kind !== "incomplete") {
      service.askAt = null;
      return [];
    }
    service.asked += 1;
    if (present && service.asked === asksMax)
      service.error = "Its IPv4 address, its port or its TXT record was not announced.";
    service.askAt = present && service.asked < asksMax ? now + askMs * 2 ** service.asked : null;
    if (facts.location === null || facts.text === null) {
      return [
        { name, type: "SRV" },
        { name, type: "TXT" },
      ];
    }
    return facts.address === null ? [{ name: facts.location.host, type: "A" }] : [];
  }

  return {
    hear({ services, hosts }, sender, now) {
      let room = services.length > 0 ? roomOf(sender) : 0;
      for (const service of services) {
        const isNew = !service.goodbye && !table.has(nameKey(service.name));
        if (isNew && (room <= 0 || !newcomers.take(now))) continue;
        if (isNew) room -= 1;
        hearService(service, hosts, sender, now);
      }
      hearHosts(hosts, sender, now);
    },
    restore(name, entries, now) {
      const service = table.get(nameKey(name)) ?? take(name, null, now);
      if (service === undefined) return false;
      service.present = true;
      service.standing = "admitted";
      service.known = { entries: merged(service.known.entries, entries), digest: null };
      return true;
    },
    next(now) {
      for (const service of table.values()) settle(service, now);
      const fetches = startFetches(now);
      // What is not there any more has shown itself only now.
      return [...startEnds(now), ...fetches];
    },
    finish(job, outcome, now) {
      const service = table.get(nameKey(job.name));
      if (service?.job !== job) throw new Error("a job that was not started has ended");
      service.job = null;
      if (job.kind === "end") {
        if (outcome.kind === "ended") service.leaving = without(service.leaving, job.entries);
        else service.endAt = now + checkMs;
      } else if (job.round === service.round) finishFetch(service, outcome, now);
      else finishStale(service, outcome);
    },
    missing: (now) => [...table.values()].flatMap((service) => missingOf(service, now)),
    announces: (thingId, counts) =>
      table.values().some(({ known, target }) => {
        return (
          target.kind === "fetch" && counts(target.url) && known.entries.some((entry) => entry.thingId === thingId)
        );
      }),
    list: (now) =>
      [...table.values()]
        .filter(({ present, hold }) => present || isHeld(hold, now))
        .map((service) => reportOf(service, now)),
  };
}
