import { comparePositions, type JournalPosition } from "../../db/journal.ts";
import type { EventType } from "./change-events.ts";

/** Bytes that are sent at once, where several small events wait. */
const chunkBytesMax = 16 * 1024;

/** What a reader wants to hear. */
export interface Interest {
  /** Null for all types. */
  type: EventType | null;
  /** Whether events carry what changed. */
  diff: boolean;
}

interface WaitingEvent {
  position: JournalPosition;
  bytes: Buffer;
}

/**
 * One reader's place in the journal, and the events that wait for it. Readers of the same form share the bytes, and
 * what waits for one is always the latest part of one sequence: together, slow readers hold little more than one does.
 */
export class Subscription {
  readonly interest: Interest;
  /** Up to where the reader has been given all that it wants: where it may resume. */
  position: JournalPosition;
  /** Whether so much waited that the reader was dropped. */
  isDropped = false;
  /** Whether nothing more is to be sent. */
  isEnded = false;
  readonly #bytesMax: number;
  #queued: JournalPosition;
  #waiting: WaitingEvent[] = [];
  #waitingBytes = 0;
  #wake: (() => void) | null = null;

  constructor(interest: Interest, position: JournalPosition, bytesMax: number) {
    this.interest = interest;
    this.position = position;
    this.#queued = position;
    this.#bytesMax = bytesMax;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Goes on at `position`: the reader was given what comes before by other means. */
  advanceTo(position: JournalPosition): void {
    this.position = position;
    this.#queued = position;
  }

  /**
   * Adds an event, unless the reader has it or wants others. A reader for whom too much waits is dropped; a single
   * event is never too much.
   */
  push(type: EventType, position: JournalPosition, bytes: Buffer): void {
    if (this.isDropped || this.isEnded || comparePositions(position, this.#queued) <= 0) return;
    this.#queued = position;
    if (this.interest.type !== null && this.interest.type !== type) return;
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes.length > this.#bytesMax) {
      this.isDropped = true;
      this.#clear();
    } else {
      this.#waiting.push({ position, bytes });
      this.#waitingBytes += bytes.length;
    }
    this.#wake?.();
  }

  /** The next bytes for the reader; null when nothing waits. */
  take(): Buffer | null {
    let count = 0;
    let bytes = 0;
    for (const event of this.#waiting) {
      if (count > 0 && bytes + event.bytes.length > chunkBytesMax) break;
      count += 1;
      bytes += event.bytes.length;
    }
    const taken = this.#waiting.splice(0, count);
    const last = taken.at(-1);
    if (last === undefined) return null;
    this.#waitingBytes -= bytes;
    this.position = last.position;
    return taken.length === 1 ? last.bytes : Buffer.concat(taken.map((event) => event.bytes));
  }

  /** Resolves true once there is something to do, false after `ms`. */
  async wait(ms: number): Promise<boolean> {
    if (this.#waiting.length > 0 || this.isDropped || this.isEnded) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(resolve, ms, false);
    this.#wake = () => resolve(true);
    const woken = await promise;
    this.#wake = null;
    clearTimeout(timer);
    return woken;
  }

  end(): void {
    this.isEnded = true;
    this.#clear();
    this.#wake?.();
  }

  #clear(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }
}
