import { limits } from "../base/limits.ts";

/** How long comings and goings count together, in milliseconds. */
const windowMs = 60_000;
/** How long a service has to stay, or to stay away, until its past is forgotten, in milliseconds. */
const forgivenMs = 10 * 60_000;

/** The recent past of a service that may be coming and going. All instants are milliseconds. */
export interface Hold {
  /** When it went, within the last minute. */
  departures: readonly number[];
  /** How often it was held back without a quiet time between. */
  strikes: number;
  /** Until when it is held back. */
  until: number;
}

export const noHold: Hold = { departures: [], strikes: 0, until: 0 };

/**
 * What follows from a departure at `now`: the third within a minute holds the service back for a minute, and for twice
 * as long each time that happens again, up to half an hour. While it is held back, nothing counts. Pure.
 */
export function departed(hold: Hold, now: number): Hold {
  if (isHeld(hold, now)) return hold;
  const departures = [...hold.departures.filter((at) => now - at < windowMs), now];
  const strikes = isForgiven(hold, now) ? 0 : hold.strikes;
  if (departures.length < limits.lanDeparturesMax) return { departures, strikes, until: hold.until };
  const ms = Math.min(limits.lanHoldMsMin * 2 ** strikes, limits.lanHoldMsMax);
  return { departures: [], strikes: strikes + 1, until: now + ms };
}

export function isHeld(hold: Hold, now: number): boolean {
  return now < hold.until;
}

/** Whether nothing of the past counts any more, so that it need not be remembered. */
export function isForgiven(hold: Hold, now: number): boolean {
  const last = Math.max(hold.until, hold.departures.at(-1) ?? 0);
  const quietMs = hold.strikes > 0 ? forgivenMs : windowMs;
  return now - last >= quietMs;
}
