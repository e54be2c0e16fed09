import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bin, runProgram } from "./support/cli.ts";
import { startTestService, type TestService } from "./support/service.ts";

/*
 * The README's five minutes, as somebody types them: every ```sh block runs in bash, and what the ```text block after
 * it says must be among the lines that were printed. `…` stands for anything.
 */

const root = fileURLToPath(new URL("..", import.meta.url));
const hasTools = ["bash", "curl", "sed"].every((tool) => spawnSync(tool, ["--version"]).status === 0);

interface Step {
  title: string;
  commands: string;
  expected: string[];
}

function stepsOf(readme: string): Step[] {
  const tour = /<!-- tour:start -->(.*)<!-- tour:end -->/s.exec(readme)?.[1] ?? "";
  const pattern =
    /\*\*(?<title>[^*]+)\*\*[^`]*(?:`[^`\n]+`[^`]*)*?```sh\n(?<commands>.*?)```\s+```text\n(?<expected>.*?)```/gs;
  return [...tour.matchAll(pattern)].map(({ groups = {} }) => ({
    title: groups.title ?? "",
    commands: groups.commands ?? "",
    expected: (groups.expected ?? "").trimEnd().split("\n"),
  }));
}

function lineOf(expected: string, line: string): boolean {
  const pattern = expected.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${pattern.join(".*")}$`).test(line);
}

const readme = await readFile(path.join(root, "README.md"), "utf8");
const steps = stepsOf(readme);

describe.skipIf(!hasTools)("the README's five minutes", () => {
  let registry: TestService;
  let directory: string;

  beforeAll(async () => {
    registry = await startTestService();
    // What a clone has after `npm install`, without writing into ours.
    directory = await mkdtemp(path.join(tmpdir(), "thingstead-tour-"));
    await cp(path.join(root, "examples"), path.join(directory, "examples"), { recursive: true });
    await mkdir(path.join(directory, "node_modules", ".bin"), { recursive: true });
    await symlink(bin, path.join(directory, "node_modules", ".bin", "thingstead"));
  });

  afterAll(async () => {
    await registry.close();
    await rm(directory, { recursive: true, force: true });
  });

  const here = (text: string) => text.replaceAll("http://localhost:8080", registry.service.publicUrl);

  test("are all read by this test", () => {
    const tour = /<!-- tour:start -->(.*)<!-- tour:end -->/s.exec(readme)?.[1] ?? "";
    expect(steps).toHaveLength(tour.split("```sh").length - 1);
    expect(steps.length).toBeGreaterThan(6);
  });

  // In order: each step builds on those before it.
  test.each(steps)("$title", async ({ commands, expected }) => {
    const { stdout, stderr } = await runProgram("bash", ["-c", here(commands)], {
      cwd: directory,
      env: { THINGSTEAD_REGISTRY: registry.service.publicUrl, npm_config_update_notifier: "false" },
    });
    // Results and notes arrive on two streams, so their order tells nothing.
    const printed = `${stdout}${stderr}`.split("\n");
    for (const wanted of expected.map(here)) {
      const found = printed.some((line) => lineOf(wanted, line));
      expect(found, `expected the line\n  ${wanted}\nin\n  ${printed.join("\n  ")}`).toBe(true);
    }
  });
});
