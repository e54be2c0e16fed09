import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ThingId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { nameKey } from "./instance-name.ts";
import type { Observations } from "./observations.ts";
import type { Job, LocalEntry, Outcome } from "./service.ts";
import { createServices, type Services } from "./services.ts";

const settings = { ttlMs: 120_000, checkMs: 10_000, refreshMs: 60_000, changeMs: 10_000 };

const name = "Lamp._wot._tcp.local";
const announcer = "10.0.0.7";
const stranger = "10.0.0.66";

/** What an announcement of a service says. */
function announcement(changes: { name?: string; host?: string; port?: number; address?: string; td?: string } = {}) {
  const { host = "lamp.local", port = 8090, address = announcer, td = "/td" } = changes;
  const text = { td, type: null, scheme: null, raw: td };
  const service = { name: changes.name ?? name, goodbye: false, location: { host, port }, text };
  return { services: [service], hosts: new Map([[nameKey(host), { address }]]) };
}

function goodbye(of = name): Observations {
  return { services: [{ name: of, goodbye: true, location: null, text: null }], hosts: new Map() };
}

const entryOf = (id: string): LocalEntry => ({ thingId: `urn:x:${id}` as ThingId, controller: null });

function admitted(...ids: string[]): Outcome {
  return { kind: "things", known: { entries: ids.map(entryOf), digest: "d" }, remaining: [], title: null, error: null };
}
const failed: Outcome = { kind: "failed", error: "It does not answer." };
const ended: Outcome = { kind: "ended" };

/** Services with a registry that does what they ask for: `answer` is how fetches end. */
function createWorld(answer: (job: Job) => Outcome = () => admitted("lamp")) {
  const services = createServices(settings, 0);
  const world = {
    services,
    now: 0,
    answer,
    fetches: [] as { url: string; at: number }[],
    /** Entries that come or go. */
    rows: [] as string[],
    hear(heard: Observations, sender = announcer) {
      services.hear(heard, sender, world.now);
      world.work();
    },
    work() {
      for (let jobs = services.next(world.now); jobs.length > 0; jobs = services.next(world.now)) {
        for (const job of jobs) {
          if (job.kind === "end") {
            world.rows.push(...job.entries.map(({ thingId }) => `-${thingId}`));
            services.finish(job, ended, world.now);
          } else {
            world.fetches.push({ url: job.target.url, at: world.now });
            const outcome = world.answer(job);
            if (outcome.kind === "things") {
              const fresh = outcome.known.entries.filter(
                (one) => !job.known.entries.some((old) => old.thingId === one.thingId),
              );
              world.rows.push(...fresh.map(({ thingId }) => `+${thingId}`));
            }
            services.finish(job, outcome, world.now);
          }
        }
      }
    },
    /** Lets time pass, second by second; announces meanwhile as often as real services answer queries, if told to. */
    pass(seconds: number, heard?: Observations) {
      for (let second = 1; second <= seconds; second += 1) {
        world.now += 1_000;
        if (heard !== undefined && second % 30 === 0) services.hear(heard, announcer, world.now);
        world.work();
      }
    },
    state: () => services.list(world.now)[0]?.state ?? null,
  };
  return world;
}

describe("a service", () => {
  test("that is announced is fetched at once, and its things are admitted", () => {
    const world = createWorld();
    world.hear(announcement());
    expect(world.fetches).toEqual([{ url: "http://10.0.0.7:8090/td", at: 0 }]);
    expect(world.services.list(0)).toEqual([
      {
        instance: name,
        type: "Thing",
        host: "lamp.local",
        address: announcer,
        port: 8090,
        url: "http://10.0.0.7:8090/td",
        state: "admitted",
        ids: ["urn:x:lamp"],
        title: null,
        lastSeen: new Date(0),
        error: null,
      },
    ]);
  });

  test("is found while records are missing, which are asked for some times", () => {
    const world = createWorld();
    world.hear({ services: [{ name, goodbye: false, location: null, text: null }], hosts: new Map() });
    expect(world.state()).toBe("found");
    const asked: [number, string][] = [];
    for (; world.now < 60_000; world.now += 250) {
      for (const { type } of world.services.missing(world.now)) asked.push([world.now, type]);
    }
    expect(asked.filter(([, type]) => type === "SRV").map(([at]) => at)).toEqual([0, 500, 1_500, 3_500]);
    const {
      services: [lamp],
      hosts,
    } = announcement();
    if (lamp === undefined) throw new Error("nothing was announced");
    world.hear({ services: [lamp], hosts: new Map() });
    expect(world.state()).toBe("found");
    world.hear({ services: [], hosts });
    expect(world.state()).toBe("admitted");
  });

  test("that is well is fetched again every minute", () => {
    const world = createWorld();
    world.hear(announcement());
    world.pass(180, announcement());
    expect(world.fetches.map(({ at }) => at)).toEqual([0, 60_000, 120_000, 180_000]);
    expect(world.rows).toEqual(["+urn:x:lamp"]);
  });

  test("that names other things than before loses those that it does not name", () => {
    const world = createWorld();
    world.hear(announcement());
    world.answer = () => admitted("desk", "shelf");
    world.pass(60, announcement());
    expect(world.rows.toSorted()).toEqual(["+urn:x:desk", "+urn:x:lamp", "+urn:x:shelf", "-urn:x:lamp"]);
  });

  test("whose new description is refused keeps the entry of the old one, if it is still about that thing", () => {
    const world = createWorld();
    world.hear(announcement());
    world.answer = () => ({
      ...(admitted() as Extract<Outcome, { kind: "things" }>),
      remaining: [entryOf("lamp")],
      error: "No.",
    });
    world.pass(60, announcement());
    expect(world.rows).toEqual(["+urn:x:lamp"]);
    expect(world.services.list(world.now)[0]).toMatchObject({ state: "admitted", error: "No.", ids: ["urn:x:lamp"] });
  });

  test("with nothing that is admitted is refused, and a directory is a neighbour", () => {
    const world = createWorld(() => ({ ...(admitted() as Extract<Outcome, { kind: "things" }>), error: "No." }));
    world.hear(announcement());
    expect(world.state()).toBe("refused");
    world.answer = () => ({ kind: "directory", title: "Other" });
    world.pass(60, announcement());
    expect(world.services.list(world.now)[0]).toMatchObject({ state: "neighbour", title: "Other" });
  });
});

describe("a change", () => {
  test("of the TXT record leads to a fetch, at most every ten seconds", () => {
    const world = createWorld();
    world.hear(announcement());
    world.pass(20);
    for (let second = 0; second < 25; second += 1) {
      world.hear(announcement({ td: `/td/${second}` }));
      world.pass(1);
    }
    expect(world.fetches.map(({ at }) => at)).toEqual([0, 20_000, 30_000, 40_000]);
  });

  test("to what must not be fetched ends the entries, and fetches nothing", () => {
    const world = createWorld();
    world.hear(announcement());
    world.hear(announcement({ td: "//evil.example/" }));
    expect(world.state()).toBe("refused");
    world.pass(100, announcement({ td: "//evil.example/" }));
    expect(world.fetches).toHaveLength(1);
    expect(world.rows).toEqual(["+urn:x:lamp", "-urn:x:lamp"]);
  });

  test("by a stranger is not followed while the service answers, and is once it does not", () => {
    const world = createWorld();
    world.hear(announcement());
    world.pass(20);
    const elsewhere = announcement({ address: stranger });
    world.hear(elsewhere, stranger);
    world.pass(1);
    expect(world.fetches.at(-1)).toEqual({ url: "http://10.0.0.7:8090/td", at: 20_000 });
    world.answer = (job) => (job.kind === "fetch" && job.target.address === announcer ? failed : admitted("lamp"));
    world.pass(10);
    world.hear(elsewhere, stranger);
    world.pass(1);
    world.hear(elsewhere, stranger);
    world.pass(10);
    expect(world.fetches.at(-1)?.url).toBe("http://10.0.0.66:8090/td");
  });
});

describe("leaving", () => {
  test("a goodbye ends the entries at once, and the network is asked once more", () => {
    const world = createWorld();
    world.hear(announcement());
    world.hear(goodbye());
    expect(world.rows).toEqual(["+urn:x:lamp", "-urn:x:lamp"]);
    expect(world.services.list(world.now)).toEqual([]);
    expect(world.services.missing(999)).toEqual([]);
    expect(world.services.missing(1_000).map((one) => one.type)).toEqual(["SRV", "TXT"]);
    expect(world.services.missing(60_000)).toEqual([]);
  });

  test("a goodbye by a stranger has the service asked, and ends nothing while it answers", () => {
    const world = createWorld();
    world.hear(announcement());
    world.pass(30);
    world.hear(goodbye(), stranger);
    expect(world.fetches.map(({ at }) => at)).toEqual([0, 30_000]);
    expect(world.state()).toBe("admitted");
    world.answer = () => failed;
    world.pass(10);
    world.hear(goodbye(), stranger);
    world.pass(20);
    expect(world.rows).toEqual(["+urn:x:lamp", "-urn:x:lamp"]);
  });

  test("silence starts checks, of which two that fail end it and its entries", () => {
    const world = createWorld();
    world.hear(announcement());
    world.pass(119);
    world.answer = () => failed;
    world.pass(1);
    expect(world.state()).toBe("failing");
    expect(world.rows).toEqual(["+urn:x:lamp"]);
    world.pass(10);
    expect(world.fetches.map(({ at }) => at)).toEqual([0, 60_000, 120_000, 130_000]);
    expect(world.state()).toBeNull();
    expect(world.rows).toEqual(["+urn:x:lamp", "-urn:x:lamp"]);
  });

  test("a silent service that answers stays", () => {
    const world = createWorld();
    world.hear(announcement());
    world.pass(3_600);
    expect(world.state()).toBe("admitted");
    expect(world.rows).toEqual(["+urn:x:lamp"]);
  });

  test("one failure ends nothing, and two in a row end the entries of a service that is still announced", () => {
    const world = createWorld();
    world.hear(announcement());
    world.answer = () => failed;
    world.pass(60, announcement());
    world.answer = () => admitted("lamp");
    world.pass(10, announcement());
    expect(world.rows).toEqual(["+urn:x:lamp"]);
    world.answer = () => failed;
    world.pass(80, announcement());
    expect(world.state()).toBe("failing");
    expect(world.rows).toEqual(["+urn:x:lamp", "-urn:x:lamp"]);
    world.answer = () => admitted("lamp");
    world.pass(80, announcement());
    expect(world.state()).toBe("admitted");
  });

  test("what is admitted for a service that has left meanwhile is ended", () => {
    const services = createServices(settings, 0);
    services.hear(announcement(), announcer, 0);
    const [fetching] = services.next(0);
    services.hear(goodbye(), announcer, 1);
    expect(services.next(1)).toEqual([]);
    if (fetching === undefined) throw new Error("nothing was started");
    services.finish(fetching, admitted("lamp"), 2);
    expect(services.next(2)).toEqual([{ kind: "end", name, entries: [entryOf("lamp")] }]);
  });

  test("entries that cannot be ended are tried again", () => {
    const world = createWorld();
    world.hear(announcement());
    world.services.hear(goodbye(), announcer, 0);
    const [job] = world.services.next(0);
    if (job === undefined) throw new Error("nothing was started");
    world.services.finish(job, failed, 0);
    expect(world.services.next(9_999)).toEqual([]);
    expect(world.services.next(10_000)).toMatchObject([
      { kind: "end", entries: job.kind === "end" ? job.entries : [] },
    ]);
  });
});

describe("after a restart", () => {
  test("entries whose service is not heard end after its lifetime and two checks", () => {
    const world = createWorld();
    world.services.restore(name, [entryOf("lamp")], 0);
    world.pass(120);
    expect(world.state()).toBe("failing");
    expect(world.rows).toEqual([]);
    world.pass(10);
    expect(world.rows).toEqual(["-urn:x:lamp"]);
    expect(world.fetches).toEqual([]);
  });

  test("entries whose service is heard stay, and those that it does not name any more end", () => {
    const world = createWorld(() => admitted("lamp"));
    world.services.restore(name, [entryOf("lamp"), entryOf("old")], 0);
    world.hear(announcement());
    expect(world.rows).toEqual(["-urn:x:old"]);
    expect(world.state()).toBe("admitted");
  });
});

describe("a service that comes and goes", () => {
  const cycle = (world: ReturnType<typeof createWorld>) => {
    world.hear(announcement());
    world.pass(1);
    world.hear(goodbye());
    world.pass(1);
  };

  test("is held back from the third time within a minute, and says so", () => {
    const world = createWorld();
    for (let times = 0; times < 20; times += 1) cycle(world);
    expect(world.rows).toHaveLength(6);
    expect(world.services.list(world.now)[0]).toMatchObject({ state: "flapping", ids: [] });
    expect(world.services.list(world.now)[0]?.error).toContain("3 times within a minute");
    world.hear(announcement());
    world.pass(120, announcement());
    expect(world.state()).toBe("admitted");
  });

  test("leaves ever fewer traces in the journal", () => {
    const world = createWorld();
    const rowsPerHour: number[] = [];
    for (let hour = 0; hour < 3; hour += 1) {
      const before = world.rows.length;
      for (let times = 0; times < 1_800; times += 1) cycle(world);
      rowsPerHour.push(world.rows.length - before);
    }
    expect(rowsPerHour[0]).toBeLessThanOrEqual(42);
    expect(rowsPerHour[2]).toBeLessThanOrEqual(18);
  });
});

describe("bounds", () => {
  const lamp = (index: number) => `Lamp ${index}._wot._tcp.local`;
  const addressOf = (index: number) => `10.1.${index % 250}.${Math.floor(index / 250) + 1}`;

  /** Announces `count` services, slowly enough for all of them to be taken in, each by another host. */
  function announceMany(world: ReturnType<typeof createWorld>, count: number) {
    for (let index = 0; index < count; index += 1) {
      world.now += 1_000 / limits.lanNewServicesPerSecondMax;
      const address = addressOf(index);
      world.services.hear(announcement({ name: lamp(index), host: `h${index}.local`, address }), address, world.now);
    }
    world.work();
  }

  test("a flood of new names is taken in so many at once, and then so many a second", () => {
    const world = createWorld();
    const flood = () => {
      for (let index = 0; index < 1_000; index += 1) {
        world.services.hear(announcement({ name: lamp(Math.random()) }), addressOf(index), world.now);
      }
      return world.services.list(world.now).length;
    };
    expect(flood()).toBe(limits.lanNewServicesMax);
    world.now += 1_000;
    expect(flood()).toBe(limits.lanNewServicesMax + limits.lanNewServicesPerSecondMax);
  });

  test("one announcer has so many services, and no more", () => {
    const world = createWorld();
    for (let index = 0; index < 300; index += 1) {
      world.now += 100;
      world.services.hear(announcement({ name: lamp(index) }), announcer, world.now);
    }
    expect(world.services.list(world.now)).toHaveLength(limits.lanServicesPerAnnouncerMax);
  });

  test("so many services are known at once; those that came to nothing make room, the others do not", () => {
    const world = createWorld((job) => admitted(job.name));
    announceMany(world, limits.lanServicesMax);
    world.hear(announcement({ name: "Late._wot._tcp.local" }), "10.9.9.9");
    expect(world.services.list(world.now)).toHaveLength(limits.lanServicesMax);
    expect(world.services.list(world.now).every(({ state }) => state === "admitted")).toBe(true);

    const other = createWorld(() => failed);
    announceMany(other, limits.lanServicesMax);
    other.answer = (job) => admitted(job.name);
    other.hear(announcement({ name: "Late._wot._tcp.local" }), "10.9.9.9");
    expect(other.services.list(other.now)).toHaveLength(limits.lanServicesMax);
    expect(other.services.list(other.now).at(-1)).toMatchObject({
      instance: "Late._wot._tcp.local",
      state: "admitted",
    });
  });

  test("so many fetches run at once, and fewer of one address", () => {
    const services = createServices(settings, 0);
    for (let index = 0; index < 100; index += 1) {
      const address = index < 50 ? announcer : addressOf(index);
      services.hear(announcement({ name: lamp(index), host: `h${index}.local`, address }), address, 0);
    }
    const jobs = services.next(0);
    expect(jobs).toHaveLength(limits.lanFetchesMax);
    const ofAnnouncer = jobs.filter((job) => job.kind === "fetch" && job.target.address === announcer);
    expect(ofAnnouncer).toHaveLength(limits.lanFetchesPerAddressMax);
    expect(services.next(0)).toEqual([]);
  });

  test("services that fail do not keep those from being asked that are well", () => {
    const world = createWorld((job) => (job.name === name ? admitted("lamp") : failed));
    announceMany(world, 500);
    world.hear(announcement());
    world.now += 300_000;
    const [first] = world.services.next(world.now).filter(({ kind }) => kind === "fetch");
    expect(first?.name).toBe(name);
  });
});

describe("whatever happens, in whatever order", () => {
  const senders = ["10.0.0.7", "10.0.0.8", "10.0.0.66"];
  const lampNames = ["A._wot._tcp.local", "B._wot._tcp.local"];
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("hear" as const),
      name: fc.constantFrom(...lampNames),
      sender: fc.constantFrom(...senders),
      address: fc.constantFrom(...senders),
      td: fc.constantFrom("/td", "/other", "//evil"),
    }),
    fc.record({
      kind: fc.constant("goodbye" as const),
      name: fc.constantFrom(...lampNames),
      sender: fc.constantFrom(...senders),
    }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 90_000 }) }),
    fc.record({
      kind: fc.constant("finish" as const),
      which: fc.nat(),
      ids: fc.option(fc.subarray(["a", "b"]), { nil: undefined }),
    }),
  );

  /** A registry that holds what finished jobs have written, by service and id. */
  function createRegistry(services: Services) {
    const open: Job[] = [];
    const entries = new Set<string>();
    const writes: { at: number; key: string }[] = [];
    const start = (now: number) => {
      for (const job of services.next(now)) {
        expect(
          open.some((other) => other.name === job.name),
          "one job of a service at a time",
        ).toBe(false);
        open.push(job);
      }
    };
    const write = (now: number, key: string, isThere: boolean) => {
      if (entries.has(key) === isThere) return;
      if (isThere) entries.add(key);
      else entries.delete(key);
      writes.push({ at: now, key });
    };
    return {
      open,
      entries,
      writes,
      start,
      finish(now: number, which: number, ids: string[] | undefined) {
        const [job] = open.splice(which % Math.max(1, open.length), 1);
        if (job === undefined) return;
        if (job.kind === "end") for (const { thingId } of job.entries) write(now, `${job.name} ${thingId}`, false);
        else for (const id of ids ?? []) write(now, `${job.name} urn:x:${id}`, true);
        services.finish(job, job.kind === "end" ? ended : ids === undefined ? failed : admitted(...ids), now);
      },
    };
  }

  test("the registry ends with what the services name, and without those that left", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, stays) => {
        const services = createServices(settings, 0);
        const registry = createRegistry(services);
        let now = 0;
        for (const one of steps) {
          if (one.kind === "pass") now += one.ms;
          else if (one.kind === "finish") registry.finish(now, one.which, one.ids);
          else if (one.kind === "goodbye") services.hear(goodbye(one.name), one.sender, now);
          else services.hear(announcement({ ...one, host: `${one.name[0]}.local` }), one.sender, now);
          registry.start(now);
        }
        // From now on both are announced by one host and answer, or neither is and both are dead.
        const until = now + 3 * 60 * 60_000;
        for (; now < until; now += 5_000) {
          for (const known of stays ? lampNames : []) {
            services.hear(announcement({ name: known, host: `${known[0]}.local` }), announcer, now);
          }
          registry.start(now);
          while (registry.open.length > 0) {
            registry.finish(now, 0, stays ? ["a"] : undefined);
            registry.start(now);
          }
        }
        expect([...registry.entries].sort()).toEqual(stays ? lampNames.map((known) => `${known} urn:x:a`) : []);
        expect(services.list(now)).toHaveLength(stays ? 2 : 0);
      }),
      { numRuns: 60 },
    );
  });

  test("no service writes more than so many rows within a minute", () => {
    const quick = fc.array(
      fc.oneof(
        step.filter(({ kind }) => kind !== "pass"),
        fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 2_000 }) }),
      ),
      { minLength: 100, maxLength: 300 },
    );
    fc.assert(
      fc.property(quick, (steps) => {
        const services = createServices(settings, 0);
        const registry = createRegistry(services);
        let now = 0;
        for (const one of steps) {
          if (one.kind === "pass") now += one.ms;
          else if (one.kind === "goodbye") services.hear(goodbye(one.name), one.sender, now);
          else if (one.kind === "hear")
            services.hear(announcement({ ...one, host: "h.local", td: "/td" }), one.sender, now);
          registry.start(now);
          while (registry.open.length > 0) {
            registry.finish(now, 0, ["a"]);
            registry.start(now);
          }
        }
        for (const { at, key } of registry.writes) {
          const within = registry.writes.filter(
            (other) => other.key === key && other.at >= at && other.at < at + 60_000,
          );
          expect(within.length).toBeLessThanOrEqual(2 * limits.lanDeparturesMax + 1);
        }
      }),
      { numRuns: 60 },
    );
  });
});
