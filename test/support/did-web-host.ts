import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A loopback web server that hosts DID documents. */
export interface DidWebHost extends AsyncDisposable {
  /** The did:web of `path` (`a:b`) on this host. */
  did(path?: string): string;
  /** Serves `body` for that DID: JSON of it, unless it is text; or whatever a function does. */
  host(path: string, body: unknown, status?: number): void;
  /** Paths asked for so far. */
  requests: string[];
}

type Answer = (response: ServerResponse) => void;

export async function startDidWebHost(): Promise<DidWebHost> {
  const answers = new Map<string, Answer>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    requests.push(path);
    const answer = answers.get(path);
    if (answer === undefined) response.writeHead(404).end();
    else answer(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const pathOf = (path: string): string =>
    path === "" ? "/.well-known/did.json" : `/${path.replaceAll(":", "/")}/did.json`;

  return {
    requests,
    did: (path = "") => `did:web:127.0.0.1%3A${port}${path === "" ? "" : `:${path}`}`,
    host(path, body, status = 200) {
      const answer: Answer =
        typeof body === "function"
          ? (body as Answer)
          : (response) => {
              response.writeHead(status, { "content-type": "application/did+json" });
              response.end(typeof body === "string" ? body : JSON.stringify(body));
            };
      answers.set(pathOf(path), answer);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
