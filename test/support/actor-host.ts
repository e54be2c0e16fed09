import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../src/base/clock.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { createSigner, type Signer } from "../../src/federation/signer.ts";

export interface SeenRequest {
  method: string;
  /** Absolute. */
  url: string;
  headers: Headers;
  body: Uint8Array;
}

export interface HostAnswer {
  status?: number;
  headers?: Record<string, string>;
  body?: string | JsonObject;
}

/** An ActivityPub server on loopback that serves what a test puts there. */
export interface ActorHost extends AsyncDisposable {
  origin: string;
  /** What is answered at a path with its query, or at a path with any query; else 404. */
  answers: Map<string, HostAnswer | ((request: SeenRequest) => HostAnswer | Promise<HostAnswer>)>;
  /** All requests so far. */
  seen: SeenRequest[];
  /** The number of new connections so far. */
  connections(): number;
}

export async function startActorHost(): Promise<ActorHost> {
  const answers: ActorHost["answers"] = new Map();
  const seen: SeenRequest[] = [];
  let connections = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = request.url ?? "/";
    const got: SeenRequest = {
      method: request.method ?? "",
      url: origin + path,
      headers: new Headers(request.headers as Record<string, string>),
      body: Buffer.concat(chunks),
    };
    seen.push(got);
    const found = answers.get(path) ?? answers.get(new URL(got.url).pathname) ?? { status: 404 };
    const { status = 200, headers = {}, body = "" } = typeof found === "function" ? await found(got) : found;
    const isObject = typeof body !== "string";
    response.writeHead(status, { ...(isObject ? { "content-type": "application/activity+json" } : {}), ...headers });
    response.end(isObject ? JSON.stringify(body) : body);
  });
  server.on("connection", () => (connections += 1));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    answers,
    seen,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** An actor with an RSA key. */
export interface TestActor {
  id: string;
  keyId: string;
  /** What is served at `id`. */
  document: JsonObject;
  signer: Signer;
}

type KeyPair = ReturnType<typeof newKeyPair>;
const newKeyPair = (modulusLength: number) => generateKeyPairSync("rsa", { modulusLength });

/** Making a pair takes a fraction of a second: four of them take turns. */
const keyPairs: KeyPair[] = [];
let turn = 0;

function nextKeyPair(): KeyPair {
  turn = (turn + 1) % 4;
  const pair = keyPairs[turn] ?? newKeyPair(2048);
  keyPairs[turn] = pair;
  return pair;
}

/** Makes an actor, and serves it at `path` of `host`. Actors that are made in a row have different keys. */
export function serveActor(
  host: ActorHost,
  clock: Clock,
  { path = "/actor", modulusLength = 2048 }: { path?: string; modulusLength?: number } = {},
): TestActor {
  const { privateKey, publicKey } = modulusLength === 2048 ? nextKeyPair() : newKeyPair(modulusLength);
  const id = host.origin + path;
  const keyId = `${id}#main-key`;
  const document: JsonObject = {
    "@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"],
    id,
    type: "Application",
    preferredUsername: "registry",
    inbox: `${host.origin}/inbox`,
    publicKey: { id: keyId, owner: id, publicKeyPem: String(publicKey.export({ type: "spki", format: "pem" })) },
  };
  host.answers.set(path, { body: document });
  const cryptoKey = privateKey.toCryptoKey({ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, true, ["sign"]);
  return { id, keyId, document, signer: createSigner({ privateKey: cryptoKey, keyId, clock }) };
}
