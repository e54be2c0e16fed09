import { limits } from "../base/limits.ts";

/** Milliseconds until the next attempt after `failures` in a row: doubled each time, with a random part against herds. */
export function backoffMs(failures: number, random: () => number, msMin: number = limits.deliveryBackoffMsMin): number {
  const full = Math.min(msMin * 2 ** Math.min(failures - 1, 30), limits.deliveryBackoffMsMax);
  return Math.round(full * (0.5 + random() / 2));
}
