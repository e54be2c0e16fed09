import type { IncomingPacket, Question } from "multicast-dns";
import type { Channel } from "./channel.ts";
import { directorySubtype, nameKey, servicesName, wotService } from "./instance-name.ts";
import { type Announcement, commonRecords, packetsOf, recordsOf, type ServerPlace, withdrawn } from "./records.ts";
import type { Timers } from "./timers.ts";

/** Announces on one interface, and answers there (RFC 6762 §6 to §8). */
export interface Responder {
  /** Says that announcements are new, some times, as packets get lost (RFC 6762 §8.3). */
  announce(announcements: readonly Announcement[]): void;
  /** Withdraws announcements; resolves once that is sent. */
  withdraw(announcements: readonly Announcement[]): Promise<void>;
  /** Answers a query. */
  answer(query: IncomingPacket): void;
}

/** What one answer can have: an announcement with all of its records, or only those that all announcements share. */
type Part = Announcement | "common";

/** When announcements are sent, in milliseconds from their start (RFC 6762 §8.3). */
const announceAtMs = [0, 1_000, 3_000];
/** Answers wait so long, by chance between both, so that many do not answer at once (RFC 6762 §6), milliseconds. */
const answerAfterMs = { min: 20, max: 120 };
/** The time between two answers with the same records, and where a name is defended (RFC 6762 §6), milliseconds. */
const repeatMsMin = { usual: 1_000, defence: 250 };
/** Questions of one query that are looked at. */
const questionsMax = 32;
/** The least time, in seconds, that an asker must know a record for, so that it is not told again. */
const knownTtlSecondsMin = 60;

/**
 * Whoever asks for any record of an announcement gets all of them, by multicast, and at most once a second: however many
 * ask, and whatever they ask, the answers are bounded.
 *
 * @param current what is announced at a time, by the key of its name.
 * @param random numbers from 0 to below 1.
 */
export function createResponder(
  channel: Channel,
  place: ServerPlace,
  tools: { current(): ReadonlyMap<string, Announcement>; timers: Timers; random(): number; now(): number },
): Responder {
  const { current, timers, random, now } = tools;
  const common = commonRecords(place, channel.link.addresses);
  const pending = new Set<Part>();
  const sentAt = new WeakMap<object, number>();
  let isScheduled = false;

  const keyOf = (part: Part) => (part === "common" ? common : part);
  const isLive = (part: Part) => part === "common" || current().get(nameKey(part.instance)) === part;

  async function send(parts: readonly Part[]): Promise<void> {
    for (const part of parts) sentAt.set(keyOf(part), now());
    const groups = parts.flatMap((part) => (part === "common" ? [] : [recordsOf(part, place)]));
    const packets = groups.length === 0 ? packetsOf([common], []) : packetsOf(groups, common);
    for (const packet of packets) await channel.send(packet);
  }

  /** What answers a question, but for what the asker knows already (RFC 6762 §7.1). */
  function partsFor({ name, type }: Question, known: ReadonlySet<string>): Part[] {
    const key = nameKey(name);
    const asksFor = (...types: string[]) => type === "ANY" || types.includes(type);
    if (key === nameKey(place.host)) return asksFor("A") ? ["common"] : [];
    if (key === servicesName) return asksFor("PTR") ? ["common"] : [];
    if (key === wotService || key === directorySubtype) {
      if (!asksFor("PTR")) return [];
      const unknown = [...current()].flatMap(([instance, one]) => (known.has(instance) ? [] : [one]));
      return key === wotService ? unknown : unknown.filter((one) => one.type === "Directory");
    }
    const one = current().get(key);
    return one !== undefined && asksFor("SRV", "TXT") ? [one] : [];
  }

  function schedule(): void {
    if (isScheduled || pending.size === 0) return;
    isScheduled = true;
    const { min, max } = answerAfterMs;
    timers.after(min + random() * (max - min), () => {
      isScheduled = false;
      const parts = [...pending].filter(isLive);
      pending.clear();
      if (parts.length > 0) void send(parts);
    });
  }

  return {
    announce(announcements) {
      for (const ms of announceAtMs) {
        timers.after(ms, () => {
          const parts = announcements.filter(isLive);
          if (parts.length > 0) void send(parts);
        });
      }
    },
    async withdraw(announcements) {
      const groups = announcements.map((one) => withdrawn(recordsOf(one, place)));
      for (const packet of packetsOf(groups, [])) await channel.send(packet);
    },
    answer(query) {
      if (current().size === 0) return;
      const known = knownInstances(query);
      const intervalMs = query.authorities.length > 0 ? repeatMsMin.defence : repeatMsMin.usual;
      for (const part of query.questions.slice(0, questionsMax).flatMap((question) => partsFor(question, known))) {
        if (now() - (sentAt.get(keyOf(part)) ?? Number.NEGATIVE_INFINITY) >= intervalMs) pending.add(part);
      }
      schedule();
    },
  };
}

/** The instances that the asker says it knows. */
function knownInstances({ answers }: IncomingPacket): Set<string> {
  return new Set(
    answers.flatMap(({ type, ttl = 0, data }) => {
      return type === "PTR" && ttl >= knownTtlSecondsMin && typeof data === "string" ? [nameKey(data)] : [];
    }),
  );
}
