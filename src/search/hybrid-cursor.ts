import { invalidCursor } from "./cursor.ts";

/** An entry of the window: its ranks, from 1 on, in the two lists; null where a list does not have it. */
export interface Place {
  sequence: number;
  wordsRank: number | null;
  meaningRank: number | null;
}

/** Where a page of fused results ended, and the order in which the first page has put what is left. */
export interface HybridCursor {
  /** Of the query that the cursor belongs to. */
  query: string;
  /** Whether meaning had no part in the order. */
  isDegraded: boolean;
  /** What is left of the window, in its order. */
  left: Place[];
  /** What was shown and is not in the window's list of words: that list must not bring it again. */
  shown: number[];
  /** Entries that were shown of what comes after the window. */
  later: number;
  /** Where the words' own order goes on after the window; null where it ends with it. */
  words: string | null;
}

/** Tells these cursors from those of other engines, which have no dot. */
const mark = "h1";
/** Entries in the window, at most: so many in each of the two lists. */
const windowMax = 200;

/** Bytes of a sequence number, up to 2^40, and of a place. */
const sequenceBytes = 5;
const placeBytes = sequenceBytes + 2;

export function encodeHybridCursor({ query, isDegraded, left, shown, later, words }: HybridCursor): string {
  const places = Buffer.alloc(left.length * placeBytes);
  left.forEach(({ sequence, wordsRank, meaningRank }, index) => {
    places.writeUIntBE(sequence, index * placeBytes, sequenceBytes);
    places.writeUInt8(wordsRank ?? 0, index * placeBytes + sequenceBytes);
    places.writeUInt8(meaningRank ?? 0, index * placeBytes + sequenceBytes + 1);
  });
  const sequences = Buffer.alloc(shown.length * sequenceBytes);
  shown.forEach((sequence, index) => sequences.writeUIntBE(sequence, index * sequenceBytes, sequenceBytes));
  const parts = [mark, query, isDegraded ? 1 : 0, later, places.toString("base64url"), sequences.toString("base64url")];
  return [...parts, words ?? ""].join(".");
}

/**
 * What `encodeHybridCursor` wrote; null for a cursor of another engine. Throws `invalid-parameter` (400) for one of
 * another query, and for one that cannot be read.
 */
export function decodeHybridCursor(text: string, fingerprint: string): HybridCursor | null {
  const [first, query, degraded, later = "", places = "", shown = "", ...words] = text.split(".");
  if (first !== mark) return null;
  if (query !== fingerprint) {
    throw invalidCursor("belongs to another query; all other parameters must be as on the page before");
  }
  const left = Buffer.from(places, "base64url");
  const sequences = Buffer.from(shown, "base64url");
  const isReadable =
    words.length > 0 &&
    /^\d{1,12}$/.test(later) &&
    left.length % placeBytes === 0 &&
    left.length <= windowMax * placeBytes &&
    sequences.length % sequenceBytes === 0 &&
    sequences.length <= windowMax * sequenceBytes;
  if (!isReadable) throw invalidCursor("must be `next` of the page before");
  const next = words.join(".");
  return {
    query,
    isDegraded: degraded === "1",
    left: Array.from({ length: left.length / placeBytes }, (_, index) => ({
      sequence: left.readUIntBE(index * placeBytes, sequenceBytes),
      wordsRank: left.readUInt8(index * placeBytes + sequenceBytes) || null,
      meaningRank: left.readUInt8(index * placeBytes + sequenceBytes + 1) || null,
    })),
    shown: Array.from({ length: sequences.length / sequenceBytes }, (_, index) =>
      sequences.readUIntBE(index * sequenceBytes, sequenceBytes),
    ),
    later: Number(later),
    words: next === "" ? null : next,
  };
}
