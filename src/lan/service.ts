import type { Did, ThingId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { type Hold, isHeld, noHold } from "./hold.ts";
import { type Facts, type ServiceType, type Target, typeOf } from "./target.ts";

/** An entry that came in by an announcement. */
export interface LocalEntry {
  thingId: ThingId;
  controller: Did | null;
}

/** What is to be done for a service. Of one service there is at most one job at a time. */
export type Job =
  /** Fetch what is announced, and admit it. */
  | { kind: "fetch"; name: string; target: Extract<Target, { kind: "fetch" }>; known: Known; round: number }
  /** End entries. */
  | { kind: "end"; name: string; entries: readonly LocalEntry[] };

/** What the last fetch of a service brought. */
export interface Known {
  entries: readonly LocalEntry[];
  /** The digest of what was fetched, if it need not be admitted again; otherwise null. */
  digest: string | null;
}

/** How a job ended. */
export type Outcome =
  /** `remaining`: entries of before that are still announced, although their new descriptions were refused. */
  | { kind: "things"; known: Known; remaining: readonly LocalEntry[]; title: string | null; error: string | null }
  | { kind: "directory"; title: string | null }
  | { kind: "ended" }
  /** It could not be done; of a fetch, a failed check. */
  | { kind: "failed"; error: string };

/**
 * How a service stands: `found`, and not fetched yet; `fetching` for the first time; `admitted`, with entries;
 * `neighbour`, a directory; `refused`, since it must not be fetched or is no Thing; `failing` to answer; `flapping`, and
 * held back; `not-fetched`, since its protocol is not spoken.
 */
export const serviceStates = [
  "found",
  "fetching",
  "admitted",
  "neighbour",
  "refused",
  "failing",
  "flapping",
  "not-fetched",
] as const;
export type ServiceState = (typeof serviceStates)[number];

/** A service as readers see it. */
export interface ServiceReport {
  instance: string;
  type: ServiceType;
  host: string | null;
  address: string | null;
  port: number | null;
  url: string | null;
  state: ServiceState;
  /** The ids of its entries. */
  ids: ThingId[];
  title: string | null;
  lastSeen: Date;
  error: string | null;
}

/** What is kept of a service. All instants are milliseconds. */
export interface Service {
  name: string;
  facts: Facts;
  /** The key of the host's name in the facts. */
  hostKey: string | null;
  target: Target;
  /** Who announced the facts; null where nobody did yet. */
  announcer: string | null;
  /** Whether it is announced, as far as was heard. */
  present: boolean;
  lastSeen: number;
  /** Whether its silence was noticed. */
  silent: boolean;
  standing: "none" | "admitted" | "neighbour" | "refused";
  known: Known;
  /** Entries that have to be ended. */
  leaving: readonly LocalEntry[];
  title: string | null;
  error: string | null;
  /** Fetches that failed in a row. */
  failures: number;
  /** When to fetch next; null: not at all. */
  dueAt: number | null;
  fetchedAt: number;
  /** When to try again to end entries. */
  endAt: number;
  job: Job | null;
  /** Changes when what is under way has become meaningless. */
  round: number;
  hold: Hold;
  /** How often missing records were asked for, and when to ask next; null: not at all. */
  asked: number;
  askAt: number | null;
}

export const noFacts: Facts = { location: null, text: null, address: null };

export function newService(name: string, announcer: string | null, now: number): Service {
  return {
    name,
    facts: noFacts,
    hostKey: null,
    target: { kind: "incomplete" },
    announcer,
    present: false,
    lastSeen: now,
    silent: false,
    standing: "none",
    known: { entries: [], digest: null },
    leaving: [],
    title: null,
    error: null,
    failures: 0,
    dueAt: null,
    fetchedAt: Number.NEGATIVE_INFINITY,
    endAt: 0,
    job: null,
    round: 0,
    hold: noHold,
    asked: 0,
    askAt: null,
  };
}

/** What readers are shown of a service. */
export function reportOf(service: Service, now: number): ServiceReport {
  const { facts, target, hold } = service;
  return {
    instance: service.name,
    type: typeOf(facts),
    host: facts.location?.host ?? null,
    address: facts.address !== null && "address" in facts.address ? facts.address.address : null,
    port: facts.location?.port ?? null,
    url: target.kind === "fetch" ? target.url : null,
    state: stateOf(service, now),
    ids: service.known.entries.map(({ thingId }) => thingId),
    title: service.title,
    lastSeen: new Date(service.lastSeen),
    error: isHeld(hold, now)
      ? `It came and went ${limits.lanDeparturesMax} times within a minute, and is held back until ${new Date(hold.until).toISOString()}.`
      : service.error,
  };
}

function stateOf({ hold, target, standing, failures, job }: Service, now: number): ServiceState {
  if (isHeld(hold, now)) return "flapping";
  if (target.kind === "refused" || target.kind === "not-fetched") return target.kind;
  if (failures > 0) return "failing";
  if (standing !== "none") return standing;
  return job?.kind === "fetch" ? "fetching" : "found";
}

/** `entries` but those that are among `others`. */
export function without(entries: readonly LocalEntry[], others: readonly LocalEntry[]): LocalEntry[] {
  return entries.filter(({ thingId, controller }) => {
    return !others.some((other) => other.thingId === thingId && other.controller === controller);
  });
}

/** `entries`, and of `others` those that are not among them. */
export function merged(entries: readonly LocalEntry[], others: readonly LocalEntry[]): LocalEntry[] {
  return [...entries, ...without(others, entries)];
}
