import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { type SQL, sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Clock, systemClock } from "../src/base/clock.ts";
import { createEgress, type Egress } from "../src/base/egress.ts";
import { digestOf } from "../src/base/ids.ts";
import type { JsonObject } from "../src/base/json.ts";
import { purgeEntry } from "../src/admission/registration.ts";
import { type AuditReport, auditRegistry } from "../src/cli/audit/audit-registry.ts";
import { readState, writeState } from "../src/cli/audit/audit-state.ts";
import { createLogClient } from "../src/cli/audit/log-client.ts";
import { type LogHead, readLogHead } from "../src/cli/audit/log-head.ts";
import { rowsOf } from "../src/db/client.ts";
import { hashOfRecord, type LogEntry } from "../src/db/public-log.ts";
import { didDocumentOf } from "../src/identity/did-document.ts";
import { generateSigningKey, loadSigningKey } from "../src/identity/keys.ts";
import { createDidResolver } from "../src/identity/resolver.ts";
import { signDocument } from "../src/identity/sign.ts";
import { createEntryReader } from "../src/things/entry-store.ts";
import { runCli } from "./support/cli.ts";
import { createTestDatabase } from "./support/database.ts";
import { startDidWebHost } from "./support/did-web-host.ts";
import { newKey, type SignedTd, signedTd, signedTombstone, tdOf } from "./support/descriptions.ts";
import { adminToken, startTestService, type TestService, thingPath } from "./support/service.ts";

const operator = { authorization: `Bearer ${adminToken}` };
const tombstone = { "content-type": "application/activity+json" };
/** What an audit touches. */
const tables = ["journal", "log_entries", "entries", "versions"];

/** Changes what a registry answers, on its way to the auditor: the body of a path that starts so. */
type Alter = (url: string, body: JsonObject) => JsonObject | string | Promise<JsonObject | string>;

/** The registry's clock, which a test can set forward. */
const clock = {
  aheadMs: 0,
  now: () => new Date(Date.now() + clock.aheadMs),
};

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let registry: TestService;
let proxy: Server;
/** The registry's public URL, where the proxy is. */
let url: string;
let alter: Alter | null = null;
/** Told of each request before it is answered. */
let onRequest: ((url: string, authorization?: string) => Promise<void>) | null = null;
let egress: Egress;
let directory: string;

/** What is in the registry. */
let world: {
  updated: readonly [SignedTd, SignedTd];
  retracted: readonly [SignedTd, SignedTd];
  unlisted: SignedTd;
  byId: SignedTd;
  takenOver: SignedTd;
  unsigned: { id: string; text: string };
  removed: { id: string; text: string };
};

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "thingstead-audit-"));
  egress = createEgress({ allowPrivateAddresses: true });
  proxy = createServer((request, response) => {
    void answer(request.url ?? "", request.headers.authorization).then(({ status, type, body }) =>
      response.writeHead(status, { "content-type": type }).end(body),
    );
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  url = `http://localhost:${(proxy.address() as AddressInfo).port}`;
  database = await createTestDatabase();
  registry = await startTestService({ publicUrl: url, admission: "open" }, { database, clock });
  world = await populate();
  for (const table of tables) await database.orm.execute(sql.raw(`create table saved_${table} as table ${table}`));
});

/** Back to how the registry was before it was tampered with. */
afterEach(async () => {
  [alter, onRequest] = [null, null];
  clock.aheadMs = 0;
  await database.orm.transaction(async (tx) => {
    for (const table of tables) {
      await tx.execute(sql.raw(`delete from ${table}`));
      await tx.execute(sql.raw(`insert into ${table} overriding system value select * from saved_${table}`));
    }
  });
});

afterAll(async () => {
  await registry.close();
  await database.close();
  await egress.close();
  proxy.close();
  await rm(directory, { recursive: true, force: true });
});

async function answer(target: string, authorization?: string): Promise<{ status: number; type: string; body: string }> {
  await onRequest?.(target, authorization);
  const response = await registry.fetch(target);
  const [type, body] = [response.headers.get("content-type") ?? "", await response.text()];
  if (alter === null || !response.ok) return { status: response.status, type, body };
  const said = JSON.parse(body) as JsonObject;
  const altered = await alter(target, said);
  // What is left as it is stays so byte for byte.
  if (altered === said) return { status: response.status, type, body };
  return { status: 200, type, body: typeof altered === "string" ? altered : JSON.stringify(altered) };
}

/** One of everything that can become of an entry. */
async function populate(): Promise<typeof world> {
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1000);
  const put = async (document: Pick<SignedTd, "id" | "text">, headers = {}) =>
    expect((await registry.put(document, headers)).status).toBeLessThan(300);
  const unsignedTd = (name: string, members = {}) => {
    const id = `urn:example:audit:${name}`;
    return { id, text: JSON.stringify(tdOf({ id, ...members })) };
  };
  const versionsOf = (id: string, title: string) => {
    const first = signedTd({ created: ago(60), members: { id } });
    return [first, signedTd({ key: first.key, created: ago(50), members: { id, title } })] as const;
  };
  const remove = (id: string) => registry.fetch(thingPath(id), { method: "DELETE", headers: operator });

  const updated = versionsOf("urn:example:audit:updated", "Second");
  for (const document of updated) await put(document);
  const [first] = versionsOf("https://example.com/a?b=c#d/versions", "never");
  const retracted = [first, signedTombstone(first.id, first.key, ago(40))] as const;
  await put(first);
  await put(retracted[1], tombstone);
  const [unlisted] = versionsOf("urn:example:audit:unlisted", "never");
  await put(unlisted);
  await remove(unlisted.id);
  const [byId] = versionsOf("urn:example:audit:by-id", "never");
  await put(byId);
  const unsigned = unsignedTd("unsigned", { registration: { ttl: 3_600 } });
  await put(unsigned);
  await put({ ...unsigned, text: unsigned.text.replace("Weather", "Whether") });
  const removed = unsignedTd("removed");
  await put(removed);
  await remove(removed.id);
  await put(unsignedTd("taken-over"));
  const [takenOver] = versionsOf("urn:example:audit:taken-over", "never");
  await put(takenOver);
  // As when its controller lets it be found by its id only.
  await database.orm.execute(sql`update entries set visibility = 'by-id' where thing_id = ${byId.id}`);
  await database.orm.execute(sql`insert into journal (at, kind, entry_key, thing_id, controller, door)
      select modified, 'unlisted', key, thing_id, controller, door from entries where thing_id = ${byId.id}`);
  await logComplete();
  return { updated, retracted, unlisted, byId, takenOver, unsigned, removed };
}

/** Waits until the log has the whole journal. */
async function logComplete(): Promise<void> {
  await vi.waitFor(
    async () => {
      const [journal] = await rowsOf<{ rows: number }>(database.orm, sql`select count(*)::int as rows from journal`);
      expect((await headOf(registry)).seq).toBe(journal?.rows);
    },
    { timeout: 5_000 },
  );
}

async function headOf(service: TestService): Promise<LogHead> {
  return (await (await service.fetch("/log/head", { headers: operator })).json()) as LogHead;
}

async function readLog(): Promise<LogEntry[]> {
  return ((await (await registry.fetch("/log?limit=1000")).json()) as { entries: LogEntry[] }).entries;
}

interface Settings {
  known?: LogHead;
  entries?: boolean;
  clock?: Clock;
  token?: string;
  registry?: string;
  pause?: () => Promise<unknown>;
}

/** An audit as the command makes it, but that it waits for nothing unless it is told to. */
function audit(settings: Settings = {}): Promise<AuditReport> {
  const { known = null, entries = false, token = null, pause = async () => {} } = settings;
  const auditorClock = settings.clock ?? systemClock;
  return auditRegistry(
    { client: createLogClient({ registry: settings.registry ?? url, token, pause }), known, entries },
    {
      resolver: createDidResolver({ egress, clock: auditorClock, allowPrivateAddresses: true }),
      clock: auditorClock,
      pause,
      progress: { start: () => {}, step: () => {}, end: () => {} },
    },
  );
}

/** What is wrong, in short. */
function faultsOf({ findings }: AuditReport): string[] {
  return findings.list.map(({ check, seq, id }) => [check, seq, ...(id === null ? [] : [id])].join(" "));
}

function detailsOf({ findings }: AuditReport): string {
  return findings.list.map(({ detail }) => detail).join("\n");
}

async function headNow(): Promise<LogHead> {
  const { head } = await audit();
  if (head === null) throw new Error("the registry has no head");
  return head;
}

/** The number of the log's entry of this kind about `id`. */
async function seqOf(kind: LogEntry["kind"], id: string): Promise<number> {
  return (await readLog()).findLast((entry) => entry.id === id && entry.kind === kind)?.seq ?? -1;
}

describe("a registry that keeps to its log", () => {
  test("is found clean, entry by entry", async () => {
    const report = await audit({ entries: true });
    expect(detailsOf(report)).toBe("");
    expect(report.unproven.list).toEqual([]);
    const log = await readLog();
    expect(report).toMatchObject({ from: 1, head: { seq: log.length, hash: log.at(-1)?.hash } });
    expect(new Set(log.map(({ kind }) => kind))).toEqual(
      new Set(["created", "updated", "retracted", "unlisted", "removed"]),
    );
    // Listed: updated, unsigned, taken over. Gone: what was removed, and the unsigned one that was taken over.
    expect(report.entries).toEqual({ listed: 3, retracted: 1, unlisted: 2, absent: 2 });
  });

  test("is found clean before its first entry", async () => {
    await using empty = await startTestService();
    const report = await audit({ registry: empty.service.publicUrl, entries: true });
    expect(detailsOf(report)).toBe("");
    expect(report.head).toMatchObject({ seq: 0, hash: "0".repeat(64) });
  });

  test("is read on from the state of an earlier audit", async () => {
    const known = await headNow();
    const unchanged = await audit({ known });
    expect([faultsOf(unchanged), unchanged.from]).toEqual([[], known.seq - 1]);
    await registry.put(signedTd());
    await logComplete();
    const requests: string[] = [];
    onRequest = async (target) => void requests.push(target);
    const report = await audit({ known });
    expect([faultsOf(report), report.head?.seq]).toEqual([[], known.seq + 1]);
    expect(requests.filter((target) => target.startsWith("/log?"))).toEqual([`/log?after=${known.seq - 2}&limit=1000`]);
  });

  test("is audited with a token where it asks for one, and nowhere else", async () => {
    const sent: (string | undefined)[] = [];
    onRequest = async (_, authorization) => void sent.push(authorization);
    await audit({ token: adminToken });
    expect(new Set(sent)).toEqual(new Set([undefined]));

    await using closed = await startTestService({ readAccess: "token" });
    const document = signedTd();
    await closed.put(document, operator);
    await expect.poll(async () => (await headOf(closed)).seq).toBe(1);
    const registryUrl = closed.service.publicUrl;
    expect(detailsOf(await audit({ registry: registryUrl, token: adminToken, entries: true }))).toBe("");
    await expect(audit({ registry: registryUrl })).rejects.toThrow(/answered 401/);
  });

  test("is not accused of changes that are made during the audit", async () => {
    const [, current] = world.updated;
    const newer = signedTd({ key: current.key, members: { id: current.id, title: "Third" } });
    onRequest = async (target) => {
      if (!target.startsWith("/things/")) return;
      onRequest = null;
      await registry.put(newer);
      await registry.put(signedTombstone(world.takenOver.id, world.takenOver.key), tombstone);
      await registry.fetch(thingPath(world.unsigned.id), { method: "DELETE", headers: operator });
    };
    const report = await audit({ entries: true, pause: logComplete });
    expect(onRequest).toBeNull();
    expect(detailsOf(report)).toBe("");
    expect(report.entries).toEqual({ listed: 1, retracted: 2, unlisted: 2, absent: 3 });
  });

  test("is not accused of an entry that changes all the time", async () => {
    const [, current] = world.updated;
    let made = 0;
    onRequest = async (target) => {
      if (!target.startsWith(thingPath(current.id))) return;
      const created = new Date(Date.now() + (made += 1));
      await registry.put(signedTd({ key: current.key, created, members: { id: current.id, title: `Title ${made}` } }));
    };
    const report = await audit({ entries: true, pause: logComplete });
    expect(made).toBeGreaterThan(2);
    expect(detailsOf(report)).toBe("");
    expect(report.unproven.list).toMatchObject([{ check: "entry", id: current.id, detail: /changed each time/ }]);
  });

  test("is not accused of registrations that run out before the log says so", async () => {
    clock.aheadMs = 3_600_000;
    const reader = createEntryReader(database.orm);
    const purge = async () => {
      for (const entry of await reader.listExpired(clock.now(), 10)) await purgeEntry(entry, database.orm);
      await logComplete();
    };
    const report = await audit({ entries: true, clock, pause: purge });
    expect(detailsOf(report)).toBe("");
  });

  test("may serve a document whose proof has expired: that is told apart", async () => {
    const key = newKey();
    const json = signDocument(tdOf(), key, { created: new Date(), expires: new Date(Date.now() + 60_000) });
    await registry.put({ id: String(json["id"]), text: JSON.stringify(json) });
    await logComplete();
    clock.aheadMs = 61_000;
    const report = await audit({ entries: true, clock });
    expect(detailsOf(report)).toBe("");
    expect(report.unproven.list).toMatchObject([{ check: "proof", id: json["id"], detail: /expired/ }]);
  });
});

describe("tampering with the database", () => {
  const row = (seq: number) => sql`(xid, id) = (select xid, journal_id from log_entries where seq = ${seq})`;
  const changes: [string, (seq: number) => SQL[], (seq: number) => string[] | RegExp][] = [
    ["a changed kind", (seq) => [sql`update journal set kind = 'relisted' where ${row(seq)}`], (seq) => [`log ${seq}`]],
    [
      "a changed digest",
      (seq) => [sql`update journal set digest = sha256('another') where ${row(seq)}`],
      (seq) => [`log ${seq}`],
    ],
    [
      "a changed controller",
      (seq) => [sql`update journal set controller = 'did:web:example.org' where ${row(seq)}`],
      (seq) => [`log ${seq}`],
    ],
    [
      "a changed id",
      (seq) => [sql`update journal set thing_id = 'urn:other' where ${row(seq)}`],
      (seq) => [`log ${seq}`],
    ],
    [
      "a changed instant",
      (seq) => [sql`update journal set at = at + interval '1 millisecond' where ${row(seq)}`],
      (seq) => [`log ${seq}`],
    ],
    ["a deleted row", (seq) => [sql`delete from journal where ${row(seq)}`], (seq) => [`log ${seq}`]],
    ["a deleted entry of the log", (seq) => [sql`delete from log_entries where seq = ${seq}`], (seq) => [`log ${seq}`]],
    [
      "an inserted row",
      (seq) => [
        sql`update log_entries set seq = -(seq + 1) where seq >= ${seq}`,
        sql`update log_entries set seq = -seq where seq < 0`,
        sql`insert into journal (xid, id, at, kind, entry_key, thing_id, door)
            select xid, 0, at, 'created', entry_key, 'urn:inserted', door from journal where ${row(seq + 1)}`,
        sql`insert into log_entries select ${seq}, xid, 0, sha256('made up') from log_entries where seq = ${seq + 1}`,
      ],
      (seq) => new RegExp(`^log ${seq} urn:inserted,log ${seq + 1} `),
    ],
    [
      "swapped rows",
      (seq) => [
        sql`update log_entries set journal_id = other.journal_id, xid = other.xid from log_entries as other
            where log_entries.seq in (${seq}, ${seq + 1}) and other.seq = ${2 * seq + 1} - log_entries.seq`,
      ],
      (seq) => [`log ${seq}`, `log ${seq + 1}`],
    ],
    [
      "a changed hash",
      (seq) => [sql`update log_entries set hash = sha256(hash) where seq = ${seq}`],
      (seq) => [`log ${seq}`, `log ${seq + 1}`],
    ],
    [
      "a changed hash of the last entry",
      () => [sql`update log_entries set hash = sha256(hash) where seq = (select max(seq) from log_entries)`],
      () => /^log \d+ /,
    ],
  ];

  test.each(changes)("is found: %s", async (_, statements, expected) => {
    const seq = 4;
    for (const statement of statements(seq)) await database.orm.execute(statement);
    const faults = faultsOf(await audit());
    const wanted = expected(seq);
    if (wanted instanceof RegExp) expect(faults.join(",")).toMatch(wanted);
    else expect(faults.map((fault) => fault.split(" ").slice(0, 2).join(" "))).toEqual(wanted);
  });

  test("is found where the whole log was made anew to fit, by an earlier head", async () => {
    const known = await headNow();
    await database.orm.execute(sql`update journal set digest = sha256('another') where ${row(2)}`);
    await remakeLog();
    expect(faultsOf(await audit()), "a chain alone cannot show it").toEqual([]);
    const report = await audit({ known });
    expect(faultsOf(report)).toEqual([`history ${known.seq}`]);
    expect(detailsOf(report)).toContain("history was rewritten");
    expect(faultsOf(await audit({ known, entries: true }))).toEqual([
      `history ${known.seq}`,
      `entry 2 ${world.updated[0].id}`,
    ]);
  });

  test("is found where the end of the log was taken away and the head signed anew, by an earlier head", async () => {
    const known = await headNow();
    await database.orm.execute(sql`delete from journal where ${row(known.seq)} or ${row(known.seq - 1)}`);
    await database.orm.execute(sql`delete from log_entries where seq >= ${known.seq - 1}`);
    expect(faultsOf(await audit()), "a chain alone cannot show it").toEqual([]);
    const report = await audit({ known });
    expect(faultsOf(report)).toEqual([`history ${known.seq - 1}`]);
    expect(detailsOf(report)).toContain("2 were taken away");
  });

  async function remakeLog(): Promise<void> {
    await database.orm.transaction(async (tx) => {
      await tx.execute(sql`delete from log_entries`);
      await tx.execute(sql`delete from consumers where name = 'public-log'`);
    });
    await logComplete();
  }
});

describe("what is served is compared with the log", () => {
  const inEntries = (id: string) => sql`entry_key in (select key from entries where thing_id = ${id})`;
  const cases: [string, () => SQL[], () => Promise<string>][] = [
    [
      "changed bytes of a signed description",
      () => [
        sql`update versions set document = replace(document, 'Second', 'Other') where ${inEntries(world.updated[0].id)}`,
      ],
      async () => `entry ${await seqOf("updated", world.updated[0].id)} ${world.updated[0].id}`,
    ],
    [
      "white space added to a signed description",
      () => [sql`update versions set document = document || ' ' where ${inEntries(world.updated[0].id)}`],
      async () => `entry ${await seqOf("updated", world.updated[0].id)} ${world.updated[0].id}`,
    ],
    [
      "changed bytes of a tombstone",
      () => [sql`update versions set document = replace(document, 'Service', 'Person') where kind = 'tombstone'`],
      async () => `entry ${await seqOf("retracted", world.retracted[0].id)} ${world.retracted[0].id}`,
    ],
    [
      "changed bytes of an unsigned description",
      () => [
        sql`update versions set document = replace(document, 'Whether', 'Other') where ${inEntries(world.unsigned.id)}`,
      ],
      async () => `entry ${await seqOf("updated", world.unsigned.id)} ${world.unsigned.id}`,
    ],
    [
      "changed bytes of an entry that is visible by its id only",
      () => [
        sql`update versions set document = replace(document, 'Weather', 'Other') where ${inEntries(world.byId.id)}`,
      ],
      async () => `entry ${await seqOf("created", world.byId.id)} ${world.byId.id}`,
    ],
    [
      "an older version in place of the current one",
      () => [
        sql`update entries set version_id = (select min(id) from versions where entry_key = entries.key)
          where thing_id = ${world.updated[0].id}`,
      ],
      async () => `entry ${await seqOf("updated", world.updated[0].id)} ${world.updated[0].id}`,
    ],
    [
      "an entry that is held back",
      () => [sql`update entries set state = 'unlisted' where thing_id = ${world.updated[0].id}`],
      async () => `entry ${await seqOf("updated", world.updated[0].id)} ${world.updated[0].id}`,
    ],
    [
      "a retracted entry that is back",
      () => [
        sql`update entries set state = 'active', version_id = (select min(id) from versions where entry_key = entries.key)
          where thing_id = ${world.retracted[0].id}`,
      ],
      async () => `entry ${await seqOf("retracted", world.retracted[0].id)} ${world.retracted[0].id}`,
    ],
    [
      "a tombstone that is held back",
      () => [sql`update entries set state = 'expired' where thing_id = ${world.retracted[0].id}`],
      async () => `entry ${await seqOf("retracted", world.retracted[0].id)} ${world.retracted[0].id}`,
    ],
    [
      "a tombstone that nobody signed, of an unlisted entry",
      () => [sql`update entries set state = 'retracted' where thing_id = ${world.unlisted.id}`],
      async () => `entry ${await seqOf("unlisted", world.unlisted.id)} ${world.unlisted.id}`,
    ],
    [
      "a removed entry that is still served",
      () => [
        sql`update versions set document = ${world.removed.text} where ${inEntries(world.byId.id)}`,
        sql`update entries set thing_id = ${world.removed.id}, controller = null where thing_id = ${world.byId.id}`,
      ],
      async () => `entry ${await seqOf("removed", world.removed.id)} ${world.removed.id}`,
    ],
  ];

  test.each(cases)("and shows %s", async (_, changes, expected) => {
    const wanted = await expected();
    for (const change of changes()) await database.orm.execute(change);
    expect(faultsOf(await audit({ entries: true }))).toContain(wanted);
    expect(faultsOf(await audit()), "the log itself is as it was").toEqual([]);
  });

  test("and shows an unsigned description that says something else than its document", async () => {
    alter = (target, body) => (target === thingPath(world.unsigned.id) ? { ...body, title: "Other" } : body);
    const seq = await seqOf("updated", world.unsigned.id);
    expect(faultsOf(await audit({ entries: true }))).toEqual([`entry ${seq} ${world.unsigned.id}`]);
  });

  test("and tells of a signer who cannot be asked now", async () => {
    const host = await startDidWebHost();
    const did = host.did("agent");
    const key = loadSigningKey({ ...generateSigningKey(), id: `${did}#key`, controller: did });
    host.host("agent", didDocumentOf(key));
    const document = signedTd({ key });
    expect((await registry.put(document)).status).toBe(201);
    await logComplete();
    expect((await audit({ entries: true })).unproven.list).toEqual([]);
    await host[Symbol.asyncDispose]();
    const report = await audit({ entries: true });
    expect(detailsOf(report)).toBe("");
    expect(report.unproven.list).toMatchObject([{ check: "proof", id: document.id, detail: /cannot be checked/ }]);
  });

  test("and shows a document whose bytes are those of the log, and whose proof does not hold", async () => {
    const [, current] = world.updated;
    const { proof, ...rest } = current.json;
    const forged = JSON.stringify({ ...rest, title: "Forged", proof });
    await database.orm.transaction(async (tx) => {
      const digest = digestOf(forged);
      const isCurrent = sql`id in (select version_id from entries where thing_id = ${current.id})`;
      await tx.execute(
        sql`update versions set document = ${forged}, digest = decode(${digest}, 'hex') where ${isCurrent}`,
      );
      await tx.execute(
        sql`update journal set digest = decode(${digest}, 'hex') where thing_id = ${current.id} and kind = 'updated'`,
      );
      await tx.execute(sql`delete from log_entries`);
      await tx.execute(sql`delete from consumers where name = 'public-log'`);
    });
    await logComplete();
    const report = await audit({ entries: true });
    expect(faultsOf(report)).toEqual([`proof ${await seqOf("updated", current.id)} ${current.id}`]);
    expect(detailsOf(report)).toContain("the registry calls it verified");

    alter = (target, body) =>
      target.includes("/registration") ? { ...body, verification: { verified: false } } : body;
    const honest = await audit({ entries: true });
    expect(detailsOf(honest)).toBe("");
    expect(honest.unproven.list).toMatchObject([{ check: "proof", id: current.id, detail: /as the registry says/ }]);
  });
});

describe("a registry that answers the auditor otherwise", () => {
  /** Changes one page of the log. */
  const alterPage = (change: (entries: LogEntry[], after: number) => LogEntry[] | unknown[]): Alter => {
    return (target, body) => {
      if (!target.startsWith("/log?")) return body;
      const after = Number(new URL(target, url).searchParams.get("after"));
      return { ...body, entries: change(body["entries"] as unknown as LogEntry[], after) } as JsonObject;
    };
  };

  test("with an altered entry is found out", async () => {
    alter = alterPage((entries) => entries.map((entry) => (entry.seq === 3 ? { ...entry, id: "urn:other" } : entry)));
    expect(faultsOf(await audit())).toEqual(["log 3 urn:other"]);
  });

  test("with an altered entry and a hash to match is found out", async () => {
    alter = alterPage((entries) =>
      entries.map((entry, index) => {
        if (entry.seq !== 3) return entry;
        const altered = { ...entry, digest: digestOf("x") };
        return { ...altered, hash: hashOfRecord(entries[index - 1]?.hash ?? "", altered) };
      }),
    );
    expect((await audit()).findings.list).toMatchObject([{ check: "log", seq: 4 }]);
  });

  test("with all entries and hashes altered is found out by its own head", async () => {
    alter = alterPage((entries) => {
      let hash = "0".repeat(64);
      return entries.map((entry) => {
        const altered = { ...entry, digest: digestOf("x") };
        hash = hashOfRecord(hash, altered);
        return { ...altered, hash };
      });
    });
    const report = await audit();
    expect(faultsOf(report)).toEqual([`head ${report.head?.seq}`]);
  });

  test("with a gap is found out, and what follows is read all the same", async () => {
    alter = alterPage((entries) => entries.filter(({ seq }) => seq !== 3 && seq !== 4));
    const report = await audit();
    expect(faultsOf(report)).toEqual(["log 3"]);
    expect(detailsOf(report)).toContain("Entries 3 to 4 are missing");
  });

  test.each<[string, (entries: LogEntry[]) => unknown[], string]>([
    ["the same page again and again", (entries) => entries.slice(0, 3), "log 4"],
    ["entries backwards", (entries) => entries.toReversed(), "log 1"],
    ["nothing at all", () => [], "log 1"],
    ["numbers that no log reaches", (entries) => entries.map((entry) => ({ ...entry, seq: 1e15 })), "log 1"],
    ["what is not an entry", () => [{ seq: 1 }], "log 1"],
    ["what is no object", () => [null], "log 1"],
  ])("with %s is left", async (_, change, fault) => {
    let pages = 0;
    alter = (target, body) => {
      if (!target.startsWith("/log?")) return body;
      expect((pages += 1)).toBeLessThan(5);
      // Whatever is asked for, from the start.
      return (async () => ({ entries: change(await readLog()), next: 1 }) as unknown as JsonObject)();
    };
    expect(faultsOf(await audit())).toEqual([fault]);
  });

  test("with an endless log is read up to its head and no further", async () => {
    const log = await readLog();
    let pages = 0;
    alter = (target, body) => {
      if (!target.startsWith("/log?")) return body;
      expect((pages += 1)).toBeLessThan(log.length + 5);
      const after = Number(new URL(target, url).searchParams.get("after"));
      const made = { ...log[0], seq: after + 1, hash: digestOf("made up") } as LogEntry;
      return { entries: [log[after] ?? made], next: after + 1 } as unknown as JsonObject;
    };
    expect(faultsOf(await audit())).toEqual([]);
    expect(pages).toBe(log.length);
  });

  test.each<[string, (head: JsonObject) => JsonObject | string | Promise<JsonObject>, RegExp]>([
    ["signed by another key", (head) => signed(head, url), /is not signed by did:web:localhost/],
    ["that was changed", (head) => ({ ...head, seq: 1 }), /is not a signature of this document/],
    ["without a proof", (head) => ({ ...head, proof: null }), /must be an object/],
    ["of another registry", (head) => signed(head, "https://other.example"), /is that of did:web:other\.example/],
    ["signed by another registry", (head) => signed(head, "https://other.example", head), /names did:web:other/],
    ["that is no head", () => ({ seq: 1 }), /is not one/],
    ["of yesterday", (head) => signedYesterday(head), /holds back newer ones/],
  ])("with a head %s is found out", async (_, change, detail) => {
    alter = (target, body) => (target === "/log/head" ? change(body) : body);
    const report = await audit();
    expect(faultsOf(report)).toHaveLength(1);
    expect(report.findings.list[0]).toMatchObject({ check: "head", detail });
  });

  /** A head signed by a key that is not the registry's, for the registry at `registryUrl`. */
  function signed(head: JsonObject, registryUrl: string, claims: JsonObject | null = null): JsonObject {
    const did = `did:web:${new URL(registryUrl).host.replace(":", "%3A")}`;
    const key = loadSigningKey({ ...generateSigningKey(), id: `${did}#assertion`, controller: did });
    const { proof: _, ...unsigned } = claims ?? { ...head, registry: did };
    return signDocument(unsigned, key, { created: new Date(String(head["time"])) });
  }

  async function signedYesterday(head: JsonObject): Promise<JsonObject> {
    clock.aheadMs = -86_400_000;
    const old = (await (await registry.fetch("/log/head")).json()) as JsonObject;
    clock.aheadMs = 0;
    return { ...head, ...old };
  }

  test("with what is no JSON cannot be audited", async () => {
    alter = () => "{";
    await expect(audit()).rejects.toThrow(/did not answer as a Thingstead registry does/);
  });

  test("with another log while it is audited is found out", async () => {
    let heads = 0;
    const [, current] = world.updated;
    await database.orm.execute(sql`update entries set state = 'unlisted' where thing_id = ${current.id}`);
    onRequest = async (target) => {
      if (target !== "/log/head" || (heads += 1) !== 2) return;
      await database.orm.execute(sql`delete from log_entries where seq = (select max(seq) from log_entries)`);
    };
    const report = await audit({ entries: true });
    expect(faultsOf(report)[0]).toMatch(/^history \d+$/);
  });
});

describe("the state of an audit", () => {
  test("is the registry's signed head, and comes back as it was", async () => {
    const head = await headNow();
    const file = path.join(directory, "state.json");
    await writeState(file, head);
    expect(await readState(file)).toEqual(head);
    expect(readLogHead(JSON.parse(await readFile(file, "utf8")) as JsonObject)).toEqual(head);
    expect((await readdir(directory)).filter((name) => name.startsWith("state.json"))).toEqual(["state.json"]);
  });

  test("of another registry is not compared with this one", async () => {
    const head = await headNow();
    const known = { ...head, registry: "did:web:other.example" };
    await expect(audit({ known })).rejects.toThrow(/was of did:web:other\.example/);
  });

  test.each(["", "{}", "[]", '{"registry":"did:web:a","seq":-1,"hash":"00","time":"x"}'])(
    "is refused where the file holds %j",
    async (text) => {
      const file = path.join(directory, "broken.json");
      await writeFile(file, text);
      await expect(readState(file)).rejects.toThrow(/does not hold the state of an audit/);
    },
  );

  test("that cannot be written is said, and nothing is left over", async () => {
    const file = path.join(directory, "missing", "state.json");
    await expect(writeState(file, await headNow())).rejects.toThrow(/cannot be written/);
  });
});

describe("the command", () => {
  const run = (...args: string[]) => runCli(["audit", "--registry", url, "--allow-private-addresses", ...args]);

  test("prints what it has seen, keeps the state, and goes on from there", async () => {
    const file = path.join(directory, "command.json");
    const first = await run("--state", file, "--entries");
    expect(first.stderr).toBe("");
    expect(first.code).toBe(0);
    const head = await headNow();
    expect(first.stdout).toContain(`registry:  ${head.registry} at ${url}\n`);
    expect(first.stdout).toContain(`hash:      ${head.hash}\n`);
    expect(first.stdout).toMatch(/^entries: +3 listed, 1 retracted, 2 unlisted, 2 gone$/m);
    expect(first.stdout).toMatch(/^wrong: +0$/m);
    expect(await readState(file)).toMatchObject({ seq: head.seq, hash: head.hash });

    const second = await run("--state", file, "--json");
    expect(second.code).toBe(0);
    expect(JSON.parse(second.stdout)).toMatchObject({ url, from: head.seq - 1, head: { hash: head.hash }, wrong: 0 });
  });

  test("ends with 1 and leaves the state as it was where something is wrong", async () => {
    const file = path.join(directory, "kept.json");
    await writeState(file, await headNow());
    const before = await readFile(file, "utf8");
    await database.orm.execute(
      sql`update journal set thing_id = E'urn:a\\u001b[2J' where id = (select max(id) from journal)`,
    );
    const ran = await run("--state", file);
    expect(ran).toMatchObject({ code: 1, stdout: expect.stringMatching(/^wrong: log, entry \d+ of the log$/m) });
    expect(ran.stdout).not.toContain("\u001b");
    expect(ran.stderr).toContain("is not as it must be: 1 finding.");
    expect(await readFile(file, "utf8")).toBe(before);
  });

  test("says what to do for a registry on this machine, and where nothing answers", async () => {
    const refused = await runCli(["audit", "--registry", url]);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("add --allow-private-addresses");
    const nobody = await runCli(["audit"], { env: { THINGSTEAD_REGISTRY: "http://127.0.0.1:1" } });
    expect(nobody).toMatchObject({ code: 1, stdout: "" });
    expect(nobody.stderr).toContain("Nothing answers at http://127.0.0.1:1");
    const wrong = await runCli(["audit"], { env: { THINGSTEAD_REGISTRY: "registry" } });
    expect(wrong).toMatchObject({ code: 2, stdout: "" });
  });
});
