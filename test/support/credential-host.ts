import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A loopback web server for status lists, presentations and contexts. */
export interface CredentialHost extends AsyncDisposable {
  /** The address of `path` (`/lists/1`), served or not. */
  url(path: string): string;
  /** Serves `body` at `path`: JSON of it, unless it is text; or whatever a function does. Returns its address. */
  serve(path: string, body: unknown, status?: number): string;
  /** Paths asked for so far. */
  requests: string[];
}

type Answer = (response: ServerResponse) => void;

export async function startCredentialHost(): Promise<CredentialHost> {
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
  const url = (path: string): string => `http://127.0.0.1:${port}${path}`;

  return {
    requests,
    url,
    serve(path, body, status = 200) {
      const answer: Answer =
        typeof body === "function"
          ? (body as Answer)
          : (response) => {
              response.writeHead(status, { "content-type": "application/vc" });
              response.end(typeof body === "string" ? body : JSON.stringify(body));
            };
      answers.set(path, answer);
      return url(path);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
