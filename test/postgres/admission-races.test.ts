import { sql } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestOf } from "../../src/base/ids.ts";
import { type Database, openDatabase, rowsOf } from "../../src/db/client.ts";
import { createDatabasePlace, type DatabasePlace } from "../support/database.ts";
import { newKey, type SignedTd, signedTd, signedTombstone, tdOf } from "../support/descriptions.ts";
import { problemOf, startTestService, type TestService, thingPath } from "../support/service.ts";

// Two nodes on one database, as in production: nothing may rest on a lock inside one process.
const clients = 16;
let place: DatabasePlace;
let db: Database;
let nodes: TestService[];

beforeAll(async () => {
  place = await createDatabasePlace();
  db = await openDatabase({ ...place.options, connectionsMax: 2 });
  const [one, two] = await Promise.all([1, 2].map(() => startTestService({ admission: "open" }, { place })));
  if (one === undefined || two === undefined) throw new Error("two nodes were started");
  nodes = [one, two];
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await db.close();
  await place[Symbol.asyncDispose]();
});

const nodeFor = (client: number): TestService => nodes[client % nodes.length] as TestService;

/** All requests at once, spread over the nodes. */
async function together<Result>(count: number, run: (client: number, node: TestService) => Promise<Result>) {
  return Promise.all(Array.from({ length: count }, (_, client) => run(client, nodeFor(client))));
}

/** What the database holds of one thing id. */
async function stored(id: string) {
  const entries = await rowsOf<{ key: string; version_count: number; digest: string; is_primary: boolean }>(
    db.orm,
    sql`select encode(key, 'hex') as key, version_count, encode(digest, 'hex') as digest, is_primary
        from entries where thing_id = ${id}`,
  );
  const versions = await rowsOf<{ digest: string; document: string }>(
    db.orm,
    sql`select encode(versions.digest, 'hex') as digest, document from versions
        join entries on entries.key = versions.entry_key where thing_id = ${id} order by versions.id`,
  );
  const journal = await rowsOf<{ kind: string; digest: string | null }>(
    db.orm,
    sql`select kind, encode(digest, 'hex') as digest from journal where thing_id = ${id} order by xid, id`,
  );
  return { entries, versions, journal };
}

/** Every version has exactly one row in the journal, and the entry shows the last one. */
async function expectConsistent(id: string, current: SignedTd): Promise<void> {
  const { entries, versions, journal } = await stored(id);
  expect(entries).toHaveLength(1);
  expect(entries[0]).toMatchObject({
    version_count: versions.length,
    digest: digestOf(current.text),
    is_primary: true,
  });
  expect(journal.map((row) => row.digest)).toEqual(versions.map((version) => version.digest));
  expect(versions.every((version) => digestOf(version.document) === version.digest)).toBe(true);
  for (const node of nodes) {
    expect(await (await node.fetch(thingPath(id))).text()).toBe(current.text);
  }
}

function versionsOf(count: number, id: string, key = newKey(), sameInstant = false): SignedTd[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, version) =>
    signedTd({
      key,
      created: new Date(sameInstant ? now : now - 60_000 + version),
      members: { id, title: `Version ${version}` },
    }),
  );
}

test("versions of one entry at once: the newest wins, whatever the order, and none fails", async () => {
  for (let round = 0; round < 5; round += 1) {
    const id = `urn:race:versions:${round}`;
    const versions = versionsOf(clients, id);
    const answers = await together(clients, async (client, node) => {
      const response = await node.put(versions[(client * 7) % clients] as SignedTd);
      return { status: response.status, problem: await problemOf(response) };
    });
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const { status, problem } of answers) {
      if (status === 409) expect(problem).toBe("version-not-newer");
      else expect([201, 204]).toContain(status);
    }
    await expectConsistent(id, versions.at(-1) as SignedTd);
    const { versions: kept } = await stored(id);
    expect(kept).toHaveLength(answers.filter(({ status }) => status !== 409).length);
  }
});

test("one document many times at once is one version", async () => {
  const td = signedTd();
  const answers = await together(clients, async (_client, node) => (await node.put(td)).status);
  expect(answers.filter((status) => status === 201)).toHaveLength(1);
  expect(answers.filter((status) => status === 204)).toHaveLength(clients - 1);
  await expectConsistent(td.id, td);
  expect((await stored(td.id)).versions).toHaveLength(1);
});

test("different documents of one instant: the highest digest wins on every node", async () => {
  const id = "urn:race:equivocation";
  const versions = versionsOf(clients, id, newKey(), true);
  const answers = await together(
    clients,
    async (client, node) => (await node.put(versions[client] as SignedTd)).status,
  );
  for (const status of answers) expect([201, 204, 409]).toContain(status);
  // All are kept as evidence; the digest of what was signed decides (design §3.5).
  const kept = await rowsOf<{ document: string }>(
    db.orm,
    sql`select document from versions where entry_key = (select key from entries where thing_id = ${id})
        order by version_digest desc`,
  );
  expect(kept.map((row) => row.document).sort()).toEqual(versions.map((version) => version.text).sort());
  for (const node of nodes) {
    expect(await (await node.fetch(thingPath(id))).text()).toBe(kept[0]?.document);
    const registration = (await (await node.fetch(`${thingPath(id)}/registration`)).json()) as { equivocal: boolean };
    expect(registration.equivocal).toBe(true);
  }
  expect((await stored(id)).entries).toHaveLength(1);
});

test("controllers race for a new id: one gets it, the others are refused", async () => {
  for (let round = 0; round < 10; round += 1) {
    const id = `urn:race:controllers:${round}`;
    const rivals = [signedTd({ members: { id } }), signedTd({ members: { id } })];
    const answers = await together(2, async (client, node) => {
      const response = await node.put(rivals[client] as SignedTd);
      return { status: response.status, problem: await problemOf(response) };
    });
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 403]);
    expect(answers.find(({ status }) => status === 403)?.problem).toBe("not-controller");
    await expectConsistent(id, rivals[answers.findIndex(({ status }) => status === 201)] as SignedTd);
  }
});

test("a tombstone and new versions at once: what is signed last holds", async () => {
  const key = newKey();
  const id = "urn:race:tombstone";
  const versions = versionsOf(clients - 1, id, key);
  const tombstone = signedTombstone(id, key);
  await together(clients, async (client, node) => {
    const document = versions[client] ?? tombstone;
    const response = await node.put(document);
    expect([201, 204, 409], await response.text()).toContain(response.status);
  });
  for (const node of nodes) {
    const response = await node.fetch(thingPath(id));
    expect(response.status).toBe(410);
    expect(await response.text()).toBe(tombstone.text);
  }
});

test("unsigned descriptions that are posted at once all get ids of their own", async () => {
  const body = JSON.stringify({ ...tdOf(), id: undefined });
  const created = await together(clients, async (_client, node) => {
    const response = await node.fetch("/things", {
      method: "POST",
      headers: { "content-type": "application/td+json" },
      body,
    });
    expect(response.status).toBe(201);
    return ((await response.json()) as { id: string }).id;
  });
  expect(new Set(created).size).toBe(clients);
});

test("an unsigned entry that is put by many at once exists once; If-None-Match lets one create it", async () => {
  const put = (id: string, client: number, node: TestService, headers: Record<string, string> = {}) =>
    node.put({ id, text: JSON.stringify(tdOf({ id, title: `By ${client}` })) }, headers);
  const plain = await together(clients, async (client, node) => (await put("urn:race:unsigned", client, node)).status);
  expect(plain.filter((status) => status === 201)).toHaveLength(1);
  expect(plain.filter((status) => status === 204)).toHaveLength(clients - 1);

  const guarded = await together(
    clients,
    async (client, node) => (await put("urn:race:guarded", client, node, { "if-none-match": "*" })).status,
  );
  expect(guarded.filter((status) => status === 201)).toHaveLength(1);
  expect(guarded.filter((status) => status === 412)).toHaveLength(clients - 1);
});

test("merge patches at once are all applied, or refused as a conflict", async () => {
  const id = "urn:race:patches";
  await nodeFor(0).put({ id, text: JSON.stringify(tdOf({ id })) });
  const answers = await together(clients, async (client, node) => {
    const response = await node.fetch(thingPath(id), {
      method: "PATCH",
      headers: { "content-type": "application/merge-patch+json" },
      body: JSON.stringify({ [`x-${client}`]: client }),
    });
    return response.status;
  });
  const td = (await (await nodeFor(1).fetch(thingPath(id))).json()) as Record<string, unknown>;
  for (const [client, status] of answers.entries()) {
    expect([204, 412]).toContain(status);
    expect(td[`x-${client}`], `the patch of client ${client}, answered ${status}`).toBe(
      status === 204 ? client : undefined,
    );
  }
  expect(answers).toContain(204);
});

test("deletions of one unsigned entry at once: one succeeds, the others find nothing", async () => {
  const id = "urn:race:deletions";
  await nodeFor(0).put({ id, text: JSON.stringify(tdOf({ id })) });
  const answers = await together(clients, async (_client, node) => {
    return (await node.fetch(thingPath(id), { method: "DELETE" })).status;
  });
  expect(answers.filter((status) => status === 204)).toHaveLength(1);
  expect(answers.filter((status) => status === 404)).toHaveLength(clients - 1);
});
