import { once } from "node:events";
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What can happen to a request; each number is a probability. */
export interface FaultRates {
  /** It takes some milliseconds more. */
  delay: number;
  /** It waits until a later request has overtaken it. */
  hold: number;
  /** Its body, or that of the answer, ends in the middle. */
  cut: number;
  /** It takes effect, and nobody hears of it. */
  drop: number;
  /** It takes effect twice. */
  twice: number;
}

export type Fault = keyof FaultRates;

/** Stands before a registry, under the registry's public URL. */
export interface FaultProxy extends AsyncDisposable {
  readonly origin: string;
  /** How often each fault has happened. */
  readonly counts: Readonly<Record<Fault, number>>;
  /** From now on; null: nothing happens to requests. */
  setFaults(rates: FaultRates | null): void;
}

const delayMsMax = 40;
/** Milliseconds that a request waits at most to be overtaken. */
const holdMsMax = 200;

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Starts a proxy on a free port. `target`: the port on loopback to which it leads. `random` decides, from 0 to 1. */
export async function startFaultProxy(target: number, random: () => number): Promise<FaultProxy> {
  const counts: Record<Fault, number> = { delay: 0, hold: 0, cut: 0, drop: 0, twice: 0 };
  const agent = new Agent({ keepAlive: true });
  const waiting = new Set<() => void>();
  let rates: FaultRates | null = null;

  /** Which faults this request has: all are drawn at once, so that the seed alone decides about the n-th request. */
  function drawn(): Record<Fault, number | null> {
    const draw = (fault: Fault): number | null => {
      const [chance, size] = [random(), random()];
      if (chance >= (rates?.[fault] ?? 0)) return null;
      counts[fault] += 1;
      return size;
    };
    return { delay: draw("delay"), hold: draw("hold"), cut: draw("cut"), drop: draw("drop"), twice: draw("twice") };
  }

  function overtaken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.add(resolve);
    return Promise.race([promise, sleep(holdMsMax)]).finally(() => waiting.delete(resolve));
  }

  async function forward(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const { method = "GET", url = "/", headers } = request;
    const outgoing = httpRequest({ host: "127.0.0.1", port: target, agent, method, path: url, headers });
    outgoing.end(body);
    const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
    return { status: incoming.statusCode ?? 502, headers: incoming.headers, body: await bodyOf(incoming) };
  }

  /** Sends the first half of a body, and closes the connection. */
  async function forwardHalf(request: IncomingMessage, body: Buffer): Promise<void> {
    const { method = "GET", url = "/", headers } = request;
    const length = { ...headers, "content-length": String(body.length) };
    const outgoing = httpRequest({ host: "127.0.0.1", port: target, method, path: url, headers: length });
    outgoing.on("error", () => {});
    outgoing.write(body.subarray(0, body.length >> 1), () => outgoing.destroy());
    await once(outgoing, "close");
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const faults = drawn();
    const body = await bodyOf(request);
    if (faults.delay !== null) await sleep(faults.delay * delayMsMax);
    if (faults.hold !== null) await overtaken();
    if (faults.cut !== null && faults.cut < 0.5 && body.length > 1) {
      await forwardHalf(request, body);
      response.destroy();
      return;
    }
    const first = faults.twice === null ? null : forward(request, body);
    // Either after each other or at once.
    if (faults.twice !== null && faults.twice < 0.5) await first;
    const [answer] = await Promise.all([forward(request, body), first]);
    for (const resolve of waiting) resolve();
    if (faults.drop !== null) {
      response.destroy();
    } else if (faults.cut !== null) {
      const { "transfer-encoding": _, ...headers } = answer.headers;
      response.writeHead(answer.status, { ...headers, "content-length": String(answer.body.length) });
      response.write(answer.body.subarray(0, answer.body.length >> 1), () => response.destroy());
    } else {
      response.writeHead(answer.status, answer.headers);
      response.end(answer.body);
    }
  }

  const server = createServer((request, response) => {
    // Who asked has gone, or the registry has: the other side hears of it by the connection.
    handle(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    setFaults(changed) {
      rates = changed;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      agent.destroy();
      await once(server, "close");
    },
  };
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
