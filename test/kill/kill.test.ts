import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { digestOf } from "../../src/base/ids.ts";
import { isJsonObject, parseJson } from "../../src/base/json.ts";
import { openDatabase, rowsOf } from "../../src/db/client.ts";
import { verifyProof } from "../../src/identity/proof.ts";
import { createDidResolver } from "../../src/identity/resolver.ts";
import { createDatabasePlace, type DatabasePlace } from "../support/database.ts";
import { newKey, signedTd } from "../support/descriptions.ts";
import { refusingEgress } from "../support/egress.ts";
import { freePort, type ServerProcess, startServerProcess } from "../support/process.ts";
import { seededRandom } from "../support/random.ts";
import { thingPath } from "../support/service.ts";

/** `npm test` takes a sample; `.ci/run` sets 50. */
const kills = Number(process.env["KILLS"] ?? 5);
/** Another seed is another run: `KILL_SEED=7 npx vitest run test/kill`. */
const seed = Number(process.env["KILL_SEED"] ?? 1);
const clients = 8;
/** Milliseconds between two kills while the clients write: enough for writes of every kind, few enough for many kills. */
const killAfterMs = { min: 50, max: 1_500 };

/** What its client knows of an entry. */
interface Known {
  id: string;
  /** Every version that was ever sent, in order. */
  sent: string[];
  /** Index in `sent` of the last version that the registry acknowledged; -1 for none. */
  acknowledged: number;
  /** Sent or acknowledged since the entry was last checked. */
  touched: boolean;
}

interface Client {
  known: Known[];
  /** Writes one version at a time until the registry is gone; resolves then. */
  writeUntilKilled(url: string): Promise<void>;
}

function createClient(number: number): Client {
  const key = newKey();
  const random = seededRandom(seed * 1_000 + number);
  const known: Known[] = [];
  let createdMs = Date.now() - 3_600_000;

  function nextEntry(): Known {
    const old = random() < 0.4 ? known[Math.floor(random() * known.length)] : undefined;
    if (old !== undefined) return old;
    const entry: Known = { id: `urn:kill:${number}:${known.length}`, sent: [], acknowledged: -1, touched: true };
    known.push(entry);
    return entry;
  }

  return {
    known,
    async writeUntilKilled(url) {
      for (;;) {
        const entry = nextEntry();
        // A version is newer than all before it, also where two are signed within a millisecond.
        createdMs += 1;
        const title = `Kill test ${number} ${entry.sent.length} ${"x".repeat(Math.floor(random() * 4_000))}`;
        const { text } = signedTd({ key, created: new Date(createdMs), members: { id: entry.id, title } });
        entry.touched = true;
        const index = entry.sent.push(text) - 1;
        const answer = await put(url, entry.id, text);
        if (answer === null) return;
        if (answer.status !== 201 && answer.status !== 204) {
          throw new Error(`${entry.id} was answered ${answer.status}: ${answer.text}`);
        }
        entry.acknowledged = index;
      }
    },
  };
}

/** Null when the connection broke before the whole answer was there. */
async function put(url: string, id: string, body: string): Promise<{ status: number; text: string } | null> {
  try {
    const headers = { "content-type": "application/td+json" };
    const response = await fetch(url + thingPath(id), { method: "PUT", headers, body });
    return { status: response.status, text: await response.text() };
  } catch {
    return null;
  }
}

/** Every acknowledged version is there, or one that was sent after it; nothing is there that was never sent. */
async function checkTouched(url: string, known: Known[]): Promise<{ lost: string[]; foreign: string[] }> {
  const lost: string[] = [];
  const foreign: string[] = [];
  const touched = known.filter((entry) => entry.touched);
  const checkNext = async (): Promise<void> => {
    for (let entry = touched.pop(); entry !== undefined; entry = touched.pop()) {
      const response = await fetch(url + thingPath(entry.id));
      const text = await response.text();
      const index = response.status === 200 ? entry.sent.indexOf(text) : -1;
      if (response.status === 200 && index === -1) foreign.push(entry.id);
      else if (response.status !== 200 && response.status !== 404) foreign.push(`${entry.id}: ${response.status}`);
      else if (index < entry.acknowledged) lost.push(entry.id);
      entry.touched = false;
    }
  };
  await Promise.all(Array.from({ length: clients }, checkNext));
  return { lost, foreign };
}

/** Waits until search has caught up with the journal, and returns the ids of everything that it lists. */
async function searchAll(url: string, wanted: number): Promise<Set<string>> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const found = new Set<string>();
    let cursor = "";
    for (;;) {
      const response = await fetch(`${url}/search?limit=100${cursor}`);
      const page = (await response.json()) as { items: { id: string }[]; next: string | null };
      for (const item of page.items) found.add(item.id);
      if (page.next === null) break;
      cursor = `&cursor=${encodeURIComponent(page.next)}`;
    }
    if (found.size >= wanted || performance.now() > deadline) return found;
    await sleep(200);
  }
}

/** Reads the tables themselves: whatever is stored is whole. Returns how many versions there are. */
async function checkTables(place: DatabasePlace): Promise<number> {
  await using db = await openDatabase(place.options);
  const resolver = createDidResolver({ egress: refusingEgress, clock: systemClock, allowPrivateAddresses: false });
  const versions = await rowsOf<{ document: string; digest: string; id: string }>(
    db.orm,
    sql`select id, document, encode(digest, 'hex') as digest from versions order by id`,
  );
  for (const { document, digest } of versions) {
    expect(digestOf(document)).toBe(digest);
    const { value } = parseJson(Buffer.from(document));
    if (!isJsonObject(value)) throw new Error("a stored document is not an object");
    await verifyProof(value, { resolver, clock: systemClock });
  }
  const [faults] = await rowsOf<Record<string, string>>(
    db.orm,
    sql`select
      (select count(*) from versions where not exists
        (select from journal where journal.entry_key = versions.entry_key and journal.digest = versions.digest))
        as versions_without_journal,
      (select count(*) from journal where not exists
        (select from versions where versions.entry_key = journal.entry_key and versions.digest = journal.digest))
        as journal_without_version,
      (select count(*) from (select from journal group by entry_key, digest having count(*) > 1) as twice)
        as versions_twice_in_journal,
      (select count(*) from entries where not exists
        (select from versions where versions.id = entries.version_id and versions.digest = entries.digest
          and versions.entry_key = entries.key)) as entries_without_version,
      (select count(*) from entries where version_count <>
        (select count(*) from versions where versions.entry_key = entries.key)) as wrong_version_counts,
      (select count(*) from entries where version_id <>
        (select max(id) from versions where versions.entry_key = entries.key)) as entries_behind`,
  );
  expect(Object.entries(faults ?? {}).filter(([, count]) => Number(count) !== 0)).toEqual([]);
  return versions.length;
}

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;

test(
  `${kills} kills -9 while ${clients} clients register and update: nothing acknowledged is lost, nothing is half written`,
  async () => {
    await using place = await createDatabasePlace();
    const { databaseUrl, dataDir } = place.config;
    const env = databaseUrl === null ? { DATA_DIR: dataDir } : { DATABASE_URL: databaseUrl, DATA_DIR: dataDir };
    const port = await freePort();
    const start = () => startServerProcess({ port, env });

    const random = seededRandom(seed);
    const writers = Array.from({ length: clients }, (_, number) => createClient(number));
    const startsMs: number[] = [];
    let server: ServerProcess = await start();
    try {
      for (let kill = 0; kill < kills; kill += 1) {
        const writing = Promise.all(writers.map((writer) => writer.writeUntilKilled(server.url)));
        // Also when a client gives up: its error is the test's.
        await Promise.race([sleep(killAfterMs.min + random() * (killAfterMs.max - killAfterMs.min)), writing]);
        await server.kill();
        await writing;
        server = await start();
        startsMs.push(server.startMs);
        const found = await checkTouched(
          server.url,
          writers.flatMap((writer) => writer.known),
        );
        expect(found, `after kill ${kill + 1} of seed ${seed}`).toEqual({ lost: [], foreign: [] });
      }

      const known = writers.flatMap((writer) => writer.known);
      for (const entry of known) entry.touched = true;
      expect(await checkTouched(server.url, known)).toEqual({ lost: [], foreign: [] });
      const acknowledged = known.filter((entry) => entry.acknowledged >= 0);
      const searched = await searchAll(server.url, acknowledged.length);
      expect(acknowledged.filter((entry) => !searched.has(entry.id)).map((entry) => entry.id)).toEqual([]);
      expect(await server.stop()).toBe(0);

      const versions = await checkTables(place);
      const sent = known.reduce((sum, entry) => sum + entry.sent.length, 0);
      expect(acknowledged.length).toBeGreaterThan(0);
      process.stdout.write(
        `${place.kind}, seed ${seed}: ${kills} kills, ${sent} versions sent, ${versions} stored, ` +
          `${acknowledged.length} entries acknowledged, 0 lost, 0 half written; ` +
          `restart median ${Math.round(median(startsMs))} ms, longest ${Math.round(Math.max(...startsMs))} ms\n`,
      );
    } finally {
      await server.kill();
    }
  },
  60_000 + kills * 15_000,
);
