import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { lock } from "proper-lockfile";

/** What tells this process from others. */
const self = { host: hostname(), pid: process.pid, started: performance.timeOrigin };

/** Milliseconds without a heartbeat after which a lock counts as abandoned; PGlite keeps a process busy for seconds. */
const staleMs = 15_000;

/** Milliseconds after which two processes that both took over from a dead one must know of each other. */
const takeoverMs = 200;

/**
 * Takes the data directory for this process: PGlite itself would let two processes corrupt it. A heartbeat keeps
 * the lock across hosts and containers; where the holder ran on this host and is dead, it is taken at once, so
 * that a crashed registry restarts without waiting. Returns the function that frees it.
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  const lockfilePath = path.join(dataDir, "lock");
  const ownerPath = path.join(dataDir, "lock-owner.json");
  const owner = await readOwner(ownerPath);
  if ((owner === "alive" || owner === "self") && (await hasHeartbeat(lockfilePath))) throw inUse(dataDir);
  if (owner === "dead") await rm(lockfilePath, { recursive: true, force: true });

  let release: () => Promise<void>;
  try {
    release = await lock(dataDir, {
      lockfilePath,
      stale: staleMs,
      update: 1_000,
      realpath: false,
      // A little longer than a lock takes to go stale.
      retries: { retries: staleMs / 1_000 + 2, minTimeout: 1_000, maxTimeout: 1_000 },
    });
  } catch (cause) {
    throw inUse(dataDir, cause);
  }
  await writeFile(ownerPath, JSON.stringify(self));
  if (owner === "dead") {
    // Another process may have found the same dead owner, and have removed our lock for the dead one's: the last writer stays.
    await new Promise((resolve) => setTimeout(resolve, takeoverMs));
    if ((await readOwner(ownerPath)) !== "self") throw inUse(dataDir);
  }
  return async () => {
    await rm(ownerPath, { force: true });
    await release();
  };
}

function inUse(dataDir: string, cause?: unknown): Error {
  return new Error(
    `DATA_DIR ${dataDir} is in use by another process. Stop that registry, or set DATA_DIR to another directory.`,
    { cause },
  );
}

/** Who is written down as the holder, as far as this host can tell. */
async function readOwner(ownerPath: string): Promise<"self" | "alive" | "dead" | "unknown"> {
  try {
    const owner = JSON.parse(await readFile(ownerPath, "utf8")) as Partial<typeof self>;
    if (owner.host !== self.host || typeof owner.pid !== "number") return "unknown";
    // Our own id may be that of a predecessor: a container's process is always number 1.
    if (owner.pid === self.pid) return owner.started === self.started ? "self" : "dead";
    return isAlive(owner.pid) ? "alive" : "dead";
  } catch {
    return "unknown";
  }
}

async function hasHeartbeat(lockfilePath: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(lockfilePath)).mtimeMs < staleMs;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
