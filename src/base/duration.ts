/** UTF-16 units of a duration; all that makes sense is shorter. */
const durationUnitsMax = 32;

const msOf = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** `100ms`, `1.5s`, `2 h`. A comma may stand for the point, as in ISO 8601. */
const short = /^(\d+(?:[.,]\d+)?) ?(ms|s|min|h|d|w)$/i;
const iso =
  /^P(?:(\d+(?:[.,]\d+)?)W)?(?:(\d+(?:[.,]\d+)?)D)?(?:T(?:(\d+(?:[.,]\d+)?)H)?(?:(\d+(?:[.,]\d+)?)M)?(?:(\d+(?:[.,]\d+)?)S)?)?$/i;

/**
 * Milliseconds of a duration: a number with one of the units ms, s, min, h, d and w, or ISO 8601 (§5.5.2: `PT0.5S`,
 * `P7D`) without years and months, which are of no certain length. Null for anything else.
 */
export function parseDurationMs(text: string): number | null {
  if (text.length > durationUnitsMax) return null;
  const trimmed = text.trim();
  const simple = short.exec(trimmed);
  if (simple !== null) {
    return numberOf(simple[1]) * msOf[(simple[2] as string).toLowerCase() as keyof typeof msOf];
  }
  const parts = iso.exec(trimmed)?.slice(1);
  if (parts === undefined || parts.every((part) => part === undefined) || /t$/i.test(trimmed)) return null;
  const units = [msOf.w, msOf.d, msOf.h, msOf.min, msOf.s];
  return parts.reduce((sum, part, index) => sum + numberOf(part) * (units[index] as number), 0);
}

function numberOf(text: string | undefined): number {
  return text === undefined ? 0 : Number(text.replace(",", "."));
}
