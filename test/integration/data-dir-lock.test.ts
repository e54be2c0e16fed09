import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockDataDir } from "../../src/db/data-dir-lock.ts";

const lockModule = pathToFileURL(path.resolve(import.meta.dirname, "../../src/db/data-dir-lock.ts")).href;

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "thingstead-lock-"));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

/** A process that holds the lock until it is killed. */
async function startHolder() {
  const source = `
    const { lockDataDir } = await import(${JSON.stringify(lockModule)});
    await lockDataDir(${JSON.stringify(dataDir)});
    process.stdout.write("locked");
    setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return {
    kill: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

test("a directory that another process uses is refused, with a message that says what to do", async () => {
  const holder = await startHolder();
  try {
    await expect(lockDataDir(dataDir)).rejects.toThrow(/in use by another process.*DATA_DIR/);
  } finally {
    await holder.kill();
  }
});

test("the directory of a process that was killed is taken at once", async () => {
  const holder = await startHolder();
  await holder.kill();
  const start = performance.now();
  const unlock = await lockDataDir(dataDir);
  // A lock goes stale after five seconds; a restart must not wait for that.
  expect(performance.now() - start).toBeLessThan(10_000);
  await unlock();
});

test("a directory that was freed can be taken again", async () => {
  await (
    await lockDataDir(dataDir)
  )();
  await (
    await lockDataDir(dataDir)
  )();
});

test("a directory that this process uses is refused as well", async () => {
  const unlock = await lockDataDir(dataDir);
  await expect(lockDataDir(dataDir)).rejects.toThrow(/in use/);
  await unlock();
});
