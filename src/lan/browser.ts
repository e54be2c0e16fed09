import type { IncomingPacket, Peer, Question } from "multicast-dns";
import type { Announcer } from "./announcer.ts";
import type { Channel } from "./channel.ts";
import { mdnsPort } from "./channel.ts";
import { directorySubtype, nameKey, wotService } from "./instance-name.ts";
import { observationsIn } from "./observations.ts";
import type { Services } from "./services.ts";
import type { Hearing } from "./target.ts";
import type { Timers } from "./timers.ts";

/** Asks all channels for Things and directories, and tells the services what is heard. */
export interface Browser {
  join(channel: Channel): void;
  leave(channel: Channel): void;
  hear(packet: IncomingPacket, hearing: Omit<Hearing, "sender"> & { sender: Peer }): void;
  /** What a packet shows of this process. */
  recognise(packet: IncomingPacket): "foreign" | "own" | "announcement";
  /** Asks for records that are missing. */
  askForMissing(): void;
}

export interface BrowserOptions {
  services: Services;
  announcer: Pick<Announcer, "isOwn">;
  /** The host name that only this process uses. */
  host: string;
  timers: Timers;
  /** Milliseconds. */
  now(): number;
  /** Time between two queries, in milliseconds. */
  queryMs: number;
}

/** When the first queries are sent, in milliseconds from the start (RFC 6762 §5.2). */
const firstQueriesAtMs = [0, 1_000, 3_000];
/** Questions that are asked at once. */
const questionsMax = 20;

export function createBrowser(options: BrowserOptions): Browser {
  const { services, announcer, host, timers, now, queryMs } = options;
  const channels = new Set<Channel>();
  // Nobody else asks for our host, so that we know our own queries by it.
  const questions: Question[] = [
    { name: wotService, type: "PTR" },
    { name: directorySubtype, type: "PTR" },
    { name: host, type: "A" },
  ];

  const ask = (channel: Channel, asked: Question[]) => void channel.send({ type: "query", questions: asked });
  timers.every(queryMs, () => {
    for (const channel of channels) ask(channel, questions);
  });

  return {
    join(channel) {
      channels.add(channel);
      for (const ms of firstQueriesAtMs) {
        timers.after(ms, () => {
          if (channels.has(channel)) ask(channel, questions);
        });
      }
    },
    leave(channel) {
      channels.delete(channel);
    },
    hear(packet, { sender, ...hearing }) {
      // Who answers from another port does not speak multicast DNS (RFC 6762 §6).
      if (packet.type !== "response" || sender.port !== mdnsPort) return;
      const heard = observationsIn(packet, { ...hearing, sender: sender.address });
      const others = heard.services.filter(({ name, location }) => {
        return !announcer.isOwn(name) && (location === null || nameKey(location.host) !== host);
      });
      services.hear({ ...heard, services: others }, sender.address, now());
    },
    recognise(packet) {
      if (packet.type === "query") {
        return packet.questions.some(({ name }) => nameKey(name) === host) ? "own" : "foreign";
      }
      const isOurs = packet.answers.some(({ type, data }) => {
        return type === "SRV" && nameKey(String((data as { target?: unknown } | undefined)?.target)) === host;
      });
      return isOurs ? "announcement" : "foreign";
    },
    askForMissing() {
      const missing = services.missing(now());
      for (let start = 0; start < missing.length; start += questionsMax) {
        const asked = missing.slice(start, start + questionsMax);
        for (const channel of channels) ask(channel, asked);
      }
    },
  };
}
