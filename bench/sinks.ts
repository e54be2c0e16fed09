import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { JsonObject } from "../src/base/json.ts";
import { createSigner } from "../src/federation/signer.ts";
import { limits } from "../src/base/limits.ts";
import { systemClock } from "../src/base/clock.ts";

/*
 * Followers for benchmarks, in a process of its own: each is an ActivityPub server that checks nothing, takes whatever it
 * is sent, and remembers when which entry arrived. The parent process tells them what to do by messages (`Order`), and gets a
 * message (`Notice`) for each that is done.
 */

export type Order =
  /** Makes as many followers of the registry at `registry`; `isRegistry`: such as take several activities in one request. */
  | { order: "follow"; registry: string; count: number; isRegistry: boolean }
  /** All but the last one: refuse connections, or accept them and never answer. */
  | { order: "refuse" | "silence" }
  /** Asks for what has arrived since the last time. */
  | { order: "report" };

export type Notice = { done: Order["order"] } & Partial<SinkReport>;

export interface SinkReport {
  /** Of each follower, keys of entries and when they arrived, in milliseconds since 1970. */
  arrivals: { key: string; at: number }[][];
  /** Requests to all of them. */
  requests: number;
}

interface Sink {
  origin: string;
  server: Server;
  arrivals: { key: string; at: number }[];
  isSilent: boolean;
  isAccepted: Promise<void>;
}

const sinks: Sink[] = [];
let requests = 0;

/** Making keys takes longer than all else here, and one does for all. */
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

process.on("message", (order: Order) => {
  void obey(order).then((report) => process.send?.({ done: order.order, ...report }));
});

async function obey(order: Order): Promise<Partial<SinkReport>> {
  switch (order.order) {
    case "follow":
      for (let made = 0; made < order.count; made += 1) sinks.push(await follow(order.registry, order.isRegistry));
      await Promise.all(sinks.map(({ isAccepted }) => isAccepted));
      return {};
    case "refuse":
      for (const { server } of sinks.slice(0, -1)) {
        server.close();
        server.closeAllConnections();
      }
      return {};
    case "silence":
      for (const sink of sinks.slice(0, -1)) sink.isSilent = true;
      return {};
    case "report": {
      const report = { arrivals: sinks.map(({ arrivals }) => arrivals.splice(0)), requests };
      requests = 0;
      return report;
    }
  }
}

async function follow(registry: string, isRegistry: boolean): Promise<Sink> {
  const accepted = Promise.withResolvers<void>();
  const arrivals: Sink["arrivals"] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (sink.isSilent) return;
    if (request.method === "GET") {
      response.writeHead(request.url === "/actor" ? 200 : 404, { "content-type": "application/activity+json" });
      response.end(JSON.stringify(actor));
      return;
    }
    requests += 1;
    const at = performance.timeOrigin + performance.now();
    const activity = JSON.parse(Buffer.concat(chunks).toString()) as JsonObject;
    if (activity["type"] === "Accept") accepted.resolve();
    const items = activity["type"] === "OrderedCollection" ? (activity["orderedItems"] as JsonObject[]) : null;
    for (const { object } of items ?? [activity]) {
      const [, key] = /\/entries\/([0-9a-f]{64})$/.exec(String((object as JsonObject)["id"])) ?? [];
      if (key !== undefined) arrivals.push({ key, at });
    }
    response.writeHead(202, { "content-type": "application/json" });
    response.end(
      items === null ? "" : JSON.stringify({ verdicts: items.map(() => ({ outcome: "taken", changed: true })) }),
    );
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sink: Sink = { origin, server, arrivals, isSilent: false, isAccepted: accepted.promise };
  const actor: JsonObject = {
    id: `${origin}/actor`,
    type: "Application",
    inbox: `${origin}/inbox`,
    publicKey: {
      id: `${origin}/actor#main-key`,
      owner: `${origin}/actor`,
      publicKeyPem: String(publicKey.export({ type: "spki", format: "pem" })),
    },
    ...(isRegistry
      ? { "thingstead:entries": `${origin}/entries`, "thingstead:batchMax": limits.inboxActivitiesMax }
      : {}),
  };
  await askToFollow(registry, actor);
  return sink;
}

async function askToFollow(registry: string, actor: JsonObject): Promise<void> {
  const id = String(actor["id"]);
  const signer = createSigner({
    privateKey: privateKey.toCryptoKey({ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, true, ["sign"]),
    keyId: `${id}#main-key`,
    clock: systemClock,
  });
  const url = `${registry}/inbox`;
  const activity = { id: `${id}#follow`, type: "Follow", actor: id, object: `${registry}/actor` };
  const body = Buffer.from(JSON.stringify(activity));
  const request = { method: "POST" as const, url, headers: { "content-type": "application/activity+json" }, body };
  const { status } = await fetch(url, {
    method: "POST",
    headers: await signer.sign(request, "rfc9421"),
    body,
  });
  if (status !== 202) throw new Error(`the registry answers a Follow with ${status}`);
}
