import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import { Problem } from "../base/problem.ts";
import { problemBody, problemMediaType } from "./problems.ts";

/**
 * Answers requests that never become requests, because they are not HTTP, too large in their header fields, or too
 * slow, with a problem like any other (WoT Discovery, tdd-http-error-response); Node.js alone sends them a bare status.
 */
export function answerBrokenRequests(server: Server): void {
  const latest = new WeakMap<Duplex, ServerResponse>();
  server.on("request", ({ socket }: { socket: Duplex }, response: ServerResponse) => latest.set(socket, response));
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    const response = latest.get(socket);
    const isAnswering = response !== undefined && response.headersSent && !response.writableFinished;
    if (error.code === "ECONNRESET" || !socket.writable || isAnswering) {
      socket.destroy(error);
      return;
    }
    const problem = problemOf(error);
    const body = problemBody(problem);
    const head = [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
      "Connection: close",
      `Content-Type: ${problemMediaType}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    // Whoever does not read the answer must not keep the connection.
    socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy(error));
  });
}

function problemOf(error: NodeJS.ErrnoException): Problem {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return new Problem("headers-too-large", "The request's header fields and address together are too large.");
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new Problem("document-too-large", "The extensions of the body's chunks are too large.");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new Problem("request-timeout", "The request did not arrive in time: send it faster, or in parts.");
    default:
      return new Problem("malformed-request", "The request is no HTTP/1.1 (RFC 9112).");
  }
}
