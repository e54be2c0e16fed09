import { readFile, writeFile } from "node:fs/promises";
import { Registry } from "prom-client";
import { stringify } from "yaml";
import { createApp } from "./app.ts";
import type { HttpDeps } from "./deps.ts";
import { openApiDocument } from "./openapi.ts";

/**
 * Writes `openapi.yaml` from the routes; with `--check` fails when the file differs from them. The handlers, which
 * would need a registry, never run.
 */
const app = createApp({ metrics: new Registry() } as HttpDeps);
const file = new URL("../../openapi.yaml", import.meta.url);
const generated = `# Generated from the routes by \`npm run openapi\`.\n${stringify(openApiDocument(app, "http://localhost:8080"), { aliasDuplicateObjects: false, lineWidth: 110 })}`;

if (!process.argv.includes("--check")) {
  await writeFile(file, generated);
} else if ((await readFile(file, "utf8").catch(() => "")) !== generated) {
  process.stderr.write("openapi.yaml is not what the routes say: run `npm run openapi` and commit the result.\n");
  process.exitCode = 1;
}
