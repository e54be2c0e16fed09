/** What RFC 3339 §5.6 and the dateTimeStamp of XML Schema have in common; a fraction has at most 9 digits. */
const instantSyntax = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

/** XML Schema's bound on the offset of a time zone. */
const offsetMinutesMax = 14 * 60;

/**
 * An RFC 3339 date-time as an instant in UTC of fixed width, `2026-11-21T09:00:00.123456789Z`, so that instants sort as
 * text. Null for what is no such date-time: without an offset, on a day or at an hour that does not exist, with a leap
 * second, with more than 9 fraction digits, or outside the years 0000 to 9999 in UTC.
 *
 * Held to the intersection with XML Schema's dateTimeStamp (VC Data Integrity §2.1), so that every reader of a proof
 * understands it: upper-case T and Z, offsets up to 14:00, no second 60.
 */
export function normaliseInstant(text: string): string | null {
  const match = instantSyntax.exec(text);
  if (match === null) return null;
  const [, local = "", fraction = "", sign, hours, minutes] = match;
  const localMs = Date.parse(`${local}Z`);
  // Date.parse is lenient about the 31st of short months and about 24:00.
  if (Number.isNaN(localMs) || new Date(localMs).toISOString().slice(0, 19) !== local) return null;
  if (Number(minutes ?? 0) > 59) return null;
  const offsetMinutes = Number(hours ?? 0) * 60 + Number(minutes ?? 0);
  if (offsetMinutes > offsetMinutesMax) return null;
  const utc = new Date(localMs - (sign === "-" ? -offsetMinutes : offsetMinutes) * 60_000).toISOString();
  // Years outside 0000 to 9999 are printed with a sign and six digits.
  if (utc.length !== 24) return null;
  return `${utc.slice(0, 19)}.${fraction.padEnd(9, "0")}Z`;
}

/** `date` in the form of `normaliseInstant`. */
export function instantOf(date: Date): string {
  return `${date.toISOString().slice(0, -1)}000000Z`;
}

/** The millisecond that a normalised instant falls into. */
export function dateOfInstant(instant: string): Date {
  return new Date(`${instant.slice(0, 23)}Z`);
}
