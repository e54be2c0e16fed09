import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../base/clock.ts";
import { limits } from "../../base/limits.ts";
import { loggerOf } from "../../base/log.ts";
import type { Queryable } from "../../db/client.ts";
import {
  formatCursor,
  isInJournal,
  journalEnd,
  type JournalPosition,
  type JournalRow,
  parseCursor,
  readJournal,
} from "../../db/journal.ts";
import { createAssessmentStore } from "../../things/assessment-store.ts";
import { createChangeReader } from "../../things/change-reader.ts";
import { createEntryReader } from "../../things/entry-store.ts";
import { networkOf } from "../connection.ts";
import { createChangeEvents } from "./change-events.ts";
import { createJournalFeed } from "./journal-feed.ts";
import { createPlaces, type PlaceLimits } from "./places.ts";
import { formatComment, formatEvent } from "./sse.ts";
import { type Interest, Subscription } from "./subscription.ts";

/** Rows that are read at once for a client that catches up. */
const replayRowsMax = 200;
/** Events without contents that are sent at once to a client that catches up. */
const replayGroupMax = 50;
/** Clients that read the journal for themselves at the same time: the others' requests need the database, too. */
const replayReadersMax = 4;

/** Milliseconds between two looks whether all streams have ended, and how often to look before the rest are cut. */
const stopWaitMs = 10;
const stopWaitsMax = 30;

/** What may differ from `limits`, for tests. */
export interface EventSettings extends PlaceLimits {
  heartbeatMs: number;
  stallMsMax: number;
  bufferBytesMax: number;
}

const defaultSettings: EventSettings = {
  clientsMax: limits.eventClientsMax,
  clientsPerNetworkMax: limits.eventClientsPerAddressMax,
  heartbeatMs: limits.eventHeartbeatMs,
  stallMsMax: limits.eventStallMsMax,
  bufferBytesMax: limits.eventBufferBytesMax,
};

export interface EventStreamsDeps {
  db: Queryable;
  /** The journal's epoch, as `establishEpoch` gave it. */
  epoch: string;
  clock: Clock;
  settings?: Partial<EventSettings>;
}

export interface StreamRequest extends Interest {
  /** `Last-Event-ID`; null where the client has none. */
  lastEventId: string | null;
  /** The client's address; null where there is no connection. */
  address: string | null;
  /** Cuts the connection of a client that does not read. */
  cut(): void;
}

/** The event streams of a process. */
export interface EventStreams {
  /**
   * Opens a stream: after `lastEventId` all that has happened since, otherwise what happens from now on. Throws
   * `too-many-event-clients` or `too-many-requests`.
   */
  open(request: StreamRequest): Promise<ReadableStream<Uint8Array>>;
  /** How many streams are open. */
  count(): number;
  /** Says that there is a new row in the journal. */
  wake(position: JournalPosition): void;
  /** Ends all streams. */
  stop(): Promise<void>;
}

/** Where a stream begins. */
interface Beginning {
  position: JournalPosition;
  /** Whether there may be rows behind `position` that the client has missed. */
  isReplay: boolean;
  /** Why what was missed cannot be told. */
  gap: Gap | null;
}

type Gap = keyof typeof gapDetails;

/** `reason` and `detail` of a gap event. */
const gapDetails = {
  "malformed-id": "The Last-Event-ID is not an id of an event of this registry.",
  "another-epoch": "The Last-Event-ID is from before the registry's database was restored, or from another registry.",
  "unknown-id": "The journal does not have the event of the Last-Event-ID.",
} as const;

const resynchronise =
  "What happened since then cannot be told. Events follow from now on: read GET /things to know what is there.";

/** Opens the event streams of a process; one feed reads the journal for all of them. */
export function createEventStreams({ db, epoch, clock, settings }: EventStreamsDeps): EventStreams {
  const log = loggerOf("events");
  const { heartbeatMs, stallMsMax, bufferBytesMax, ...placeLimits } = { ...defaultSettings, ...settings };
  const places = createPlaces(placeLimits);
  const events = createChangeEvents({
    epoch,
    clock,
    changes: createChangeReader(db),
    entries: createEntryReader(db),
    assessments: createAssessmentStore(db),
  });
  const feed = createJournalFeed({ db, events });
  const asReader = createGate(replayReadersMax);
  /** The open streams, and how to get rid of each. */
  const open = new Map<Subscription, () => void>();
  let isStopping = false;

  /** The end comes first: what commits after this request's arrival has a higher position. */
  async function beginningOf(lastEventId: string | null): Promise<Beginning> {
    const end = await journalEnd(db);
    const fromEnd = (gap: Gap | null): Beginning => ({ position: end, isReplay: false, gap });
    if (lastEventId === null) return fromEnd(null);
    const cursor = parseCursor(lastEventId);
    if (cursor === null) return fromEnd("malformed-id");
    if (cursor.epoch !== epoch) return fromEnd("another-epoch");
    if (!(await isInJournal(db, cursor.position))) return fromEnd("unknown-id");
    return { position: cursor.position, isReplay: true, gap: null };
  }

  /** All that is sent to one client, made as fast as the client reads. */
  async function* chunks(subscription: Subscription, { isReplay, gap }: Beginning): AsyncGenerator<Buffer> {
    if (gap !== null) yield gapEvent(gap, subscription.position);
    if (isReplay) yield* missed(subscription);
    while (!feed.join(subscription)) yield* missed(subscription);
    try {
      while (!subscription.isEnded) {
        const chunk = subscription.take();
        if (chunk !== null) yield chunk;
        else if (subscription.isDropped) break;
        else if (!(await subscription.wait(heartbeatMs))) yield formatComment();
      }
    } finally {
      feed.leave(subscription);
    }
    if (subscription.isDropped) {
      const id = formatCursor(epoch, subscription.position);
      yield formatComment(`events came faster than you read them; go on with Last-Event-ID: ${id}`);
    }
  }

  /** The events between the subscription's position and the end of the journal, which moves on meanwhile. */
  async function* missed(subscription: Subscription): AsyncGenerator<Buffer> {
    let lastSent = performance.now();
    for (;;) {
      const rows = await asReader(() => readJournal(db, subscription.position, replayRowsMax));
      const groupMax = subscription.interest.diff ? 1 : replayGroupMax;
      for (let start = 0; start < rows.length; start += groupMax) {
        const group = rows.slice(start, start + groupMax);
        const bytes = await asReader(() => wanted(subscription.interest, group));
        if (subscription.isEnded) return;
        const last = group.at(-1);
        if (last !== undefined) subscription.advanceTo({ xid: last.xid, id: last.id });
        if (bytes.length > 0) {
          yield bytes;
          lastSent = performance.now();
        } else if (performance.now() - lastSent >= heartbeatMs) {
          yield formatComment();
          lastSent = performance.now();
        }
        if (subscription.isEnded) return;
      }
      if (rows.length < replayRowsMax) return;
    }
  }

  /** The events of `rows` that a client wants to hear of. */
  async function wanted({ type, diff }: Interest, rows: readonly JournalRow[]): Promise<Buffer> {
    const visible = await events.visibleChanges(rows);
    const changes = type === null ? visible : visible.filter((change) => change.type === type);
    return Buffer.concat(diff ? await events.diffEvents(changes) : changes.map(events.plainEvent));
  }

  function gapEvent(reason: Gap, position: JournalPosition): Buffer {
    const data = { reason, detail: `${gapDetails[reason]} ${resynchronise}` };
    return formatEvent({ type: "gap", id: formatCursor(epoch, position), data });
  }

  /** Lets the client pull chunk after chunk. One that does not for too long is cut off. */
  function streamOf(
    chunksOf: AsyncGenerator<Buffer>,
    subscription: Subscription,
    giveBack: () => void,
    cut: () => void,
  ) {
    let stall: NodeJS.Timeout | undefined;
    let isCancelled = false;
    const finish = () => {
      clearTimeout(stall);
      open.delete(subscription);
      subscription.end();
      void chunksOf.return(undefined);
      giveBack();
    };
    const abandon = () => {
      finish();
      cut();
    };
    open.set(subscription, abandon);
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          clearTimeout(stall);
          const next = await chunksOf.next().catch((error: unknown) => {
            log.error("an event stream ended early: {error}", { error });
            return { done: true, value: undefined } as const;
          });
          if (isCancelled) return;
          if (next.done === true) {
            controller.close();
            finish();
          } else {
            controller.enqueue(next.value);
            stall = setTimeout(abandon, stallMsMax);
          }
        },
        cancel() {
          isCancelled = true;
          finish();
        },
      },
      { highWaterMark: 0 },
    );
  }

  return {
    async open({ type, diff, lastEventId, address, cut }) {
      const giveBack = places.take(networkOf(address));
      try {
        const beginning = await beginningOf(lastEventId);
        const subscription = new Subscription({ type, diff }, beginning.position, bufferBytesMax);
        if (isStopping) subscription.end();
        return streamOf(chunks(subscription, beginning), subscription, giveBack, cut);
      } catch (error) {
        giveBack();
        throw error;
      }
    },
    count: places.count,
    wake: feed.wake,
    async stop() {
      isStopping = true;
      for (const subscription of open.keys()) subscription.end();
      await feed.stop();
      // Whoever reads has seen the end by now, or will within moments; the others would hold up the server.
      for (let waits = 0; open.size > 0 && waits < stopWaitsMax; waits += 1) await sleep(stopWaitMs);
      for (const abandon of open.values()) abandon();
    },
  };
}

/** Lets at most `atOnce` run at the same time; the others wait in line. */
function createGate(atOnce: number) {
  const line: (() => void)[] = [];
  let inside = 0;
  return async function pass<Result>(run: () => Promise<Result>): Promise<Result> {
    if (inside >= atOnce) await new Promise<void>((resolve) => line.push(resolve));
    else inside += 1;
    try {
      return await run();
    } finally {
      const next = line.shift();
      if (next === undefined) inside -= 1;
      else next();
    }
  };
}
