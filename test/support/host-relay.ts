import { connect, createServer, type Socket } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";

/*
 * Runs inside a host of a test network and joins it to the test's own process by Unix sockets, which network namespaces
 * do not divide. Its argument is a directory.
 *
 * - A connection to the socket `out` there names on its first line the address and port that it wants.
 * - For each line `{"port":8090,"socket":"/path"}` on standard input, the host listens on that TCP port and hands
 *   connections over to that socket. The answer is the same line.
 *
 * It ends when its standard input does, and so with the test.
 */

const [directory = "."] = process.argv.slice(2);

createServer((socket) => {
  let head = "";
  socket.on("error", () => {});
  socket.on("data", function read(chunk: Buffer) {
    head += chunk.toString("latin1");
    const end = head.indexOf("\n");
    if (end === -1) return;
    socket.off("data", read);
    socket.pause();
    const [address = "", port = ""] = head.slice(0, end).split(" ");
    const rest = Buffer.from(head.slice(end + 1), "latin1");
    if (rest.length > 0) socket.unshift(rest);
    join(socket, connect(Number(port), address));
  });
}).listen(path.join(directory, "out"), () => process.stdout.write("ready\n"));

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { port, socket } = JSON.parse(line) as { port: number; socket: string };
    createServer((incoming) => join(incoming, connect(socket))).listen(port, "0.0.0.0", () => {
      process.stdout.write(`${line}\n`);
    });
  })
  .on("close", () => process.exit());

function join(one: Socket, other: Socket): void {
  one.on("error", () => other.destroy()).pipe(other);
  other.on("error", () => one.destroy()).pipe(one);
  // Also an end without notice reaches the other side.
  one.on("close", () => other.destroySoon());
  other.on("close", () => one.destroySoon());
}
