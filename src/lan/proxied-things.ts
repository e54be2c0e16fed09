import type { Clock } from "../base/clock.ts";
import { type EntryKey, entryKeyOf, type ThingId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { snippetOf } from "../base/shown-text.ts";
import type { LogReader, LogRecord } from "../db/public-log.ts";
import { descriptionOf, type EntryReader, type StoredEntry } from "../things/entry-store.ts";
import { distinctSuffix, instanceName } from "./instance-name.ts";
import { type Announcement, pathBytesMax } from "./records.ts";

/** Registered things that the registry announces on the network in their place. */
export interface ProxiedThings {
  /** Catches up with what has changed, and returns what is to be announced now. */
  follow(): Promise<Announcement[]>;
}

export interface ProxiedThingsDeps {
  log: LogReader;
  entries: EntryReader;
  clock: Clock;
  /** What tells this registry from others, so that two may announce the same thing. */
  seed: string;
  /** Whether a thing is announced by itself. */
  announcesItself(thingId: ThingId): boolean;
}

/** Pages of the log that are read at the start, from its end, to find things to announce. */
const pagesMax = 20;

/** The path under which a registry has the description of a thing. */
export function thingPath(thingId: string): string {
  return `/things/${encodeURIComponent(thingId)}`;
}

/**
 * Follows the log of changes and keeps the things that changed last: those that anybody may find here, at most
 * `limits.lanAnnouncedThingsMax`. What came from the local network is not given back to it.
 */
export function createProxiedThings({ log, entries, clock, seed, announcesItself }: ProxiedThingsDeps): ProxiedThings {
  /** In the order of their last change. */
  const things = new Map<EntryKey, { thingId: ThingId; announcement: Announcement }>();
  let place: number | null = null;

  /** The entries that changes are about, the last change last, with how those are now that anybody may find. */
  async function changed(changes: readonly LogRecord[]): Promise<[EntryKey, StoredEntry | undefined][]> {
    const keys = new Set<EntryKey>();
    for (const { kind, controller, id } of changes) {
      if (kind === "verification") continue;
      const key = entryKeyOf(controller, id);
      keys.delete(key);
      keys.add(key);
    }
    const found = await entries.findActive([...keys], clock.now());
    const byKey = new Map(found.map((stored) => [stored.entry.key, stored]));
    return [...keys].map((key) => [key, byKey.get(key)]);
  }

  async function take(changes: readonly LogRecord[]): Promise<void> {
    for (const [key, stored] of await changed(changes)) {
      things.delete(key);
      const thing = await announcementOf(stored);
      if (thing !== null) things.set(key, thing);
      const [oldest] = things.keys();
      if (things.size > limits.lanAnnouncedThingsMax && oldest !== undefined) things.delete(oldest);
    }
  }

  async function announcementOf(stored: StoredEntry | undefined) {
    // Only the first controller's entry is at the thing's path.
    if (stored === undefined || !stored.entry.isPrimary) return null;
    const { key, thingId } = stored.entry;
    const td = thingPath(thingId);
    if (Buffer.byteLength(td) > pathBytesMax || (await entries.readFacts(key))?.door === "lan") return null;
    const { title } = descriptionOf(stored);
    const label = typeof title === "string" ? snippetOf(title, limits.snippetTitleCharactersMax) : "";
    const instance = instanceName(label === "" ? "Thing" : label, distinctSuffix(seed, thingId));
    return { thingId, announcement: { instance, type: "Thing" as const, td } };
  }

  /** Reads the log backwards from its end, page by page, until there is enough. */
  async function begin(): Promise<number> {
    const { seq } = await log.head();
    const seen = new Set<EntryKey>();
    const newestFirst: [EntryKey, NonNullable<Awaited<ReturnType<typeof announcementOf>>>][] = [];
    let before = seq;
    for (let pages = 0; pages < pagesMax && before > 0; pages += 1) {
      const after = Math.max(0, before - limits.logPageMax);
      const page = await log.readLog(after, before - after);
      for (const [key, stored] of (await changed(page.entries)).reverse()) {
        if (seen.has(key) || newestFirst.length >= limits.lanAnnouncedThingsMax) continue;
        seen.add(key);
        const thing = await announcementOf(stored);
        if (thing !== null) newestFirst.push([key, thing]);
      }
      if (newestFirst.length >= limits.lanAnnouncedThingsMax) break;
      before = after;
    }
    for (const [key, thing] of newestFirst.reverse()) things.set(key, thing);
    return seq;
  }

  return {
    async follow() {
      place ??= await begin();
      for (;;) {
        const page = await log.readLog(place, limits.logPageMax);
        await take(page.entries);
        place = page.entries.at(-1)?.seq ?? place;
        if (page.next === null) break;
      }
      return [...things.values()].flatMap(({ thingId, announcement }) => {
        return announcesItself(thingId) ? [] : [announcement];
      });
    },
  };
}
