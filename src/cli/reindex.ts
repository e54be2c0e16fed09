import { randomUUID } from "node:crypto";
import { SingleBar } from "cli-progress";
import { type Command, Option } from "commander";
import type { ReindexProgress } from "../admission/reindex.ts";
import { systemClock } from "../base/clock.ts";
import { configureLogging } from "../base/log.ts";
import type { Config } from "../config.ts";
import type { Queryable } from "../db/client.ts";
import { Refusal } from "./failure.ts";
import { readConfig, readEnvFile } from "./serve.ts";
import { say, type Terminal } from "./terminal.ts";

/** Flag by configuration variable; the others, and secrets, come from the environment. */
const flagNames = {
  DATABASE_URL: "databaseUrl",
  DATA_DIR: "dataDir",
  SEARCH_ENGINE: "searchEngine",
  MEILI_URL: "meiliUrl",
} as const;

interface ReindexFlags extends Partial<Record<(typeof flagNames)[keyof typeof flagNames], string>> {
  envFile?: string;
}

const help = `
For operators, on the registry's machine: it opens the database that the registry uses, with the same environment or
--env-file. Nothing is lost if it is stopped; run it again then.

Meilisearch: fills a new index beside the one in use, catches up with what changed meanwhile, and swaps the two in one
step. The registry may run and be written to all the time, if its database is on a Postgres server.

Postgres: goes through all changes again and writes each entry's index anew, in turns with a registry that runs. Searches
find what is there at the time, the old or the new.

The embedded database can be opened by one program at a time: stop the registry first, and start it again afterwards.

Examples:
  npx thingstead reindex --env-file .env
  SEARCH_ENGINE=meilisearch MEILI_URL=http://localhost:7700 npx thingstead reindex --data-dir ./data`;

export function addReindexCommand(program: Command, terminal: Terminal): void {
  program
    .command("reindex")
    .summary("build the search index anew")
    .description("Builds the index of the configured search engine anew from the registry's database.")
    .option("--database-url <url>", "a Postgres server (default: the embedded database)")
    .option("--data-dir <directory>", "where the embedded database lives (default: ./data)")
    .addOption(
      new Option("--search-engine <engine>", "whose index (default: postgres)").choices(["postgres", "meilisearch"]),
    )
    .option("--meili-url <url>", "the Meilisearch server")
    .option("--env-file <file>", "read variables from this file, in the form of .env.example")
    .addHelpText("after", help)
    .action((flags: ReindexFlags) => reindex(flags, terminal));
}

async function reindex(flags: ReindexFlags, terminal: Terminal): Promise<void> {
  const given = Object.entries(flagNames).flatMap(([variable, flag]) =>
    flags[flag] === undefined ? [] : [[variable, flags[flag]]],
  );
  const config = readConfig({
    ...(await readEnvFile(flags.envFile)),
    ...terminal.env,
    ...(Object.fromEntries(given) as Record<string, string>),
  });
  await configureLogging(config.logLevel);
  const { openDatabase } = await import("../db/client.ts");
  const { databaseUrl, dataDir } = config;
  const opened = openDatabase(databaseUrl === null ? { dataDir } : { databaseUrl });
  await using db = await opened.catch((error: unknown) => {
    throw new Refusal(openFailure(error, config), { cause: error });
  });
  const progress = startProgress(terminal);
  try {
    await rebuild(config, db.orm, progress.show);
  } catch (error) {
    if (config.searchEngine === "postgres") throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new Refusal(`The index was not built: ${message}. The old one is in use as before. Check MEILI_URL.`, {
      cause: error,
    });
  } finally {
    progress.end();
  }
  say(terminal, `The index of ${config.searchEngine} is built anew.`);
}

async function rebuild(config: Config, db: Queryable, onProgress: ReindexProgress): Promise<void> {
  const { rebuildBeside, rebuildInPlace } = await import("../admission/reindex.ts");
  const { createPostgresSearch } = await import("../search/postgres.ts");
  const postgres = createPostgresSearch({ db });
  const clock = systemClock;
  if (config.searchEngine === "postgres" || config.meiliUrl === null) {
    return rebuildInPlace({ db, engine: postgres, clock, onProgress });
  }
  const { establishEpoch } = await import("../db/journal.ts");
  const { createMeilisearch, indexUidOf } = await import("../search/meilisearch/meilisearch.ts");
  const uid = indexUidOf(await establishEpoch(db));
  const server = { url: config.meiliUrl, apiKey: config.meiliApiKey };
  return rebuildBeside({
    db,
    engine: createMeilisearch({ server, uid, catalogue: postgres }),
    next: createMeilisearch({ server, uid: `${uid}-next`, catalogue: postgres }),
    clock,
    holder: randomUUID(),
    onProgress,
  });
}

function openFailure(error: unknown, { databaseUrl, dataDir }: Config): string {
  const message = error instanceof Error ? error.message : String(error);
  if (databaseUrl !== null) {
    // The URL may hold a password.
    const { host, pathname } = new URL(databaseUrl);
    return `The database ${pathname.slice(1)} at ${host} cannot be used: ${message}. Check DATABASE_URL.`;
  }
  return `The embedded database in ${dataDir} cannot be opened: ${message} While a registry runs on it, stop that registry, run this, and start it again; or move it to a Postgres server (DATABASE_URL), where both can run at once.`;
}

/** A bar, where somebody watches. */
function startProgress(terminal: Terminal): { show: ReindexProgress; end(): void } {
  if (terminal.stderr.isTTY !== true) return { show: () => {}, end: () => {} };
  const bar = new SingleBar({ stream: terminal.stderr, format: "{bar} {value} of {total}, {eta_formatted} left" });
  let isStarted = false;
  return {
    show(done, total) {
      if (isStarted) bar.setTotal(total);
      else bar.start(total, 0);
      isStarted = true;
      bar.update(done);
    },
    end: () => bar.stop(),
  };
}
