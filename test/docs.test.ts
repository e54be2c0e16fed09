import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { limits } from "../src/base/limits.ts";
import { problemTypes } from "../src/base/problem.ts";
import { addServeCommand } from "../src/cli/serve.ts";
import { configSchema, loadConfig, secretNames } from "../src/config.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (file: string) => readFileSync(path.join(root, file), "utf8");

/** Variable, default as it is written in the environment, and description. */
const variables = Object.entries(configSchema.shape).map(([name, field]) => ({
  name,
  default: asWritten((field as z.ZodType).safeParse(undefined).data),
  description: (field as z.ZodType).description ?? "",
}));

function asWritten(value: unknown): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  return value === undefined ? "" : String(value);
}

/** The cells of a Markdown table's rows, without the head. */
function rowsOfTable(markdown: string): string[][] {
  const lines = markdown.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe("the configuration", () => {
  test("is in the README with defaults and descriptions", () => {
    const table = /<!-- config:start -->(.*)<!-- config:end -->/s.exec(read("README.md"))?.[1] ?? "";
    const rows = rowsOfTable(table).map(([name = "", value = "", description = ""]) => ({
      name: name.replaceAll("`", ""),
      default: value.replaceAll("`", ""),
      description,
    }));
    expect(rows).toEqual(variables);
  });

  test("is in .env.example with defaults and descriptions", () => {
    const example = read(".env.example");
    const lines = [...example.matchAll(/^#([A-Z_]+)=(.*)$/gm)].map(([, name = "", value = ""]) => ({ name, value }));
    expect(lines.map(({ name }) => name)).toEqual(variables.map(({ name }) => name));
    for (const variable of variables.filter((one) => one.default !== "")) {
      expect(lines.find(({ name }) => name === variable.name)?.value, variable.name).toBe(variable.default);
    }
    const active = parseEnv(example.replaceAll(/^#(?=[A-Z_]+=)/gm, ""));
    expect(loadConfig(active)).toMatchObject({ port: 8080, admission: "signed" });
    expect(parseEnv(example), "nothing is set until somebody chooses to").toEqual({});
  });

  test("has a flag of `serve` for each variable but the operator's token", () => {
    const program = new Command();
    addServeCommand(program, { stdout: process.stdout, stderr: process.stderr, stdin: process.stdin, env: {} });
    const flags = program.commands[0]?.options.map((option) => option.long) ?? [];
    const expected = variables.map(({ name }) => `--${name.toLowerCase().replaceAll("_", "-")}`);
    const secrets = ["--admin-token", "--meili-api-key", "--embeddings-api-key"];
    expect(flags.toSorted()).toEqual([...expected.filter((flag) => !secrets.includes(flag)), "--env-file"].toSorted());
    expect(secretNames).toEqual(expect.arrayContaining(["ADMIN_TOKEN", "MEILI_API_KEY", "EMBEDDINGS_API_KEY"]));
  });
});

test("every problem type is in docs/problems.md, with its status and title", () => {
  const rows = rowsOfTable(read("docs/problems.md")).map(([name = "", status, title]) => [
    name.replaceAll("`", ""),
    Number(status),
    title,
  ]);
  const expected = Object.entries(problemTypes).map(([name, { status, title }]) => [name, status, title]);
  expect(rows.toSorted()).toEqual(expected.toSorted());
});

describe("the documentation", () => {
  const files = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "examples/README.md",
    ...readdirSync(path.join(root, "docs"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".md"))
      .map((file) => path.join("docs", file)),
  ];

  test.each(files)("%s leads only to what is there", (file) => {
    const text = read(file);
    const links = [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#]+)/g)].map(([, target = ""]) => target);
    const missing = links.filter((target) => !exists(path.join(path.dirname(file), target)));
    expect(missing).toEqual([]);
  });

  test("docs/security.md names only tests that exist", () => {
    const named = [...read("docs/security.md").matchAll(/`((?:src|test)\/[\w./-]+)`/g)].map(([, file = ""]) => file);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((file) => !exists(file))).toEqual([]);
    for (const [, file = "", title = ""] of read("docs/security.md").matchAll(/`([\w./-]+\.test\.ts)`, "([^"]+)"/g)) {
      expect(read(file), file).toContain(`"${title}"`);
    }
  });

  test("gives the limits as they are", () => {
    const { documentBytesMax, jsonNodesMax, jsonDepthMax, searchPageMax, listPageMax, searchFilterValuesMax } = limits;
    const format = (number: number) => number.toLocaleString("en");
    expect(read("README.md")).toContain(
      `at most ${documentBytesMax / 1024} KiB, ${format(jsonNodesMax)} values and ${jsonDepthMax} levels`,
    );
    const api = read("docs/api.md");
    expect(api).toContain(`\`limit\` is at most ${searchPageMax}.`);
    expect(api).toContain(`\`limit\` (at most ${format(listPageMax)})`);
    expect(api).toContain(`up to ${searchFilterValuesMax} times`);
    expect(api).toContain("for at most one second");
    expect(limits.indexWaitMsMax).toBe(1_000);
  });
});

function exists(file: string): boolean {
  return existsSync(path.join(root, file));
}
