import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerBrokenRequests } from "./broken-requests.ts";

let server: Server;

beforeAll(async () => {
  server = createServer(
    { requestTimeout: 100, headersTimeout: 100, connectionsCheckingInterval: 50 },
    (request, response) => {
      if (request.url === "/endless") response.writeHead(200).write("begun");
      else response.end("fine");
    },
  );
  answerBrokenRequests(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => server.close());

/** All that comes until the connection ends; `then` is sent once something has come. */
async function answerTo(request: string, then = ""): Promise<string> {
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    if (answer === "" && then !== "") socket.write(then);
    answer += chunk;
  });
  socket.on("error", () => {});
  socket.write(request);
  await once(socket, "close");
  return answer;
}

describe("a request that is none", () => {
  test.each([
    ["is not HTTP", "hello\r\n\r\n", 400, "malformed-request"],
    [
      "has two lengths",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      400,
      "malformed-request",
    ],
    [
      "has too much in its header",
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
      431,
      "headers-too-large",
    ],
    ["has too long an address", `GET /${"x".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431, "headers-too-large"],
    ["does not end", "GET / HTTP/1.1\r\nHost: a\r\n", 408, "request-timeout"],
  ])("since it %s is answered by a problem", async (_reason, request, status, type) => {
    const answer = await answerTo(request);
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .+\r\n`));
    expect(head).toContain("Content-Type: application/problem+json; charset=utf-8");
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`);
    expect(JSON.parse(body)).toMatchObject({ type: `urn:thingstead:problem:${type}`, status });
  });

  test("is answered after those that were fine", async () => {
    const answer = await answerTo("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "hello\r\n\r\n");
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 400"]);
  });

  test("puts nothing into the middle of an answer", async () => {
    const answer = await answerTo("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n", "hello\r\n\r\n");
    expect(answer).toContain("begun");
    expect(answer).not.toContain("400");
  });
});
