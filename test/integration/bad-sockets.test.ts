import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../../src/base/limits.ts";
import { signedTd } from "../support/descriptions.ts";
import { startTestService, type TestService } from "../support/service.ts";

const megabyte = 1024 * 1024;
const answerMsMax = 1_000;
const growthBytesMax = 150 * megabyte;
/**
 * What a client offers that never stops. After an answer the server reads on for half a second, so that a client which
 * only sends gets to see it, and then closes: on a fast machine that is more than 1 GB/s, but never all of this.
 */
const endlessBytes = 16 * 1024 * megabyte;

let registry: TestService;

beforeAll(async () => {
  registry = await startTestService({ admission: "open" });
  // The first request of each kind loads code; growth is measured from here.
  await registry.put(signedTd());
});

afterAll(async () => {
  await registry.close();
});

async function open(): Promise<Socket> {
  const socket = connect(registry.service.address.port, "127.0.0.1");
  // The server may close while we are writing: that is what is tested.
  socket.setMaxListeners(0).on("error", () => {});
  await once(socket, "connect");
  return socket;
}

interface Conversation {
  /** Everything that the server sent until it closed, or until it was quiet. */
  answer: string;
  /** The statuses in it, in order. */
  statuses: number[];
  closed: boolean;
  answerMs: number;
}

/** Reads until the server closes the connection, or has sent nothing for a while after it began to answer. */
async function listen(socket: Socket, quietMs = 200): Promise<Conversation> {
  const start = performance.now();
  let answer = "";
  let answerMs = Number.POSITIVE_INFINITY;
  let closed = false;
  let lastMs = start;
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    answer += chunk;
    lastMs = performance.now();
    answerMs = Math.min(answerMs, lastMs - start);
  });
  socket.on("close", () => {
    closed = true;
  });
  while (!closed && performance.now() - start < 5_000) {
    if (answer !== "" && performance.now() - lastMs > quietMs) break;
    await sleep(10);
  }
  socket.destroy();
  const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]));
  return { answer, statuses, closed, answerMs };
}

async function send(...parts: (string | Uint8Array)[]): Promise<Conversation> {
  const socket = await open();
  for (const part of parts) socket.write(part);
  return listen(socket);
}

/** Writes `chunk` over and over, until `bytes` are sent or the server closes. Returns how many were handed over. */
async function pour(socket: Socket, chunk: Uint8Array, bytes: number): Promise<number> {
  let sent = 0;
  while (sent < bytes && !socket.destroyed && socket.writable) {
    sent += chunk.byteLength;
    if (!socket.write(chunk)) {
      await Promise.race([once(socket, "drain"), once(socket, "close"), sleep(2_000)]).catch(() => {});
      if (socket.writableNeedDrain) break;
    }
  }
  return sent;
}

const post = (headers: string[]) => ["POST /things HTTP/1.1", "Host: x", ...headers, "", ""].join("\r\n");
const isTd = "Content-Type: application/td+json";

async function serves(): Promise<void> {
  expect((await registry.fetch("/health/ready")).status).toBe(200);
}

describe("bodies without end", () => {
  test("a chunked body without end is cut at the limit, and memory stays", async () => {
    const rssBefore = process.memoryUsage().rss;
    const socket = await open();
    socket.write(post([isTd, "Transfer-Encoding: chunked"]));
    const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65_536, 0x20), Buffer.from("\r\n")]);
    const heard = listen(socket, 3_000);
    const sent = await pour(socket, chunk, endlessBytes);
    const { statuses, answer, answerMs, closed } = await heard;
    expect(statuses).toEqual([413]);
    expect(closed, "closed by the server").toBe(true);
    expect(answer).toContain("urn:thingstead:problem:document-too-large");
    expect(answerMs).toBeLessThan(answerMsMax);
    expect(sent).toBeLessThan(endlessBytes);
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(growthBytesMax);
    await serves();
  });

  test("a body whose Content-Length says 1 GB is refused before it is read", async () => {
    const { statuses, answer, answerMs } = await send(post([isTd, `Content-Length: ${1024 * megabyte}`]), "{");
    expect(statuses).toEqual([413]);
    expect(answer).toContain("urn:thingstead:problem:document-too-large");
    expect(answerMs).toBeLessThan(answerMsMax);
    await serves();
  });

  test("a body without end to a route that reads none is cut too", async () => {
    const rssBefore = process.memoryUsage().rss;
    const socket = await open();
    socket.write(`POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: ${endlessBytes}\r\n\r\n`);
    const heard = listen(socket, 3_000);
    const sent = await pour(socket, Buffer.alloc(65_536, 0x20), endlessBytes);
    const { statuses, closed } = await heard;
    expect(statuses[0]).toBe(404);
    expect(closed, "closed by the server").toBe(true);
    expect(sent).toBeLessThan(endlessBytes);
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(growthBytesMax);
    await serves();
  });

  test("the largest body that is accepted is read in full", async () => {
    const padded = Buffer.alloc(limits.documentBytesMax, 0x20);
    padded.write(signedTd().text);
    const { answer } = await send(post([isTd, "Connection: close", `Content-Length: ${padded.byteLength}`]), padded);
    expect(answer).toContain("invalid-thing-description");
  });
});

describe("compressed bodies", () => {
  // 64 MiB in 64 KiB; gzip has no larger ratio, so that 10 GiB would only be longer.
  const bomb = gzipSync(Buffer.alloc(64 * megabyte));

  test("a gzip bomb is refused by its content coding, without being unpacked", async () => {
    const rssBefore = process.memoryUsage().rss;
    for (let round = 0; round < 10; round += 1) {
      const headers = [isTd, "Content-Encoding: gzip", "Connection: close", `Content-Length: ${bomb.byteLength}`];
      const { statuses, answer, answerMs } = await send(post(headers), bomb);
      expect(statuses).toEqual([415]);
      expect(answer).toContain("urn:thingstead:problem:unsupported-media-type");
      expect(answerMs).toBeLessThan(answerMsMax);
    }
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(growthBytesMax);
  });

  test("a gzip bomb that claims to be JSON is refused as JSON", async () => {
    const headers = [isTd, "Connection: close", `Content-Length: ${bomb.byteLength}`];
    const { statuses, answer } = await send(post(headers), bomb);
    expect(statuses).toEqual([400]);
    expect(answer).toContain("urn:thingstead:problem:invalid-json");
  });

  test("a transfer coding of gzip is not read as a body", async () => {
    const { statuses } = await send(post([isTd, "Transfer-Encoding: gzip, chunked", "Connection: close"]), bomb);
    expect(statuses[0]).toBeGreaterThanOrEqual(400);
    expect(statuses[0]).toBeLessThan(502);
    await serves();
  });
});

describe("clients that go away", () => {
  test("bodies cut short leave nothing behind", async () => {
    const { id, text } = signedTd();
    for (const length of [0, 1, text.length >> 1, text.length - 1]) {
      const socket = await open();
      socket.write(
        `PUT /things/${id} HTTP/1.1\r\nHost: x\r\n${isTd}\r\nContent-Length: ${text.length}\r\n\r\n${text.slice(0, length)}`,
      );
      await sleep(20);
      socket.destroy();
    }
    const half = await open();
    half.write(`PUT /things/${id} HTTP/1.1\r\nHost: x\r\n${isTd}\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"a":`);
    half.end();
    await sleep(50);
    half.destroy();
    await sleep(100);
    expect((await registry.fetch(`/things/${id}`)).status).toBe(404);
    await serves();
  });

  test("requests abandoned before the answer do not disturb others", async () => {
    for (let round = 0; round < 50; round += 1) {
      const socket = await open();
      socket.write("GET /search?q=weather HTTP/1.1\r\nHost: x\r\n\r\n");
      socket.destroy();
    }
    await serves();
  });
});

describe("odd HTTP", () => {
  const refusedByNode = [
    { name: "no HTTP", request: "nonsense\r\n\r\n" },
    { name: "an unknown version", request: "GET / HTTP/9.9\r\nHost: x\r\n\r\n" },
    { name: "a header without a colon", request: "GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n" },
    { name: "no Host", request: "GET / HTTP/1.1\r\n\r\n" },
    { name: "two lengths", request: post([isTd, "Content-Length: 2", "Content-Length: 3"]) },
    { name: "a length and chunks", request: post([isTd, "Content-Length: 2", "Transfer-Encoding: chunked"]) },
    { name: "a negative length", request: post([isTd, "Content-Length: -1"]) },
    { name: "a broken chunk size", request: `${post([isTd, "Transfer-Encoding: chunked"])}zz\r\n` },
    { name: "headers of 100 KB", request: `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(100_000)}\r\n\r\n` },
    { name: "a path of 100 KB", request: `GET /${"x".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n` },
    { name: "a NUL in a header", request: "GET / HTTP/1.1\r\nHost: x\r\nX-Nul: a\0b\r\n\r\n" },
  ];
  test.each(refusedByNode)("$name is refused and the connection closed", async ({ request }) => {
    const { statuses, closed } = await send(request);
    expect(statuses).toHaveLength(1);
    expect(statuses[0]).toBeGreaterThanOrEqual(400);
    expect(statuses[0]).toBeLessThan(500);
    expect(closed).toBe(true);
    await serves();
  });

  const oddTargets = [
    { name: "a path out of the root", request: "GET /things/../../../etc/passwd HTTP/1.1\r\nHost: x\r\n" },
    { name: "two slashes", request: "GET //things HTTP/1.1\r\nHost: x\r\n" },
    { name: "an absolute target", request: "GET http://other.example/nowhere HTTP/1.1\r\nHost: x\r\n" },
    { name: "a target without a slash", request: "GET nowhere HTTP/1.1\r\nHost: x\r\n" },
    { name: "an asterisk", request: "GET * HTTP/1.1\r\nHost: x\r\n" },
    { name: "a host that is none", request: "GET /nowhere HTTP/1.1\r\nHost: a b\r\n" },
    { name: "a host of brackets", request: "GET /nowhere HTTP/1.1\r\nHost: [::\r\n" },
    { name: "a host with a path", request: "GET /nowhere HTTP/1.1\r\nHost: x/y?z#\r\n" },
    { name: "an empty host", request: "GET /nowhere HTTP/1.1\r\nHost:\r\n" },
    { name: "raw bytes in the path", request: "GET /things/\x80\xff HTTP/1.1\r\nHost: x\r\n" },
    { name: "a backslash", request: "GET /things\\..\\x HTTP/1.1\r\nHost: x\r\n" },
    { name: "a method that nobody has", request: "PROPFIND /things HTTP/1.1\r\nHost: x\r\n" },
    { name: "TRACE", request: "TRACE /things HTTP/1.1\r\nHost: x\r\n" },
    { name: "a range", request: "GET /nowhere HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\n" },
    { name: "an expectation", request: "POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 42\r\n" },
  ];
  test.each(oddTargets)("$name is answered by a 4xx", async ({ request }) => {
    const socket = await open();
    socket.write(Buffer.from(`${request}Connection: close\r\n\r\n`, "latin1"));
    const { statuses, answerMs } = await listen(socket);
    expect(statuses).toHaveLength(1);
    expect(statuses[0]).toBeGreaterThanOrEqual(400);
    expect(statuses[0]).toBeLessThan(500);
    expect(answerMs).toBeLessThan(answerMsMax);
    await serves();
  });

  test("pipelined requests are answered one by one, in order", async () => {
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const broken = `${post([isTd, "Content-Length: 1"])}{`;
    const { statuses } = await send(get("/health/live") + get("/nowhere") + broken + get("/things?limit=0"));
    expect(statuses).toEqual([200, 404, 400, 400]);
  });

  test("a refused body is not read as the next request", async () => {
    const smuggled = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    const headers = ["Content-Type: text/plain", `Content-Length: ${smuggled.length}`];
    const { statuses } = await send(post(headers) + smuggled);
    expect(statuses).toEqual([415]);
  });
});
