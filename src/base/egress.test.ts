import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { loopbackTls } from "../../test/fixtures/loopback-tls.ts";
import {
  createEgress,
  EgressError,
  type Egress,
  type EgressOptions,
  type PostingEgress,
  type ResolvedAddress,
} from "./egress.ts";
import { limits } from "./limits.ts";
import { Problem } from "./problem.ts";

const publicAddress: ResolvedAddress = { address: "93.184.215.14", family: 4 };
const loopback: ResolvedAddress = { address: "127.0.0.1", family: 4 };

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
/** Every address of this machine, in both families where it has both. */
const anyHost = hasIpv6 ? "::" : "0.0.0.0";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Listens on a free loopback port; ends with the test, open connections included. */
async function listen(server: Server, host = "127.0.0.1"): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.listen(0, host);
  await once(server, "listening");
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return (server.address() as AddressInfo).port;
}

const serveHttp = (listener: RequestListener): Promise<number> => listen(createHttpServer(listener));

/** An https server that stands in for the public hosts `*.example.org`. */
const servePublic = (listener: RequestListener): Promise<number> =>
  listen(createHttpsServer({ key: loopbackTls.key, cert: loopbackTls.cert }, listener));

/** A loopback listener that nothing must ever reach. */
async function serveCanary(): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const port = await listen(
    createTcpServer(() => (connections += 1)),
    anyHost,
  );
  return { port, connections: () => connections };
}

/** A port of a process that sleeps, and whose queue is full: connections are neither made nor refused. */
async function listenAndSleep(): Promise<number> {
  const source = `require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () {
    console.log(this.address().port);
  });`;
  const child = spawn(process.execPath, ["--eval", source], { stdio: ["ignore", "pipe", "inherit"] });
  cleanups.push(() => void child.kill("SIGKILL"));
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  child.kill("SIGSTOP");
  const port = Number(chunk.toString());
  const sockets = Array.from({ length: 4 }, () => connect(port, "127.0.0.1").on("error", () => {}));
  cleanups.push(() => sockets.forEach((socket) => void socket.destroy()));
  await once(sockets[0] as Socket, "connect");
  return port;
}

function privateEgress(options: Partial<EgressOptions> = {}): PostingEgress {
  const egress = createEgress({ allowPrivateAddresses: true, ...options });
  cleanups.push(() => egress.close());
  return egress;
}

/**
 * An egress with every check on. Names resolve as `names` says (`publicAddress` if it is silent); connections to
 * `publicAddress` end at loopback. `dialled` has every address that a connection was meant for.
 */
function checkedEgress(
  ports: number[],
  names: Record<string, ResolvedAddress[] | (() => ResolvedAddress[])> = {},
  options: Partial<EgressOptions> = {},
): { egress: PostingEgress; lookups: string[]; dialled: string[] } {
  const lookups: string[] = [];
  const dialled: string[] = [];
  const lookup = async (hostname: string): Promise<ResolvedAddress[]> => {
    lookups.push(hostname);
    const found = names[hostname] ?? [publicAddress];
    return typeof found === "function" ? found() : found;
  };
  const dial = (checked: ResolvedAddress): ResolvedAddress => {
    dialled.push(checked.address);
    return checked.address === publicAddress.address ? loopback : checked;
  };
  const egress = createEgress(
    { allowPrivateAddresses: false, ports, lookup, ...options },
    { dial, ca: loopbackTls.cert },
  );
  cleanups.push(() => egress.close());
  return { egress, lookups, dialled };
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

async function expectRefused(work: Promise<unknown>): Promise<Problem> {
  const error = await failureOf(work);
  expect(error).toBeInstanceOf(Problem);
  expect(error).toMatchObject({ type: "egress-refused", retry: "never" });
  return error as Problem;
}

async function expectKind(work: Promise<unknown>, kind: EgressError["kind"]): Promise<EgressError> {
  const error = await failureOf(work);
  expect(error).toBeInstanceOf(EgressError);
  expect((error as EgressError).kind).toBe(kind);
  return error as EgressError;
}

const textOf = (body: Uint8Array): string => Buffer.from(body).toString();

/** Hosts that must not be reached, one per word. */
const innerHosts = `
  127.0.0.1 127.1 127.0.1 0x7f.1 0x7f000001 0177.0.0.1 2130706433 017700000001 127.0.0.1. ①②⑦.⓪.⓪.① 127。0。0。1
  %31%32%37.0.0.1 0 0.0.0.0 127.255.255.254 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 0xa9fea9fe 2852039166
  100.64.0.1 192.0.0.192 192.0.2.1 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 168.63.129.16
  [::1] [::] [0:0:0:0:0:0:0:1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:0:7f00:1] [64:ff9b::7f00:1]
  [64:ff9b:1::7f00:1] [2002:7f00:1::] [2001:0:7f00:1::] [fe80::1] [fc00::1] [fd00:ec2::254] [ff02::1] [2001:db8::1]
  [100::1] [fec0::1] [5f00::1] [::ffff:8.8.8.8]
  localhost LOCALHOST localhost. x.localhost printer.local metadata.google.internal intranet router.home.arpa abc.onion
  loopback.example.org mixed.example.org six.example.org
`;

/** URLs that must not be fetched, one per word; PORT stands for a port that may be reached. */
const refusedUrls = `
  http://example.org:PORT/ ftp://example.org:PORT/ ws://example.org:PORT/ file:///etc/passwd data:text/plain,x
  javascript:alert(1) blob:https://example.org/1 gopher://127.0.0.1:70/_x unix:/run/x https://user@example.org:PORT/
  https://user:word@example.org:PORT/ https://:word@example.org:PORT/ https://example.org/ https://example.org:80/
  https://example.org:22/ https://example.org:0/ /path example.org //example.org:PORT/ https:// https://[::1
  https://[fe80::1%25eth0]/ https://256.256.256.256/ https://1.2.3.4.5/ https://example.org:99999/
`;

/** Where a redirect must not lead, one per word; `inner.example.org` resolves to loopback. */
const refusedLocations = String.raw`
  https://127.0.0.1:PORT/ https://localhost:PORT/ https://[::1]:PORT/ https://[::ffff:127.0.0.1]:PORT/
  https://0x7f.1:PORT/ https://2130706433:PORT/ https://inner.example.org:PORT/ //127.0.0.1:PORT/
  \\127.0.0.1:PORT\ http://example.org:PORT/ http://127.0.0.1:PORT/ https://user:word@example.org:PORT/
  https://169.254.169.254/latest/meta-data/ https://example.org:22/ https://[ file:///etc/passwd data:text/plain,x
`;

const wordsOf = (list: string, port: number): string[] => list.replaceAll("PORT", String(port)).trim().split(/\s+/);

/** Sends `start`, then `piece` again and again. */
function drip(socket: Socket, start: string, piece: string): void {
  socket.write(start);
  const timer = setInterval(() => socket.write(piece), 20);
  socket.on("close", () => clearInterval(timer));
}

describe("what is refused before anything connects", () => {
  test("every form of an address that is not public, with a listener on loopback that sees nothing", async () => {
    const canary = await serveCanary();
    const { egress, dialled } = checkedEgress([canary.port], {
      "loopback.example.org": [loopback],
      "mixed.example.org": [publicAddress, loopback],
      "six.example.org": [publicAddress, { address: "::1", family: 6 }],
    });
    const hosts = wordsOf(innerHosts, canary.port).map((host) => `https://${host}:${canary.port}/`);
    const all = [...hosts, ...wordsOf(refusedUrls, canary.port), "", "https:// ", "https://exa mple.org/"];
    expect(all.length).toBeGreaterThanOrEqual(60);
    for (const url of all) {
      const error = await failureOf(egress.get(url));
      expect(error, url).toBeInstanceOf(Problem);
      expect(error, url).toMatchObject({ type: "egress-refused", status: 400 });
    }
    expect(dialled).toEqual([]);
    expect(canary.connections()).toBe(0);
  });

  test("any one address of a name that is not public, wherever it stands in the list", async () => {
    const inner = ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fe80::1%eth0", "169.254.169.254"];
    for (const address of inner) {
      for (const addresses of [[address], [address, "93.184.215.14"], [...Array(9).fill("93.184.215.14"), address]]) {
        const found = addresses.map((one) => ({ address: one, family: 4 as const }));
        const { egress, dialled } = checkedEgress([443], { "example.org": found });
        const problem = await expectRefused(egress.get("https://example.org/"));
        expect(problem.message).not.toContain(address);
        expect(dialled).toEqual([]);
      }
    }
  });

  test("headers that would lend a caller's authority are a mistake of ours", async () => {
    const { egress, dialled } = checkedEgress([443]);
    for (const name of ["Authorization", "cookie", "Host", "Proxy-Authorization", "Accept-Encoding"]) {
      expect(await failureOf(egress.get("https://example.org/", { headers: { [name]: "x" } }))).toBeInstanceOf(
        TypeError,
      );
    }
    expect(dialled).toEqual([]);
  });
});

describe("pinned addresses", () => {
  test("a public name is fetched by https, at the address that was checked, under its own name", async () => {
    const requests: IncomingMessage[] = [];
    const port = await servePublic((request, response) => {
      requests.push(request);
      response.setHeader("content-type", "text/plain").setHeader("set-cookie", ["a=1", "b=2"]).end("hello");
    });
    const { egress, lookups, dialled } = checkedEgress([port]);
    const answer = await egress.get(`https://www.example.org:${port}/a%20b?c=d#e`, { accept: "text/plain" });
    expect(answer.status).toBe(200);
    expect(answer.url).toBe(`https://www.example.org:${port}/a%20b?c=d`);
    expect(textOf(answer.body)).toBe("hello");
    expect(answer.headers.get("content-type")).toBe("text/plain");
    expect(lookups).toEqual(["www.example.org"]);
    expect(dialled).toEqual([publicAddress.address]);
    expect(requests[0]?.url).toBe("/a%20b?c=d");
    expect(requests[0]?.headers).toEqual({
      host: `www.example.org:${port}`,
      connection: "close",
      "user-agent": "thingstead",
      accept: "text/plain",
      "accept-encoding": "identity",
    });
    await egress.get(`https://www.example.org:${port}/again`);
    expect(requests[1]?.headers.cookie).toBeUndefined();
  });

  test("a server that cannot prove the name is not believed", async () => {
    const port = await servePublic((_request, response) => response.end("hello"));
    await expectKind(checkedEgress([port]).egress.get(`https://example.net:${port}/`), "unreachable");
  });

  test("a resolver that says public first and loopback then gains nothing", async () => {
    const canary = await serveCanary();
    const port = await servePublic((_request, response) => response.end("hello"));
    const answers = [[publicAddress], [loopback], [loopback]];
    const rebinding = { "rebind.example.org": () => answers.shift() ?? [loopback] };
    const { egress, lookups, dialled } = checkedEgress([port, canary.port], rebinding);
    expect(textOf((await egress.get(`https://rebind.example.org:${port}/`)).body)).toBe("hello");
    expect(lookups).toHaveLength(1);
    await expectRefused(egress.get(`https://rebind.example.org:${port}/`));
    await expectRefused(egress.get(`https://rebind.example.org:${canary.port}/`));
    expect(dialled).toEqual([publicAddress.address]);
    expect(canary.connections()).toBe(0);
  });

  test("a resolver that changes its mind between a request and its redirect gains nothing", async () => {
    let requests = 0;
    const port = await servePublic((_request, response) => {
      requests += 1;
      response.writeHead(302, { location: "/next" }).end();
    });
    const answers = [[publicAddress], [loopback]];
    const { egress, dialled } = checkedEgress([port], { "rebind.example.org": () => answers.shift() ?? [] });
    await expectRefused(egress.get(`https://rebind.example.org:${port}/`));
    expect(requests).toBe(1);
    expect(dialled).toEqual([publicAddress.address]);
  });

  test("the next address is tried when the first does not answer", async () => {
    const port = await servePublic((_request, response) => response.end("hello"));
    const dead: ResolvedAddress = { address: "8.8.4.4", family: 4 };
    const egress = createEgress(
      { allowPrivateAddresses: false, ports: [port], lookup: async () => [dead, publicAddress] },
      {
        // Nothing listens on 127.0.0.2 here: the connection is refused at once.
        dial: ({ address }) => (address === dead.address ? { address: "127.0.0.2", family: 4 } : loopback),
        ca: loopbackTls.cert,
      },
    );
    cleanups.push(() => egress.close());
    expect(textOf((await egress.get(`https://example.org:${port}/`)).body)).toBe("hello");
  });
});

describe("redirects", () => {
  test.each(["/", "/1", "/2"])("from public hosts to the inside are refused, after the hops from %s", async (path) => {
    const canary = await serveCanary();
    let target = "";
    const port = await servePublic((request, response) => {
      const hop = Number(request.url?.slice(1));
      const location = hop > 0 ? `https://h${hop}.example.org:${port}/${hop - 1}` : target;
      response.writeHead(302, { location }).end();
    });
    const { egress, dialled } = checkedEgress([port, canary.port], { "inner.example.org": [loopback] });
    for (target of wordsOf(refusedLocations, canary.port)) {
      const error = await failureOf(egress.get(`https://example.org:${port}${path}`));
      expect(error, target).toMatchObject({ type: "egress-refused" });
    }
    expect(new Set(dialled)).toEqual(new Set([publicAddress.address]));
    expect(canary.connections()).toBe(0);
  });

  test.each([301, 302, 303, 307, 308])("with status %i are followed, relative ones too", async (status) => {
    const port = await servePublic((request, response) => {
      if (request.url === "/a/b?x=1") response.writeHead(status, { location: "../c?y=2" }).end("moved");
      else response.end(request.url);
    });
    const { egress, lookups } = checkedEgress([port]);
    const answer = await egress.get(`https://example.org:${port}/a/b?x=1`);
    expect(textOf(answer.body)).toBe("/c?y=2");
    expect(answer.url).toBe(`https://example.org:${port}/c?y=2`);
    expect(lookups).toHaveLength(2);
  });

  test("are followed as often as the limit says, and not once more", async () => {
    const port = await serveHttp((request, response) => {
      const hop = Number(request.url?.slice(1));
      if (hop === 0) response.end("there");
      else response.writeHead(302, { location: `/${hop - 1}` }).end();
    });
    const egress = privateEgress();
    const most = limits.egressRedirectsMax;
    expect(textOf((await egress.get(`http://127.0.0.1:${port}/${most}`)).body)).toBe("there");
    await expectKind(egress.get(`http://127.0.0.1:${port}/${most + 1}`), "too-many-redirects");
    const still = privateEgress({ redirectsMax: 0 });
    expect(textOf((await still.get(`http://127.0.0.1:${port}/0`)).body)).toBe("there");
    await expectKind(still.get(`http://127.0.0.1:${port}/1`), "too-many-redirects");
  });

  test("in a circle end", async () => {
    const port = await serveHttp((_request, response) => response.writeHead(302, { location: "/" }).end());
    await expectKind(privateEgress().get(`http://127.0.0.1:${port}/`), "too-many-redirects");
  });

  test("to nowhere are a bad answer", async () => {
    const port = await serveHttp((_request, response) => response.writeHead(302).end());
    await expectKind(privateEgress().get(`http://127.0.0.1:${port}/`), "bad-response");
  });

  test("carry the caller's headers to the same origin only", async () => {
    const seen: (string | undefined)[] = [];
    const port = await servePublic((request, response) => {
      seen.push(`${request.headers.host} ${String(request.headers["x-note"])} ${request.headers.accept}`);
      if (request.url === "/2") response.writeHead(302, { location: "/1" }).end();
      else if (request.url === "/1") response.writeHead(302, { location: `https://b.example.org:${port}/0` }).end();
      else response.end();
    });
    const { egress } = checkedEgress([port]);
    await egress.get(`https://a.example.org:${port}/2`, { accept: "a/b", headers: { "X-Note": "mine" } });
    const [a, b] = [`a.example.org:${port}`, `b.example.org:${port}`];
    expect(seen).toEqual([`${a} mine a/b`, `${a} mine a/b`, `${b} undefined a/b`]);
  });
});

describe("what is capped", () => {
  test("the body: the most bytes are accepted, and not one more", async () => {
    const port = await serveHttp((request, response) => {
      const body = Buffer.alloc(Number(request.url?.slice(2)), "x");
      if (request.url?.startsWith("/c")) response.write(body.subarray(0, 1));
      response.end(request.url?.startsWith("/c") ? body.subarray(1) : body);
    });
    const egress = privateEgress();
    const most = limits.egressBytesMax;
    for (const framing of ["l", "c"]) {
      expect((await egress.get(`http://127.0.0.1:${port}/${framing}${most}`)).body).toHaveLength(most);
      await expectKind(egress.get(`http://127.0.0.1:${port}/${framing}${most + 1}`), "too-large");
    }
  });

  test("a body without end: reading stops at the limit", async () => {
    let sent = 0;
    const port = await serveHttp((_request, response) => {
      const chunk = Buffer.alloc(64 * 1024, "x");
      const send = (): void => {
        while (!response.destroyed) {
          sent += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", send);
        }
      };
      send();
    });
    await expectKind(privateEgress({ bytesMax: 100_000 }).get(`http://127.0.0.1:${port}/`), "too-large");
    expect(sent).toBeLessThan(32 * 1024 * 1024);
  });

  test.each(["gzip", "br", "deflate", "zstd", "gzip, gzip"])("a bomb in %s is refused unopened", async (encoding) => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const port = await serveHttp((_request, response) => response.setHeader("content-encoding", encoding).end(bomb));
    await expectKind(privateEgress().get(`http://127.0.0.1:${port}/`), "bad-response");
  });

  test("an answer that says it is not encoded is read", async () => {
    const port = await serveHttp((_request, response) => response.setHeader("content-encoding", "Identity").end("x"));
    expect(textOf((await privateEgress().get(`http://127.0.0.1:${port}/`)).body)).toBe("x");
  });

  test("headers without end", async () => {
    const port = await listen(
      createTcpServer((socket) => void socket.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(64 * 1024)}`)),
    );
    await expectKind(privateEgress().get(`http://127.0.0.1:${port}/`), "bad-response");
  });

  test.each([
    ["says nothing", () => {}],
    ["drips its headers", (socket: Socket) => drip(socket, "HTTP/1.1 200 OK\r\nx: ", "y")],
    ["drips its body", (socket: Socket) => drip(socket, "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", "z")],
    [
      "drips chunks",
      (socket: Socket) => drip(socket, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nz\r\n"),
    ],
    ["drips informational answers", (socket: Socket) => drip(socket, "", "HTTP/1.1 103 Early Hints\r\n\r\n")],
  ])("the time of a server that %s", async (_what, serve) => {
    const port = await listen(createTcpServer(serve));
    await expectKind(privateEgress({ msMax: 300 }).get(`http://127.0.0.1:${port}/`), "timeout");
  });

  test("the time of a TLS handshake that never ends", async () => {
    const port = await listen(createTcpServer(() => {}));
    const egress = privateEgress({ msMax: 300 });
    await expectKind(egress.get(`https://127.0.0.1:${port}/`), "timeout");
  });

  test("the time of all redirects together", async () => {
    const port = await serveHttp((_request, response) => {
      setTimeout(() => response.writeHead(302, { location: "/" }).end(), 200);
    });
    const egress = privateEgress({ msMax: 500, redirectsMax: 1_000 });
    await expectKind(egress.get(`http://127.0.0.1:${port}/`), "timeout");
  });

  test("the time of a resolver that never answers", async () => {
    const { egress } = checkedEgress([443], {}, { msMax: 100, lookup: () => new Promise(() => {}) });
    await expectKind(egress.get("https://example.org/"), "timeout");
  });
});

describe("what fails", () => {
  test("a name without addresses, one that does not resolve, one that resolves to nonsense", async () => {
    const { egress } = checkedEgress([443], {
      "none.example.org": [],
      "broken.example.org": () => {
        throw Object.assign(new Error("queryA SERVFAIL"), { code: "ESERVFAIL" });
      },
      "odd.example.org": [{ address: "nonsense", family: 4 }],
    });
    for (const name of ["none", "broken", "odd"]) {
      await expectKind(egress.get(`https://${name}.example.org/`), "unreachable");
    }
  });

  test("a port where nobody listens", async () => {
    const server = createTcpServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    await expectKind(privateEgress().get(`http://127.0.0.1:${port}/`), "unreachable");
  });

  test.each([
    ["a connection that closes at once", "", "unreachable"],
    ["what is not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "bad-response"],
    ["a body shorter than promised", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", "unreachable"],
    ["chunks that break off", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "unreachable"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx", "bad-response"],
    ["two framings", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx", "bad-response"],
  ] as const)("%s", async (_what, bytes, kind) => {
    const port = await listen(createTcpServer((socket) => void socket.once("data", () => socket.end(bytes))));
    await expectKind(privateEgress().get(`http://127.0.0.1:${port}/`), kind);
  });

  test("nothing: statuses of all kinds are answers", async () => {
    const port = await serveHttp((request, response) => response.writeHead(Number(request.url?.slice(1))).end());
    const egress = privateEgress();
    for (const status of [200, 204, 304, 400, 404, 410, 429, 500, 503]) {
      expect((await egress.get(`http://127.0.0.1:${port}/${status}`)).status).toBe(status);
    }
  });

  test("a request whose signal is aborted, with the signal's reason", async () => {
    const port = await listen(createTcpServer(() => {}));
    const egress = privateEgress();
    const controller = new AbortController();
    const fetched = failureOf(egress.get(`http://127.0.0.1:${port}/`, { signal: controller.signal }));
    const reason = new Error("no longer wanted");
    setTimeout(() => controller.abort(reason), 50);
    expect(await fetched).toBe(reason);
    expect(await failureOf(egress.get(`http://127.0.0.1:${port}/`, { signal: controller.signal }))).toBe(reason);
  });

  test("a request whose connection is still being made, as soon as it is aborted or the client closed", async () => {
    const port = await listenAndSleep();
    // Longer than the test may take.
    const egress = privateEgress({ msMax: 120_000 });
    const controller = new AbortController();
    const aborted = failureOf(egress.get(`http://127.0.0.1:${port}/`, { signal: controller.signal }));
    setTimeout(() => controller.abort(new Error("given up")), 50);
    expect(await aborted).toMatchObject({ message: "given up" });
    const closed = expectKind(egress.get(`http://127.0.0.1:${port}/`), "unreachable");
    setTimeout(() => void egress.close(), 50);
    await closed;
  });

  test("requests under way and later ones, when the client is closed", async () => {
    const port = await listen(createTcpServer(() => {}));
    const egress = privateEgress();
    const fetched = expectKind(egress.get(`http://127.0.0.1:${port}/`), "unreachable");
    setTimeout(() => void egress.close(), 50);
    await fetched;
    await expectKind(egress.get(`http://127.0.0.1:${port}/`), "unreachable");
  });
});

describe("with private addresses allowed", () => {
  const loopbackOrigins = ["http://127.0.0.1", "http://127.1", "http://localhost"];
  if (hasIpv6) loopbackOrigins.push("http://[::1]", "http://[::ffff:127.0.0.1]");
  test.each(loopbackOrigins)("%s is reached on any port, by http", async (origin) => {
    const server = createHttpServer((request, response) => void response.end(request.headers.host));
    const port = await listen(server, anyHost);
    const answer = await privateEgress().get(`${origin}:${port}/`);
    expect(answer.status).toBe(200);
    expect(textOf(answer.body)).toBe(new URL(`${origin}:${port}`).host);
  });

  test("credentials and other schemes are refused all the same", async () => {
    const egress = privateEgress();
    for (const url of ["http://user:word@127.0.0.1/", "file:///etc/passwd", "data:,x", "ftp://127.0.0.1/", "x"]) {
      await expectRefused(egress.get(url));
    }
  });

  test("a name is resolved once and pinned", async () => {
    const port = await serveHttp((_request, response) => response.end("hello"));
    let lookups = 0;
    const lookup = async (): Promise<ResolvedAddress[]> => (lookups++ === 0 ? [loopback] : []);
    const answer = await privateEgress({ lookup }).get(`http://registry.example:${port}/`);
    expect(textOf(answer.body)).toBe("hello");
    expect(lookups).toBe(1);
  });
});

describe("from one announced address only", () => {
  const strict = (): Egress => {
    const lookup = async (): Promise<ResolvedAddress[]> => {
      throw new Error("nothing should be looked up");
    };
    const egress = createEgress({ allowPrivateAddresses: false, lookup });
    cleanups.push(() => egress.close());
    return egress;
  };

  test.each(["127.0.0.1", "lamp.local"])(
    "http://%s is fetched there, private or not, and without a lookup",
    async (host) => {
      const port = await serveHttp((request, response) => void response.end(request.headers.host));
      const answer = await strict().get(`http://${host}:${port}/td`, { only: { ...loopback, port } });
      expect(textOf(answer.body)).toBe(`${host}:${port}`);
    },
  );

  test("another address or port is refused, and not connected to", async () => {
    const canary = await serveCanary();
    const { port } = canary;
    for (const [url, only] of [
      [`http://127.0.0.1:${port}/`, { ...loopback, port: port + 1 }],
      [`http://127.0.0.1:${port}/`, { address: "192.168.7.7", family: 4, port }],
      ["http://127.0.0.1/", { ...loopback, port }],
      [`http://[::1]:${port}/`, { ...loopback, port }],
    ] as const) {
      await expectRefused(strict().get(url, { only }));
    }
    expect(canary.connections()).toBe(0);
  });

  test("a redirect is followed within it, and refused elsewhere", async () => {
    const canary = await serveCanary();
    const port = await serveHttp((request, response) => {
      const target = decodeURIComponent(request.url?.slice(1) ?? "");
      if (target === "end") response.end("there");
      else response.writeHead(302, { location: target }).end();
    });
    const only = { ...loopback, port };
    const get = (target: string) => strict().get(`http://lamp.local:${port}/${encodeURIComponent(target)}`, { only });
    expect(textOf((await get("/end")).body)).toBe("there");
    for (const target of [
      `http://lamp.local:${canary.port}/`,
      `http://other.local:${port}/`,
      `http://127.0.0.1:${canary.port}/`,
      "http://169.254.169.254/latest/meta-data",
      "https://lamp.local/",
    ]) {
      await expectRefused(get(target));
    }
    expect(canary.connections()).toBe(0);
  });
});

describe("what is posted", () => {
  const body = Buffer.from('{"type":"Create"}');

  test("arrives as it was given, with the headers of a signature", async () => {
    const seen: { method: string | undefined; headers: IncomingMessage["headers"]; body: string }[] = [];
    const port = await servePublic(async (request, response) => {
      let text = "";
      for await (const chunk of request) text += String(chunk);
      seen.push({ method: request.method, headers: request.headers, body: text });
      response.writeHead(202).end("taken");
    });
    const { egress } = checkedEgress([port]);
    const signed = {
      "content-type": "application/activity+json",
      date: "Sat, 21 Nov 2026 09:00:00 GMT",
      digest: "SHA-256=x",
      "content-digest": "sha-256=:eA==:",
      signature: "sig1=:eA==:",
      "signature-input": "sig1=()",
    };
    const answer = await egress.post(`https://example.org:${port}/inbox`, { body, headers: signed });
    expect(answer.status).toBe(202);
    expect(textOf(answer.body)).toBe("taken");
    expect(seen).toEqual([
      {
        method: "POST",
        body: body.toString(),
        headers: {
          host: `example.org:${port}`,
          connection: "close",
          "user-agent": "thingstead",
          accept: "*/*",
          "accept-encoding": "identity",
          "content-length": String(body.length),
          ...signed,
        },
      },
    ]);
    for (const name of ["Host", "authorization", "Content-Length"]) {
      const refused = egress.post(`https://example.org:${port}/inbox`, { body, headers: { [name]: "x" } });
      expect(await failureOf(refused)).toBeInstanceOf(TypeError);
    }
  });

  test("reaches no address that is not public, in a session or not, with a listener there that sees nothing", async () => {
    const canary = await serveCanary();
    const { egress, dialled } = checkedEgress([canary.port], {
      "loopback.example.org": [loopback],
      "mixed.example.org": [publicAddress, loopback],
      "six.example.org": [publicAddress, { address: "::1", family: 6 }],
    });
    const hosts = wordsOf(innerHosts, canary.port).map((host) => `https://${host}:${canary.port}/`);
    const session = egress.session();
    for (const url of [...hosts, ...wordsOf(refusedUrls, canary.port)]) {
      for (const request of [{ body }, { body, session }]) {
        expect(await failureOf(egress.post(url, request)), url).toMatchObject({ type: "egress-refused" });
      }
    }
    expect(dialled).toEqual([]);
    expect(canary.connections()).toBe(0);
  });

  test.each([301, 302, 303, 307, 308])("goes nowhere else: a redirect with %i is the answer", async (status) => {
    const canary = await serveCanary();
    const port = await servePublic((_request, response) => {
      response.writeHead(status, { location: `https://127.0.0.1:${canary.port}/` }).end("moved");
    });
    const { egress, dialled } = checkedEgress([port, canary.port]);
    const answer = await egress.post(`https://example.org:${port}/inbox`, { body });
    expect({ status: answer.status, text: textOf(answer.body) }).toEqual({ status, text: "moved" });
    expect(dialled).toEqual([publicAddress.address]);
    expect(canary.connections()).toBe(0);
  });

  test("gets an answer as large as is asked for, and not one byte more", async () => {
    const port = await serveHttp((_request, response) => response.end(Buffer.alloc(2_000, "x")));
    const egress = privateEgress({ bytesMax: 1_000 });
    const url = `http://127.0.0.1:${port}/`;
    expect((await egress.post(url, { body, bytesMax: 2_000 })).body).toHaveLength(2_000);
    expect((await egress.get(url, { bytesMax: 2_000 })).body).toHaveLength(2_000);
    for (const bytesMax of [1_999, undefined]) {
      const bound = bytesMax === undefined ? {} : { bytesMax };
      await expectKind(egress.post(url, { body, ...bound }), "too-large");
      await expectKind(egress.get(url, bound), "too-large");
    }
  });

  test("is given up as soon as nobody waits for it", async () => {
    const port = await listenAndSleep();
    const egress = privateEgress({ msMax: 120_000 });
    const session = egress.session();
    const controller = new AbortController();
    const posted = failureOf(egress.post(`http://127.0.0.1:${port}/`, { body, session, signal: controller.signal }));
    const other = expectKind(egress.post(`http://127.0.0.1:${port}/`, { body, session }), "unreachable");
    setTimeout(() => controller.abort(new Error("given up")), 50);
    expect(await posted).toMatchObject({ message: "given up" });
    await session.close();
    await other;
  });
});

describe("a session", () => {
  const body = Buffer.from("x");

  /** A public server that counts its connections and answers with the path. */
  async function serveCounted(): Promise<{ port: number; connections: () => number }> {
    let connections = 0;
    const server = createHttpsServer({ key: loopbackTls.key, cert: loopbackTls.cert }, (request, response) => {
      request.resume();
      response.end(request.url);
    });
    server.on("secureConnection", () => (connections += 1));
    return { port: await listen(server), connections: () => connections };
  }

  test("keeps its connections and asks for a name once, whatever the name resolves to meanwhile", async () => {
    const { port, connections } = await serveCounted();
    const answers = [[publicAddress], [loopback]];
    const { egress, lookups, dialled } = checkedEgress([port], { "example.org": () => answers.shift() ?? [loopback] });
    await using session = egress.session();
    for (let count = 0; count < 5; count += 1) {
      const answer = await egress.post(`https://example.org:${port}/${count}`, { body, session });
      expect(textOf(answer.body)).toBe(`/${count}`);
    }
    expect((await egress.get(`https://example.org:${port}/get`, { session })).status).toBe(200);
    // A connection may still be busy with the end of an answer when the next request comes.
    expect(connections()).toBeLessThanOrEqual(2);
    expect({ lookups, dialled }).toEqual({ lookups: ["example.org"], dialled: [publicAddress.address] });
    await expectRefused(egress.post(`https://example.org:${port}/alone`, { body }));
  });

  test("has at most so many connections to one origin, however much is sent at once", async () => {
    const { port, connections } = await serveCounted();
    const { egress, lookups } = checkedEgress([port]);
    await using session = egress.session();
    const urls = Array.from({ length: 50 }, (_, at) => `https://example.org:${port}/${at}`);
    const all = await Promise.all(urls.map((url) => egress.post(url, { body, session })));
    expect(all.map((answer) => textOf(answer.body))).toEqual(urls.map((url) => new URL(url).pathname));
    expect(connections()).toBeLessThanOrEqual(limits.deliveriesPerPeerMax);
    expect(lookups).toHaveLength(1);
  });

  test("checks an address anew once that was long ago", async () => {
    const { port } = await serveCounted();
    const answers = [[publicAddress], [loopback]];
    const { egress, lookups } = checkedEgress(
      [port],
      { "example.org": () => answers.shift() ?? [loopback] },
      { sessionMsMax: 0 },
    );
    await using session = egress.session();
    await egress.post(`https://example.org:${port}/`, { body, session });
    await expectRefused(egress.post(`https://example.org:${port}/`, { body, session }));
    expect(lookups).toHaveLength(2);
  });

  test("checks each hop of a redirect like any other", async () => {
    const canary = await serveCanary();
    const port = await servePublic((_request, response) => {
      response.writeHead(302, { location: `https://inner.example.org:${canary.port}/` }).end();
    });
    const { egress } = checkedEgress([port, canary.port], { "inner.example.org": [loopback] });
    await using session = egress.session();
    await expectRefused(egress.get(`https://example.org:${port}/`, { session }));
    expect(canary.connections()).toBe(0);
  });

  test("tries again after a name did not resolve, and ends when it is closed", async () => {
    const { port } = await serveCounted();
    let lookups = 0;
    const { egress } = checkedEgress([port], {
      "example.org": () => {
        lookups += 1;
        if (lookups === 1) throw new Error("SERVFAIL");
        return [publicAddress];
      },
    });
    const session = egress.session();
    const post = () => egress.post(`https://example.org:${port}/`, { body, session });
    await expectKind(post(), "unreachable");
    expect((await post()).status).toBe(200);
    await session.close();
    await expectKind(post(), "unreachable");
    await expectKind(egress.post(`https://example.org:${port}/`, { body, session }), "unreachable");
  });
});
