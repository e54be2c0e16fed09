import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What a command did. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  stdin?: string;
  env?: Record<string, string>;
}

/** The program as users start it. */
export const bin = fileURLToPath(new URL("../../bin/thingstead.js", import.meta.url));

/** Runs `thingstead` with `args` as a process of its own, in an environment that holds only PATH and HOME. */
export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runProgram(process.execPath, [bin, ...args], options);
}

/** Runs a program to its end. */
export async function runProgram(file: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(file, args, { cwd: options.cwd, env: { PATH, HOME, ...options.env }, stdio: "pipe" });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  // A program may end without reading what it is given.
  child.stdin.on("error", () => {});
  child.stdin.end(options.stdin ?? "");
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}
