import { describe, expect, test } from "vitest";
import { type EntryKey, entryKeyOf, type ThingId } from "../../src/base/ids.ts";
import type { SigningKey } from "../../src/identity/keys.ts";
import { newKey, signedTd, signedTombstone } from "../support/descriptions.ts";
import type { MemoryRegistry } from "./memory-registry.ts";
import { type Faults, noFaults, Simulation } from "./simulation.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const seeds = Number(process.env["SEEDS"] ?? 3);
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
async function comeToRest(simulation: Simulation, pauseMs = 2 * hourMs): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    simulation.pass(pauseMs);
    await simulation.settle();
  }
  simulation.faults = noFaults;
  for (let round = 0; round < 4; round += 1) {
    simulation.pass(pauseMs);
    await simulation.settle();
  }
}

function expectEqual(simulation: Simulation, owners: Owners): void {
  const digests = new Map(simulation.registries.map((one) => [one.origin, simulation.stateDigest(one)]));
  const [first] = digests.values();
  expect([...digests].filter(([, digest]) => digest !== first).map(([origin]) => origin)).toEqual([]);
  expect(simulation.wrongs(owners.retracted)).toEqual([]);
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

describe.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))("seed %i", (seed) => {
  test("200 registries that relay end alike, whatever the network does", async () => {
    const simulation = new Simulation({ seed, registries: 200, relay: true, faults: harsh });
    await followRandomly(simulation, 2);
    const owners = new Owners(simulation, 20);
    for (let round = 0; round < 10; round += 1) {
      for (let act = 0; act < 12; act += 1) await owners.act();
      await simulation.settle();
      simulation.pass(minuteMs);
    }
    await comeToRest(simulation);
    expectEqual(simulation, owners);
  });
});
