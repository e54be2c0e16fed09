import { describe, expect, test } from "vitest";
import { type EntryKey, entryKeyOf, type ThingId } from "../../src/base/ids.ts";
import type { SigningKey } from "../../src/identity/keys.ts";
import { newKey, signedTd, signedTombstone } from "../support/descriptions.ts";
import type { MemoryRegistry } from "./memory-registry.ts";
import { type Faults, noFaults, Simulation } from "./simulation.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** How many networks of each kind are tried, from which seed on. */
const seeds = Number(process.env["SEEDS"] ?? 1);
const firstSeed = Number(process.env["SEED"] ?? 1);
const harsh: Faults = { drop: 0.2, lose: 0.2, duplicate: 0.2, kill: 0.05 };

/** Owners who publish, update and retract at registries of chance. */
class Owners {
  readonly retracted = new Set<EntryKey>();
  readonly #simulation: Simulation;
  readonly #keys: SigningKey[];
  readonly #things: { id: string; key: SigningKey; home: MemoryRegistry }[] = [];

  constructor(simulation: Simulation, owners: number) {
    this.#simulation = simulation;
    this.#keys = Array.from({ length: owners }, newKey);
  }

  /** One act. An owner updates where it has registered, or, now and then, somewhere else. */
  async act(): Promise<void> {
    const { random, registries, clock } = this.#simulation;
    const pick = <Item>(list: readonly Item[]) => list[Math.floor(random() * list.length)] as Item;
    this.#simulation.pass(1_000);
    const created = clock.now();
    if (this.#things.length === 0 || random() < 0.6) {
      const key = pick(this.#keys);
      const home = pick(registries.filter((registry) => this.#simulation.isOnline(registry)));
      const { id, text } = signedTd({ key, created });
      this.#things.push({ id, key, home });
      await home.register(text);
      return;
    }
    const { id, key, home } = pick(this.#things);
    const at = random() < 0.9 && this.#simulation.isOnline(home) ? home : pick(registries);
    if (!this.#simulation.isOnline(at)) return;
    if (random() < 0.7) {
      await at.register(signedTd({ key, created, members: { id, title: `v${created.getTime()}` } }).text);
      return;
    }
    await at.register(signedTombstone(id, key, created).text);
    this.retracted.add(entryKeyOf(key.controller, id as ThingId));
    this.#things.splice(
      this.#things.findIndex((thing) => thing.id === id),
      1,
    );
  }
}

/** Lets time pass until all that is tried again has been tried, first with the faults, then without. */
async function comeToRest(simulation: Simulation, rounds = 4): Promise<void> {
  simulation.pass(2 * hourMs);
  await simulation.settle();
  simulation.faults = noFaults;
  for (let round = 0; round < rounds; round += 1) {
    simulation.pass(2 * hourMs);
    await simulation.settle();
  }
}

function expectEqual(simulation: Simulation, owners: Owners, which = ""): void {
  const digests = new Map(simulation.registries.map((one) => [one.origin, simulation.stateDigest(one)]));
  const [first] = digests.values();
  expect(
    [...digests].filter(([, digest]) => digest !== first).map(([origin]) => origin),
    which,
  ).toEqual([]);
  expect(simulation.wrongs(owners.retracted), which).toEqual([]);
}

async function followRandomly(simulation: Simulation, each: number): Promise<void> {
  const { registries, random } = simulation;
  for (const [index, registry] of registries.entries()) {
    const next = registries[(index + 1) % registries.length];
    if (next !== undefined) await simulation.follow(registry, next);
    for (let count = 0; count < each; count += 1) {
      const other = registries[Math.floor(random() * registries.length)];
      if (other !== undefined && other !== registry) await simulation.follow(registry, other);
    }
  }
}

/** Writes what a test has measured, where somebody looks at it. */
function tell(text: string): void {
  process.stdout.write(`${text}\n`);
}

describe.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))("seed %i", (seed) => {
  test("200 registries that relay end alike, whatever the network does", { timeout: 120_000 }, async () => {
    const simulation = new Simulation({ seed, registries: 200, relay: true, faults: harsh });
    await followRandomly(simulation, 2);
    const owners = new Owners(simulation, 20);
    for (let round = 0; round < 10; round += 1) {
      for (let act = 0; act < 12; act += 1) await owners.act();
      await simulation.settle();
      simulation.pass(minuteMs);
    }
    await comeToRest(simulation, 2);
    expectEqual(simulation, owners);
  });
});

/** Small networks, of which many are tried. */
const manySeeds = Array.from({ length: 40 * seeds }, (_, index) => firstSeed + index);

test("registries that all follow each other end alike without relaying", { timeout: 120_000 }, async () => {
  for (const seed of manySeeds) {
    const simulation = new Simulation({ seed, registries: 4, relay: false, faults: harsh, concurrency: 6 });
    for (const one of simulation.registries) {
      for (const other of simulation.registries) if (one !== other) await simulation.follow(one, other);
    }
    const owners = new Owners(simulation, 3);
    for (let act = 0; act < 25; act += 1) {
      await owners.act();
      if (act % 5 === 0) await simulation.settle();
    }
    await comeToRest(simulation);
    expectEqual(simulation, owners, `seed ${seed}`);
  }
});

test("what its registry takes off the list goes everywhere, however it was relayed", { timeout: 120_000 }, async () => {
  for (const seed of manySeeds) {
    const simulation = new Simulation({ seed, registries: 5, relay: true, faults: harsh, concurrency: 6 });
    for (const one of simulation.registries) {
      for (const other of simulation.registries) if (one !== other) await simulation.follow(one, other);
    }
    const owners = new Owners(simulation, 3);
    for (let act = 0; act < 15; act += 1) await owners.act();
    await simulation.settle();
    for (const registry of simulation.registries) {
      const own = [...registry.entries().values()].filter(({ origin }) => origin === null);
      for (const { key } of own.slice(0, 2)) registry.unlist(key);
      await simulation.settle();
    }
    await comeToRest(simulation);
    expect(simulation.orphans(), `seed ${seed}`).toEqual([]);
    expect(simulation.wrongs(owners.retracted), `seed ${seed}`).toEqual([]);
  }
});

test("a registry that was away for a week reads what it missed, and no more", { timeout: 60_000 }, async () => {
  const simulation = new Simulation({ seed: firstSeed, registries: 5, relay: true, faults: noFaults });
  await followRandomly(simulation, 0);
  const owners = new Owners(simulation, 5);
  for (let act = 0; act < 200; act += 1) await owners.act();
  await simulation.settle();
  const [away] = simulation.registries as [MemoryRegistry];
  simulation.setOnline(away, false);
  for (let day = 0; day < 7; day += 1) {
    for (let act = 0; act < 20; act += 1) await owners.act();
    for (let hour = 0; hour < 24; hour += 1) {
      simulation.pass(hourMs);
      await simulation.settle();
    }
  }
  const missed = simulation.registries
    .flatMap((one) => (one === simulation.registries[1] ? [...one.entries().values()] : []))
    .filter(({ key, versionDigest }) => away.entries().get(key)?.versionDigest !== versionDigest)
    .reduce((sum, { document }) => sum + document.length, 0);
  simulation.setOnline(away, true);
  const { requests, characters } = simulation;
  const start = simulation.clock.now().getTime();
  const digests = () => new Set(simulation.registries.map((one) => simulation.stateDigest(one)));
  for (let minute = 0; digests().size > 1 && minute < 240; minute += 1) {
    simulation.pass(minuteMs);
    await simulation.settle();
  }
  const minutes = (simulation.clock.now().getTime() - start) / minuteMs;
  const sent = simulation.characters - characters;
  tell(
    `a week away: equal after ${minutes} min, ${simulation.requests - requests} requests, ${sent} characters of documents for ${missed} that were missed`,
  );
  expectEqual(simulation, owners);
  // It reads them itself, they are pushed to it, and it passes them on.
  expect(sent).toBeLessThan(4 * missed);
});

test(
  "a registry that was restored from an old copy gets back what it lost, and nobody forgets it",
  { timeout: 60_000 },
  async () => {
    const simulation = new Simulation({ seed: firstSeed, registries: 5, relay: false, faults: noFaults });
    for (const one of simulation.registries) {
      for (const other of simulation.registries) if (one !== other) await simulation.follow(one, other);
    }
    const owners = new Owners(simulation, 5);
    for (let act = 0; act < 150; act += 1) await owners.act();
    await simulation.settle();
    simulation.pass(2 * hourMs);
    await simulation.settle();
    const [restored] = simulation.registries as [MemoryRegistry];
    const old = restored.dump();
    for (let act = 0; act < 150; act += 1) await owners.act();
    await simulation.settle();
    const before = simulation.stateDigest(restored);
    expect(new Set(simulation.registries.map((one) => simulation.stateDigest(one)))).toEqual(new Set([before]));
    const listed = () =>
      simulation.registries.map((one) => [...one.entries().values()].filter(({ state }) => state === "active").length);
    const listedBefore = listed();

    restored.restore(old);
    expect(simulation.stateDigest(restored)).not.toBe(before);
    const { requests, characters } = simulation;
    const start = simulation.clock.now().getTime();
    for (let minute = 0; simulation.stateDigest(restored) !== before && minute < 240; minute += 1) {
      simulation.pass(minuteMs);
      await simulation.settle();
      for (const [index, count] of listed().entries()) {
        // The others lose nothing meanwhile.
        if (index > 0) expect(count).toBe(listedBefore[index]);
      }
    }
    const minutes = (simulation.clock.now().getTime() - start) / minuteMs;
    const sent = simulation.characters - characters;
    tell(
      `restored: equal after ${minutes} min, ${simulation.requests - requests} requests, ${sent} characters of documents`,
    );
    for (let day = 0; day < 3; day += 1) {
      simulation.pass(24 * hourMs);
      await simulation.settle();
    }
    expectEqual(simulation, owners);
    expect(listed()).toEqual(listedBefore);
  },
);
