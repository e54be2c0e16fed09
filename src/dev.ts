import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { configureLogging } from "./base/log.ts";
import { expandDirectories } from "./cli/documents.ts";
import { registerAll } from "./cli/register.ts";
import { createRegistryClient } from "./cli/registry-client.ts";
import { loadConfig } from "./config.ts";
import { generateSigningKey, loadSigningKey } from "./identity/keys.ts";
import { startService } from "./main.ts";

/*
 * `npm run dev`: a registry of its own in data/dev that anyone may write to, restarted when a source changes. At its
 * first start it is given the examples, signed with a demonstration key that is kept beside the data.
 */

const config = loadConfig({
  DATA_DIR: fileURLToPath(new URL("../data/dev", import.meta.url)),
  ADMISSION: "open",
  // oxlint-disable-next-line node/no-process-env -- where the process starts, the environment comes in
  ...process.env,
});
await configureLogging(config.logLevel);
const service = await startService(config);
const registry = `http://localhost:${service.address.port}`;

const keyFile = path.join(config.dataDir, "demo-key.json");
const isFirstStart = (await readFile(keyFile).catch(() => null)) === null;
if (isFirstStart) {
  const key = generateSigningKey();
  const sources = await expandDirectories([fileURLToPath(new URL("../examples", import.meta.url))]);
  const { stdout, stderr, stdin } = process;
  await registerAll(sources, loadSigningKey(key), createRegistryClient({ registry, token: null }), {
    stdout,
    stderr,
    stdin,
    env: {},
  });
  await writeFile(keyFile, `${JSON.stringify(key, null, 2)}\n`, { mode: 0o600 });
}
process.stderr.write(
  `Thingstead for development: ${registry}, API at ${registry}/docs, demonstration key in ${keyFile}\n`,
);

const stop = () => void service.close();
process.once("SIGINT", stop).once("SIGTERM", stop);
