import { randomInt } from "node:crypto";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

const compileCache = fileURLToPath(new URL("../../node_modules/.cache/thingstead/compiled", import.meta.url));

/** A registry that runs as a process of its own, as in production. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from the start of the process until it was ready. */
  readonly startMs: number;
  /** What it wrote to stderr so far. */
  stderr(): string;
  /** `kill -9`; resolves once the process is gone. */
  kill(): Promise<void>;
  /** Ends it in good order; resolves to its exit code. */
  stop(): Promise<number | null>;
}

export interface ServerProcessOptions {
  /** Port to listen on; see `freePort`. */
  port: number;
  env: Record<string, string>;
  /** How long it may take until it is ready. */
  readyMsMax?: number;
}

/** Starts `thingstead serve` and waits until it is ready. Rejects with what it wrote when it ends before. */
export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const started = performance.now();
  const child = spawn(process.execPath, [entry, "serve"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      PATH: process.env.PATH ?? "",
      HOST: "127.0.0.1",
      PORT: String(options.port),
      LOG_LEVEL: "warning",
      // As the launcher has it: a process that starts again need not compile again.
      NODE_COMPILE_CACHE: compileCache,
      ...options.env,
    },
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr = (stderr + chunk).slice(-20_000);
  });
  const exited = once(child, "exit");
  const url = `http://127.0.0.1:${options.port}`;
  await waitUntilReady(url, child, options.readyMsMax ?? 30_000, () => stderr);

  const end = async (signal: "SIGKILL" | "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
    return child.exitCode;
  };
  return {
    url,
    pid: child.pid ?? 0,
    startMs: performance.now() - started,
    stderr: () => stderr,
    kill: async () => void (await end("SIGKILL")),
    stop: () => end("SIGTERM"),
    [Symbol.asyncDispose]: async () => void (await end("SIGKILL")),
  };
}

async function waitUntilReady(url: string, child: ChildProcess, msMax: number, stderr: () => string): Promise<void> {
  const deadline = performance.now() + msMax;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server ended (${child.exitCode ?? child.signalCode}) before it was ready:\n${stderr()}`);
    }
    const ready = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
    await ready?.body?.cancel();
    if (ready?.ok === true) return;
    if (performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`the server was not ready after ${msMax} ms:\n${stderr()}`);
    }
    await sleep(20);
  }
}

/** Ports below those that systems give to connections: one of these could take a port between its choice and its use. */
const portMin = 12_000;
const portMax = 32_000;

/** A port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  for (let attempts = 0; attempts < 100; attempts += 1) {
    const port = randomInt(portMin, portMax);
    const server = createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch {
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error(`no port from ${portMin} to ${portMax} is free`);
}
