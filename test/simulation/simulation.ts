import type { Clock } from "../../src/base/clock.ts";
import { digestOf, type EntryKey } from "../../src/base/ids.ts";
import { formatCursor, journalStart, parseCursor } from "../../src/db/journal.ts";
import type { Actor } from "../../src/federation/follows.ts";
import type { PeerRow } from "../../src/federation/peer-store.ts";
import {
  type Change,
  type EntriesPage,
  type Report,
  type Verdict,
  type Wire,
  WireError,
} from "../../src/federation/ports.ts";
import { runTask, tasks } from "../../src/federation/worker.ts";
import { createDidResolver } from "../../src/identity/resolver.ts";
import { seededRandom } from "../support/random.ts";
import { createMemoryRegistry, type MemoryRegistry } from "./memory-registry.ts";

/** How likely each fault is at each request, from 0 to 1. */
export interface Faults {
  /** The request is lost. */
  drop: number;
  /** It is received, and its answer is lost. */
  lose: number;
  /** It is received twice. */
  duplicate: number;
  /** The process that sent it ends before the answer comes. */
  kill: number;
}

export const noFaults: Faults = { drop: 0, lose: 0, duplicate: 0, kill: 0 };

export interface SimulationOptions {
  seed: number;
  registries: number;
  relay: boolean;
  faults: Faults;
  /** Tasks that are under way at once, all over the network: their steps are mixed. */
  concurrency?: number;
}

const pageMax = 50;

/**
 * Registries that follow each other, in one process: their databases are maps, the network is a function call with faults,
 * time is a number, and all chance comes from the seed. What runs is the federation's own code.
 */
export class Simulation {
  readonly registries: MemoryRegistry[];
  readonly random: () => number;
  /** Set to end the faults. */
  faults: Faults;
  requests = 0;
  /** Characters of all documents that were sent. */
  characters = 0;
  #now = Date.parse("2026-06-01T00:00:00Z");
  readonly #offline = new Set<string>();
  readonly #byOrigin: Map<string, MemoryRegistry>;
  readonly #waiting: (() => void)[] = [];
  readonly #running = new Map<string, Promise<void>>();
  readonly #concurrency: number;
  readonly clock: Clock = { now: () => new Date(this.#now) };

  constructor(options: SimulationOptions) {
    this.random = seededRandom(options.seed);
    this.faults = options.faults;
    this.#concurrency = options.concurrency ?? 32;
    const egress = {
      get: () => Promise.reject(new Error("there is no network here")),
      close: async () => {},
    };
    const resolver = createDidResolver({ egress, clock: this.clock, allowPrivateAddresses: false });
    this.registries = Array.from({ length: options.registries }, (_, index) =>
      createMemoryRegistry({
        origin: `https://r${index}.example`,
        relay: options.relay,
        resolver,
        clock: this.clock,
        random: this.random,
      }),
    );
    this.#byOrigin = new Map(this.registries.map((registry) => [registry.origin, registry]));
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  setOnline(registry: MemoryRegistry, online: boolean): void {
    if (online) this.#offline.delete(registry.origin);
    else this.#offline.add(registry.origin);
  }

  isOnline(registry: MemoryRegistry): boolean {
    return !this.#offline.has(registry.origin);
  }

  /** `follower` asks to follow `followed`, as its operator would. */
  async follow(follower: MemoryRegistry, followed: MemoryRegistry): Promise<void> {
    await follower.follows.follow(actorOf(followed), null);
  }

  /** Runs what is due, in an order of chance, until nothing is; time stands still meanwhile. Returns how many tasks ran. */
  async settle(): Promise<number> {
    for (let ran = 0; ;) {
      const due = await this.#due();
      if (due.length === 0 && this.#running.size === 0) return ran;
      const fresh = due.filter(({ name }) => !this.#running.has(name));
      shuffle(fresh, this.random);
      for (const { name, run } of fresh) {
        while (this.#running.size >= this.#concurrency) await this.#step();
        ran += 1;
        this.#running.set(
          name,
          run().finally(() => this.#running.delete(name)),
        );
      }
      // Of those under way some stay so, that what comes next is mixed with them.
      const rest = fresh.length === 0 ? 0 : this.#concurrency / 2;
      while (this.#running.size > rest) await this.#step();
    }
  }

  /** Lets one of those go on that wait for the network. */
  async #step(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const [next] = this.#waiting.splice(Math.floor(this.random() * this.#waiting.length), 1);
    next?.();
  }

  async #due(): Promise<{ name: string; run(): Promise<void> }[]> {
    const due: { name: string; run(): Promise<void> }[] = [];
    for (const registry of this.registries) {
      if (!this.isOnline(registry)) continue;
      const place = { end: await registry.shelf.end(), epoch: registry.shelf.epoch };
      for (const task of tasks) {
        for (const peer of await registry.peers.due(task, this.clock.now(), place)) {
          const run = async () => {
            // A process that ends leaves the task where it is; it is due again when another one looks.
            const ended = Promise.withResolvers<void>();
            const deps = {
              ...registry,
              wire: this.#wireOf(registry, () => ended.resolve()),
              forgetIfIdle: registry.follows.forgetIfIdle,
              forgetIfSilent: registry.follows.forgetIfSilent,
              sendOwed: (row: PeerRow) => this.#sendOwed(registry, row, () => ended.resolve()),
              clock: this.clock,
              random: this.random,
            };
            await Promise.race([runTask(task, peer, deps, new AbortController().signal), ended.promise]);
          };
          due.push({ name: `${registry.origin} ${task} ${peer.id}`, run });
        }
      }
    }
    return due;
  }

  /** One request: waits for its turn, and does what the network does to it. `kill`: the sender ends. */
  async #request<Answer>(
    from: MemoryRegistry,
    to: string,
    answer: (target: MemoryRegistry) => Promise<Answer>,
    kill: () => void,
  ) {
    this.requests += 1;
    const { faults } = this;
    await this.#turn();
    const target = this.#byOrigin.get(to);
    if (target === undefined || !this.isOnline(target) || !this.isOnline(from) || this.random() < faults.drop) {
      throw new WireError("unavailable", "the request was lost");
    }
    if (this.random() < faults.duplicate) {
      await answer(target);
      await this.#turn();
    }
    const answered = await answer(target);
    await this.#turn();
    if (this.random() < faults.kill) {
      kill();
      return new Promise<Answer>(() => {});
    }
    if (this.random() < faults.lose) throw new WireError("unavailable", "the answer was lost");
    return answered;
  }

  #turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    return promise;
  }

  #wireOf(from: MemoryRegistry, kill: () => void): Wire {
    const told = (changes: readonly Change[], origin: string) => {
      for (const change of changes) this.characters += change.type === "offer" ? change.document.length : 0;
      return reportsOf(changes, origin);
    };
    const ask = <Answer>(peer: PeerRow, answer: (target: MemoryRegistry) => Promise<Answer>) =>
      this.#request(from, peer.origin, answer, kill);
    return {
      deliver: (peer, changes) =>
        ask(peer, async (target): Promise<Verdict[]> => {
          const sender = await target.peers.findByActor(actorOf(from).id);
          if (sender === null || !["accepted", "requested"].includes(sender.following)) {
            throw new WireError("unwelcome", "not followed");
          }
          if (sender.following === "requested") await target.follows.answered(sender, null, true);
          return target.receiver.take(sender, told(changes, from.origin));
        }),
      readEntries: (peer, query) =>
        ask(peer, async (target): Promise<EntriesPage> => {
          const view = { filter: null, to: from.origin };
          if ("keys" in query) {
            const offers = await target.shelf.offers(query.keys, view);
            const listed = new Set(offers.map(({ key }) => key));
            const gone = query.keys
              .filter((key) => !listed.has(key))
              .map((key): Change => ({ type: "withdrawal", key }));
            return { reports: told([...offers, ...gone], target.origin), cursor: "", atEnd: true };
          }
          if ("fromUs" in query) {
            return { reports: told(target.listedBy(from.origin), target.origin), cursor: "", atEnd: true };
          }
          const place = query.after === null ? null : parseCursor(query.after);
          if (place !== null && place.epoch !== target.shelf.epoch) throw new WireError("refused", "another epoch");
          const page = await target.shelf.changesAfter(place?.position ?? journalStart, view, pageMax);
          return {
            reports: told(page.changes, target.origin),
            cursor: formatCursor(target.shelf.epoch, page.position),
            atEnd: page.atEnd,
          };
        }),
      readDigests: (peer, prefix) =>
        ask(peer, async (target) => ({
          epoch: target.shelf.epoch,
          cursor: formatCursor(target.shelf.epoch, await target.shelf.end()),
          node: await target.shelf.digests(prefix, { filter: null, to: from.origin }),
        })),
    };
  }

  async #sendOwed(from: MemoryRegistry, peer: PeerRow, kill: () => void): Promise<void> {
    await this.#request(
      from,
      peer.origin,
      async (target) => {
        const sender = await target.peers.findByActor(actorOf(from).id);
        if (peer.owedRequest === "follow")
          await target.follows.requested(actorOf(from), String(peer.followingActivity), null);
        else if (peer.owedRequest === "undo" && sender !== null) await target.follows.ended(sender, null);
        if (peer.owedAnswer !== null && sender !== null) {
          await target.follows.answered(sender, peer.followerActivity, peer.owedAnswer === "accept");
        }
      },
      kill,
    );
  }

  /** A digest of what a registry knows for good: each entry's newest version, and whether it is retracted. */
  stateDigest(registry: MemoryRegistry): string {
    const lines = [...registry.entries().values()].map(
      ({ key, versionDigest, kind }) => `${key} ${versionDigest} ${kind}`,
    );
    return digestOf(lines.sort().join("\n"));
  }

  /** Entries that are listed somewhere though no registry has them of its own any more. */
  orphans(): string[] {
    const own = new Set(
      this.registries.flatMap((registry) =>
        [...registry.entries().values()]
          .filter(({ state, origin }) => state === "active" && origin === null)
          .map(({ key }) => key),
      ),
    );
    return this.registries.flatMap((registry) =>
      [...registry.entries().values()]
        .filter(({ state, key }) => state === "active" && !own.has(key))
        .map(({ thingId }) => `${registry.origin} lists ${thingId}`),
    );
  }

  /** Entries that are listed somewhere although a registry knows their Tombstone, or that nothing holds. */
  wrongs(retracted: ReadonlySet<EntryKey>): string[] {
    return this.registries.flatMap((registry) =>
      [...registry.entries().values()].flatMap((entry) => {
        if (entry.state !== "active") return [];
        if (retracted.has(entry.key)) return [`${registry.origin} lists ${entry.thingId}, which was retracted`];
        const isHeld = entry.origin === null || registry.holds(entry.key);
        return isHeld ? [] : [`${registry.origin} lists ${entry.thingId}, which nothing holds`];
      }),
    );
  }
}

function actorOf({ origin }: MemoryRegistry): Actor {
  return {
    id: `${origin}/actor`,
    origin,
    inbox: `${origin}/inbox`,
    handle: null,
    name: null,
    entriesUrl: `${origin}/entries`,
    batchMax: 20,
  };
}

function reportsOf(changes: readonly Change[], origin: string): Report[] {
  return changes.map((change): Report => {
    const objectId = `${origin}/entries/${change.key}`;
    if (change.type === "withdrawal") return { type: "withdrawn", objectId };
    return { type: "listed", objectId, document: change.document, path: change.path };
  });
}

function shuffle(list: unknown[], random: () => number): void {
  for (let index = list.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1));
    [list[index], list[other]] = [list[other], list[index]];
  }
}
