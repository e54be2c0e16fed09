import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { configureLogging } from "../../src/base/log.ts";
import { openDatabase } from "../../src/db/client.ts";
import { startService } from "../../src/main.ts";
import { assertions } from "./assertions.ts";
import { csvRow, judge, type Result, summaryOf } from "./report.ts";
import { createWorld, type Start } from "./world.ts";

/**
 * `npm run conformance`: asks registries of this source, on the embedded database, whatever WoT Discovery asserts of
 * directories. Rows of `id,status,comment` go to stdout, a summary to stderr; exit code 1 if a MUST fails, or anything
 * else that is said to be there.
 */
await configureLogging("silent");
const directory = await mkdtemp(path.join(tmpdir(), "thingstead-conformance-"));
try {
  const results = await run();
  const failed = results.filter(({ status }) => status === "fail");
  process.stderr.write(`\n${summaryOf(results)}\n`);
  for (const { assertion, comment } of failed) {
    process.stderr.write(`\nfailed: ${assertion.id} (${assertion.level}): ${assertion.statement}\n  ${comment}\n`);
  }
  process.exitCode = failed.length > 0 ? 1 : 0;
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function run(): Promise<Result[]> {
  const template = path.join(directory, "template");
  await (await openDatabase({ dataDir: template })).close();
  let count = 0;
  const start: Start = async (overrides, parts) => {
    const dataDir = path.join(directory, String((count += 1)));
    await cp(template, dataDir, { recursive: true });
    const service = await startService(
      {
        host: "127.0.0.1",
        port: 0,
        publicUrl: null,
        databaseUrl: null,
        dataDir,
        searchEngine: "postgres",
        meiliUrl: null,
        meiliApiKey: null,
        embeddingsUrl: null,
        embeddingsModel: null,
        embeddingsApiKey: null,
        embeddingsTokensPerDay: 0,
        admission: "signed",
        readAccess: "open",
        adminToken: null,
        allowPrivateAddresses: false,
        egressPorts: [443],
        trustedIssuers: [],
        federation: false,
        federationRelay: false,
        peerPolicy: "open",
        staleAfterSeconds: 86_400,
        lan: false,
        lanProxy: false,
        lanInterfaces: null,
        lanTtlSeconds: 120,
        logLevel: "silent",
        ...overrides,
      },
      parts,
    );
    const url = `http://127.0.0.1:${service.address.port}`;
    return { url, origin: service.publicUrl, close: () => service.close() };
  };

  await using world = createWorld(start, crypto.randomUUID());
  const results: Result[] = [];
  process.stdout.write("id,status,comment\n");
  for (const assertion of assertions) {
    const result = await judge(assertion, world);
    results.push(result);
    process.stdout.write(`${csvRow(result)}\n`);
  }
  return results;
}
