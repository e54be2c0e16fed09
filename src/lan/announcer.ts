import type { IncomingPacket, IncomingRecord } from "multicast-dns";
import { loggerOf } from "../base/log.ts";
import type { Channel } from "./channel.ts";
import { distinctSuffix, instanceName, nameKey } from "./instance-name.ts";
import { type Announcement, recordsOf, type ServerPlace } from "./records.ts";
import { createResponder, type Responder } from "./responder.ts";
import type { Timers } from "./timers.ts";

export interface AnnouncerOptions {
  place: ServerPlace;
  /** What the directory is called, before it turns out that others are called so. */
  label: string;
  /** What tells this registry from others. */
  seed: string;
  /** The path of the directory's own description. */
  td: string;
  timers: Timers;
  random(): number;
  /** Milliseconds. */
  now(): number;
}

/** Announces the directory, and things, on all channels that join. */
export interface Announcer {
  join(channel: Channel): void;
  leave(channel: Channel): void;
  /** Answers queries, and notices who else uses the directory's name. */
  hear(channel: Channel, packet: IncomingPacket): void;
  /** Announces these things, and no others. */
  setThings(things: readonly Announcement[]): void;
  /** What is announced at this moment. */
  list(): Announcement[];
  /** Whether this process announces a service of this name. */
  isOwn(name: string): boolean;
  /** Withdraws everything; resolves once that is sent. */
  withdraw(): Promise<void>;
}

/** When the network is asked whether a name is taken, in milliseconds from the start, and when it is not (RFC 6762 §8.1). */
const probeAtMs = [0, 250, 500];
const claimAtMs = 750;
/** Names that are tried. Whoever contests more of them does so to keep the registry from being found. */
const namesMax = 6;

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { place, label, seed, td, timers, random, now } = options;
  const log = loggerOf("lan");
  const responders = new Map<Channel, Responder>();
  /** By the keys of their names. */
  const announced = new Map<string, Announcement>();
  let names = 0;
  let directory = nextName();
  let isClaimed = false;
  /** Nothing to do for timers of an earlier name. */
  let claim: object | null = null;
  let isWithdrawn = false;

  function nextName(): Announcement {
    const suffix = names === 0 ? null : distinctSuffix(seed, String(names));
    names += 1;
    return { instance: instanceName(label, suffix), type: "Directory", td };
  }

  /** Asks whether the name is taken, and takes it if nobody says so. */
  function claimName(): void {
    const own = {};
    claim = own;
    const startMs = random() * 250;
    for (const ms of probeAtMs) {
      timers.after(startMs + ms, () => {
        if (claim === own) for (const channel of responders.keys()) void channel.send(probe());
      });
    }
    timers.after(startMs + claimAtMs, () => {
      if (claim !== own || isWithdrawn) return;
      isClaimed = true;
      announced.set(nameKey(directory.instance), directory);
      for (const responder of responders.values()) responder.announce([directory]);
    });
  }

  function probe() {
    const authorities = recordsOf(directory, place).filter(({ type }) => type === "SRV");
    return { type: "query" as const, questions: [{ name: directory.instance, type: "ANY" }], authorities };
  }

  /** Whether others say that the directory's name is theirs. */
  function isContested(records: readonly IncomingRecord[]): boolean {
    return records.some(({ name, type, ttl, data }) => {
      if (type !== "SRV" || ttl === 0 || nameKey(name) !== nameKey(directory.instance)) return false;
      const { target } = (data ?? {}) as { target?: unknown };
      return typeof target === "string" && nameKey(target) !== nameKey(place.host);
    });
  }

  /** Leaves the name to the others. It is not withdrawn: it is theirs now. */
  function giveWay(): void {
    if (names >= namesMax) return;
    announced.delete(nameKey(directory.instance));
    isClaimed = false;
    const taken = directory.instance;
    directory = nextName();
    log.warn("the name {taken} is taken on the network; now trying {next}", { taken, next: directory.instance });
    claimName();
  }

  return {
    join(channel) {
      const current = () => announced;
      const responder = createResponder(channel, place, { current, timers, random, now });
      responders.set(channel, responder);
      if (announced.size > 0) responder.announce([...announced.values()]);
      if (claim === null) claimName();
    },
    leave(channel) {
      responders.delete(channel);
    },
    hear(channel, packet) {
      const isOther =
        packet.type === "response"
          ? isContested([...packet.answers, ...packet.additionals])
          : !isClaimed && isContested(packet.authorities);
      if (isOther) giveWay();
      if (packet.type === "query") responders.get(channel)?.answer(packet);
    },
    setThings(things) {
      const wanted = new Map(things.map((thing) => [nameKey(thing.instance), thing]));
      const gone: Announcement[] = [];
      for (const [key, known] of announced) {
        if (known.type === "Directory") continue;
        if (wanted.get(key)?.td === known.td) wanted.delete(key);
        else {
          announced.delete(key);
          if (!wanted.has(key)) gone.push(known);
        }
      }
      for (const [key, thing] of wanted) announced.set(key, thing);
      for (const responder of responders.values()) {
        if (gone.length > 0) void responder.withdraw(gone);
        if (wanted.size > 0) responder.announce([...wanted.values()]);
      }
    },
    list: () => (responders.size > 0 ? [...announced.values()] : []),
    isOwn: (name) => announced.has(nameKey(name)),
    async withdraw() {
      isWithdrawn = true;
      const all = [...announced.values()];
      announced.clear();
      await Promise.all([...responders.values()].map((responder) => responder.withdraw(all)));
    },
  };
}
