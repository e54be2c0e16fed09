import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bin, runCli, runProgram } from "./support/cli.ts";
import { freePort } from "./support/process.ts";
import { adminToken, startTestService, type TestService } from "./support/service.ts";

/* The README's section on following, as somebody types it: what it promises is among the lines that are printed. */

const root = fileURLToPath(new URL("..", import.meta.url));
const isPossible = spawnSync("bash", ["--version"]).status === 0;
const readme = await readFile(path.join(root, "README.md"), "utf8");
const section = /<!-- two:start -->(.*)<!-- two:end -->/s.exec(readme)?.[1] ?? "";
const [, commands = "", expected = ""] = /```sh\n(.*?)```\s+```text\n(.*?)```/s.exec(section) ?? [];

const registries: TestService[] = [];
let directory: string;

beforeAll(async () => {
  for (let index = 0; index < 2; index += 1) {
    const port = await freePort();
    registries.push(await startTestService({ port, publicUrl: `http://localhost:${port}`, federation: true }));
  }
  // What a clone has after `npm install`, without writing into ours.
  directory = await mkdtemp(path.join(tmpdir(), "thingstead-two-"));
  await cp(path.join(root, "examples"), path.join(directory, "examples"), { recursive: true });
  await mkdir(path.join(directory, "node_modules", ".bin"), { recursive: true });
  await symlink(bin, path.join(directory, "node_modules", ".bin", "thingstead"));
  await runCli(["keygen", "--out", "me.json"], { cwd: directory });
});
afterAll(async () => {
  await Promise.all(registries.map((registry) => registry.close()));
  await rm(directory, { recursive: true, force: true });
});

test.skipIf(!isPossible)(
  "a registry finds what is published in the one that it follows",
  { timeout: 60_000 },
  async () => {
    const [first = "", second = ""] = registries.map(({ service }) => service.publicUrl);
    const here = (text: string) =>
      text
        .replaceAll("http://localhost:8081", first)
        .replaceAll("http://localhost:8082", second)
        .replaceAll("only-for-trying-out", adminToken);
    const { stdout, stderr } = await runProgram("bash", ["-c", here(commands)], {
      cwd: directory,
      env: { npm_config_update_notifier: "false" },
    });
    const printed = `${stdout}${stderr}`.split("\n");
    const wanted = here(expected).trimEnd().split("\n");
    expect(wanted.length).toBeGreaterThan(2);
    const starts = wanted.map((line) => line.replace(/…$/, "").trim());
    expect(
      starts.filter((start) => !printed.some((line) => line.trim().startsWith(start))),
      printed.join("\n"),
    ).toEqual([]);
  },
);
