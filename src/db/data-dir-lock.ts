import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { lock } from "proper-lockfile";

/** What tells this process from others. */
const self = { host: hostname(), pid: process.pid, started: performance.timeOrigin };

/** Milliseconds without a heartbeat after which a lock counts as abandoned. */
const staleMs = 5_000;

/**
 * Takes the data directory for this process: PGlite itself would let two processes corrupt it. A heartbeat keeps
 * the lock across hosts and containers; where the holder ran on this host and is dead, it is taken at once, so
 * that a crashed registry restarts without waiting. Returns the function that frees it.
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  const lockfilePath = path.join(dataDir, "lock");
  const ownerPath = path.join(dataDir, "lock-owner.json");
  if (await isOwnerDead(ownerPath)) await rm(lockfilePath, { recursive: true, force: true });

  let release: () => Promise<void>;
  try {
    release = await lock(dataDir, {
      lockfilePath,
      stale: staleMs,
      update: 1_000,
      realpath: false,
      // A little longer than a lock takes to go stale.
      retries: { retries: 7, minTimeout: 1_000, maxTimeout: 1_000 },
    });
  } catch (cause) {
    throw new Error(
      `DATA_DIR ${dataDir} is in use by another process. Stop that registry, or set DATA_DIR to another directory.`,
      { cause },
    );
  }
  await writeFile(ownerPath, JSON.stringify(self));
  return async () => {
    await rm(ownerPath, { force: true });
    await release();
  };
}

async function isOwnerDead(ownerPath: string): Promise<boolean> {
  try {
    const owner = JSON.parse(await readFile(ownerPath, "utf8")) as Partial<typeof self>;
    if (owner.host !== self.host || typeof owner.pid !== "number") return false;
    // Our own id may be that of a predecessor: a container's process is always number 1.
    return owner.pid === self.pid ? owner.started !== self.started : !isAlive(owner.pid);
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
