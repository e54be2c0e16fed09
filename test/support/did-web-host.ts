import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A loopback web server that hosts DID documents and the logs of did:webvh. */
export interface DidWebHost extends AsyncDisposable {
  /** Host, port and path (`a:b`) as a did:web or did:webvh has them. */
  location(path?: string): string;
  /** The did:web of `path` on this host. */
  did(path?: string): string;
  /** Serves `body` for that DID: JSON of it, unless it is text; or whatever a function does. */
  host(path: string, body: unknown, status?: number, headers?: Record<string, string>): void;
  /** The same for another file beside it. */
  hostFile(path: string, file: string, body: unknown, status?: number, headers?: Record<string, string>): void;
  /** Paths asked for so far. */
  requests: string[];
  /** The headers of the last request. */
  lastHeaders: IncomingHttpHeaders;
}

type Answer = (response: ServerResponse) => void;

export async function startDidWebHost(): Promise<DidWebHost> {
  const answers = new Map<string, Answer>();
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    web.requests.push(path);
    web.lastHeaders = request.headers;
    const answer = answers.get(path);
    if (answer === undefined) response.writeHead(404).end();
    else answer(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const pathOf = (path: string, file: string): string =>
    path === "" ? `/.well-known/${file}` : `/${path.replaceAll(":", "/")}/${file}`;

  const web: DidWebHost = {
    requests: [],
    lastHeaders: {},
    location: (path = "") => `127.0.0.1%3A${port}${path === "" ? "" : `:${path}`}`,
    did: (path) => `did:web:${web.location(path)}`,
    host: (path, body, status, headers) => web.hostFile(path, "did.json", body, status, headers),
    hostFile(path, file, body, status = 200, headers = {}) {
      const answer: Answer =
        typeof body === "function"
          ? (body as Answer)
          : (response) => {
              response.writeHead(status, { "content-type": "application/did+json", ...headers });
              response.end(typeof body === "string" ? body : JSON.stringify(body));
            };
      answers.set(pathOf(path, file), answer);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return web;
}
