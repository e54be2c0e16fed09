import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { digestOf } from "../../src/base/ids.ts";
import { createDatabasePlace, type DatabasePlace } from "../support/database.ts";
import { newKey, type SignedTd, signedTd, signedTombstone } from "../support/descriptions.ts";
import { type EntryState, readStateAt, stateDigest, waitUntil } from "../support/federated.ts";
import { freePort, type ServerProcess, startServerProcess } from "../support/process.ts";
import { seededRandom } from "../support/random.ts";
import { adminToken, thingPath } from "../support/service.ts";
import { keyOf } from "./untrusted-registry.ts";

/** `npm test` takes a sample; `KILLS=30 npx vitest run test/federation/kill.test.ts` takes longer. */
const kills = Number(process.env["KILLS"] ?? 4);
const seed = Number(process.env["KILL_SEED"] ?? 1);
/** Milliseconds between two kills while clients write. */
const killAfterMs = { min: 100, max: 1_200 };
/** On a busy machine a registry may take long to start. */
const readyMsMax = 90_000;
/** Clients of each registry; each writes one document at a time. */
const clientsPerRegistry = 2;

/** A registry as a process, which is started again in the same place after each kill. */
interface Node {
  readonly origin: string;
  readonly place: DatabasePlace;
  server: ServerProcess;
  restart(): Promise<void>;
}

async function startNode(place: DatabasePlace): Promise<Node> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const { databaseUrl, dataDir } = place.config;
  const env = {
    DATA_DIR: dataDir,
    ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
    PUBLIC_URL: origin,
    FEDERATION: "on",
    ALLOW_PRIVATE_ADDRESSES: "on",
    ADMIN_TOKEN: adminToken,
  };
  const node: Node = {
    origin,
    place,
    server: await startServerProcess({ port, env, readyMsMax }),
    async restart() {
      await node.server.kill();
      node.server = await startServerProcess({ port, env, readyMsMax });
    },
  };
  return node;
}

async function operate<T>(node: Node, method: string, path: string, body?: unknown): Promise<T> {
  const headers = { authorization: `Bearer ${adminToken}`, "content-type": "application/json" };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(node.origin + path, { method, headers, ...sent });
  if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

interface Peers {
  peers: { origin: string; following: { state: string; verifiedAt: string | null } }[];
}

/** Follows a registry, and waits until its list was read and compared: no comparison helps for the next 45 minutes. */
async function follow(node: Node, other: Node): Promise<void> {
  await operate(node, "POST", "/peers", { target: other.origin });
  await waitUntil(`${node.origin} follows ${other.origin}`, async () => {
    const { peers } = await operate<Peers>(node, "GET", "/peers");
    return peers.some(({ origin, following }) => origin === other.origin && following.verifiedAt !== null);
  });
}

/** The last version of an entry that was sent, and the last one that was acknowledged. */
interface Known {
  sent: SignedTd;
  acknowledged: SignedTd | null;
}

/** Writes to a registry while `isOver` says no; a write that breaks off is sent again, as a client would. */
async function write(node: Node, number: number, known: Known[], isOver: () => boolean): Promise<void> {
  const random = seededRandom(seed * 1_000 + number);
  const key = newKey();
  const own: Known[] = [];
  let createdMs = Date.now() - 3_600_000;
  while (!isOver()) {
    createdMs += 1;
    const created = new Date(createdMs);
    const old = random() < 0.4 ? own[Math.floor(random() * own.length)] : undefined;
    const id = old?.sent.id ?? `urn:kill:${number}:${own.length}`;
    const title = `Kill test ${number} ${createdMs} ${"x".repeat(Math.floor(random() * 2_000))}`;
    const document =
      old !== undefined && random() < 0.3
        ? signedTombstone(id, key, created)
        : signedTd({ key, created, members: { id, title } });
    const entry: Known = old ?? { sent: document, acknowledged: null };
    if (old === undefined) {
      own.push(entry);
      known.push(entry);
    }
    entry.sent = document;
    while (entry.acknowledged !== document) {
      const response = await put(node, document);
      if (response === null) await sleep(50);
      else if (response.status < 300) entry.acknowledged = document;
      else throw new Error(`${id} was answered ${response.status}: ${response.text}`);
    }
  }
}

/** Null where the connection broke before the whole answer was there. */
async function put(node: Node, { id, text }: SignedTd): Promise<{ status: number; text: string } | null> {
  try {
    const headers = { "content-type": "application/td+json" };
    const response = await fetch(node.origin + thingPath(id), { method: "PUT", headers, body: text });
    return { status: response.status, text: await response.text() };
  } catch {
    return null;
  }
}

function stateOf({ acknowledged, sent }: Known): EntryState {
  const document = acknowledged ?? sent;
  const kind = document.json["type"] === "Tombstone" ? "tombstone" : "description";
  return {
    key: keyOf(document),
    digest: digestOf(document.text),
    kind,
    state: kind === "tombstone" ? "retracted" : "active",
  };
}

test(
  `${kills} kills -9 of registries that follow each other: what was acknowledged is in both, and nothing else`,
  async () => {
    await using onePlace = await createDatabasePlace();
    await using otherPlace = await createDatabasePlace();
    const nodes = await Promise.all([startNode(onePlace), startNode(otherPlace)]);
    const [one, other] = nodes;
    const random = seededRandom(seed);
    const known: Known[] = [];
    let isOver = false;
    try {
      await Promise.all([follow(one, other), follow(other, one)]);
      const clients = nodes.flatMap((node, index) =>
        Array.from({ length: clientsPerRegistry }, (_, client) =>
          write(node, index * clientsPerRegistry + client, known, () => isOver),
        ),
      );
      const writing = Promise.all(clients);
      for (let kill = 0; kill < kills; kill += 1) {
        await Promise.race([sleep(killAfterMs.min + random() * (killAfterMs.max - killAfterMs.min)), writing]);
        await (nodes[Math.floor(random() * nodes.length)] as Node).restart();
      }
      isOver = true;
      await writing;

      const expected = known.map(stateOf).sort((a, b) => (a.key < b.key ? -1 : 1));
      // Both say that they have told all; their databases are looked at once they have stopped.
      await waitUntil(
        "each has told the other all",
        async () => {
          const lags = await Promise.all(
            nodes.map((node) => operate<{ peers: { follower: { lag: number } }[] }>(node, "GET", "/peers")),
          );
          return lags.every(({ peers }) => peers.every(({ follower }) => follower.lag === 0));
        },
        60_000,
      );
      for (const { server } of nodes) expect(await server.stop(), server.stderr()).toBe(0);
      for (const { place } of nodes) {
        const found = await readStateAt(place);
        const byKey = new Map(found.map((entry) => [entry.key, entry]));
        const lost = expected.filter((entry) => byKey.get(entry.key)?.digest !== entry.digest);
        expect(lost, `lost with KILL_SEED=${seed}`).toEqual([]);
        expect(stateDigest(found)).toBe(stateDigest(expected));
      }
      const gone = expected.filter(({ kind }) => kind === "tombstone").length;
      process.stdout.write(
        `${onePlace.kind}, seed ${seed}: ${kills} kills of two registries, ${expected.length} entries acknowledged ` +
          `(${gone} of them retracted), 0 lost, both equal\n`,
      );
    } finally {
      isOver = true;
      await Promise.all(nodes.map(({ server }) => server.kill()));
    }
  },
  120_000 + kills * 30_000,
);
