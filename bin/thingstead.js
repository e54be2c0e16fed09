#!/usr/bin/env node
// Starts the command line under a Node.js that runs TypeScript as it is. A machine with an older one has a newer one
// in the `node` package, a development dependency; this file is plain JavaScript so that any version can read it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { fileURLToPath } from "node:url";

const oldest = [22, 19];
const entry = new URL("../src/cli/main.ts", import.meta.url);
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) {
  // Short commands spend their time on compiling. Where the directory cannot be written, they just take it.
  module.enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/thingstead/compiled", import.meta.url)));
  await import(entry.href);
} else {
  const bundled = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));
  if (existsSync(bundled)) {
    const child = spawn(bundled, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
    child.on("exit", (code, signal) => (signal === null ? process.exit(code ?? 1) : process.kill(process.pid, signal)));
  } else {
    process.stderr.write(
      `Thingstead needs Node.js ${oldest.join(".")} or newer; this is ${process.version}, and node_modules holds no newer one.\n` +
        "Run `npm install` without --ignore-scripts and --omit=dev, or install a newer Node.js.\n",
    );
    process.exitCode = 1;
  }
}
