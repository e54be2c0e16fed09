import { setTimeout as delay } from "node:timers/promises";
import { parseEnv } from "node:util";
import { type Command, Option } from "commander";
import { configureLogging } from "../base/log.ts";
import { type Config, ConfigError, loadConfig } from "../config.ts";
import type { Service } from "../main.ts";
import { readLocalFile } from "./documents.ts";
import { isSystemError, Refusal, UsageError } from "./failure.ts";
import { say, type Terminal } from "./terminal.ts";

/** Flag by configuration variable. Tokens and keys have none: everybody on a machine can read command lines. */
const flagNames = {
  HOST: "host",
  PORT: "port",
  PUBLIC_URL: "publicUrl",
  DATABASE_URL: "databaseUrl",
  DATA_DIR: "dataDir",
  SEARCH_ENGINE: "searchEngine",
  MEILI_URL: "meiliUrl",
  EMBEDDINGS_URL: "embeddingsUrl",
  EMBEDDINGS_MODEL: "embeddingsModel",
  EMBEDDINGS_TOKENS_PER_DAY: "embeddingsTokensPerDay",
  ADMISSION: "admission",
  READ_ACCESS: "readAccess",
  ALLOW_PRIVATE_ADDRESSES: "allowPrivateAddresses",
  EGRESS_PORTS: "egressPorts",
  TRUSTED_ISSUERS: "trustedIssuers",
  FEDERATION: "federation",
  FEDERATION_RELAY: "federationRelay",
  PEER_POLICY: "peerPolicy",
  STALE_AFTER: "staleAfter",
  LAN: "lan",
  LAN_PROXY: "lanProxy",
  LAN_INTERFACES: "lanInterfaces",
  LAN_TTL: "lanTtl",
  LOG_LEVEL: "logLevel",
} as const;

interface ServeFlags extends Partial<Record<(typeof flagNames)[keyof typeof flagNames], string | true>> {
  envFile?: string;
}

/**
 * Milliseconds within which a second signal is taken for an echo of the first: npm passes on the Ctrl-C that the
 * terminal has already sent to all of its children.
 */
const echoMs = 500;

const help = `
Every flag has an environment variable (--public-url: PUBLIC_URL), which may also stand in the file of --env-file; see
.env.example. Flags win over the environment, the environment over the file. ADMIN_TOKEN, MEILI_API_KEY and
EMBEDDINGS_API_KEY have no flag.

Examples:
  npx thingstead serve
  npx thingstead serve --env-file .env
  npx thingstead serve --port 9000 --data-dir /var/lib/thingstead
  DATABASE_URL=postgres://thingstead:secret@localhost/thingstead npx thingstead serve`;

export function addServeCommand(program: Command, terminal: Terminal): void {
  program
    .command("serve")
    .summary("run a registry")
    .description("Runs a registry until it is told to stop (Ctrl-C).")
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("--port <number>", "port to listen on, 0 for a free one (default: 8080)")
    .option("--public-url <url>", "the origin that others see (default: http://localhost:PORT)")
    .option("--database-url <url>", "a Postgres server (default: the embedded database)")
    .option("--data-dir <directory>", "where the embedded database lives (default: ./data)")
    .addOption(
      new Option("--search-engine <engine>", "what searches (default: postgres)").choices(["postgres", "meilisearch"]),
    )
    .option("--meili-url <url>", "the Meilisearch server, where that searches")
    .option("--embeddings-url <url>", "an OpenAI-compatible API that adds meaning to search")
    .option("--embeddings-model <name>", "the model that it is to embed with")
    .option("--embeddings-tokens-per-day <number>", "tokens that may be embedded a day (default: 5000000)")
    .addOption(new Option("--admission <mode>", "who may write (default: signed)").choices(["signed", "open", "token"]))
    .addOption(new Option("--read-access <mode>", "who may read (default: open)").choices(["open", "token"]))
    .option("--allow-private-addresses", "let DIDs lead to private addresses: tests and closed networks only")
    .option("--egress-ports <ports>", "ports that may be reached on other hosts (default: 443)")
    .option("--trusted-issuers <dids>", "whose credentials give the badge `credential`, separated by commas")
    .addOption(
      new Option(
        "--federation <mode>",
        "follow other registries and be followed (default: on where PUBLIC_URL is set)",
      ).choices(["on", "off"]),
    )
    .option("--federation-relay", "pass on to followers what came from other registries")
    .addOption(
      new Option("--peer-policy <policy>", "who may follow (default: open)").choices([
        "open",
        "allowlist",
        "blocklist",
      ]),
    )
    .option("--stale-after <seconds>", "silence of a peer from which its entries are labelled stale (default: 86400)")
    .addOption(
      new Option(
        "--lan <mode>",
        "find and be found on the local network (default: on, unless HOST is this machine only)",
      ).choices(["on", "off"]),
    )
    .option("--lan-proxy", "announce registered things on the local network that do not announce themselves")
    .option("--lan-interfaces <names>", "only these network interfaces, separated by commas")
    .option("--lan-ttl <seconds>", "how long a thing there may be silent before it is checked (default: 120)")
    .option("--env-file <file>", "read variables from this file, in the form of .env.example")
    .option("--log-level <level>", "debug, info, warning, error, fatal or silent (default: info)")
    .addHelpText("after", help)
    .action((flags: ServeFlags) => serve(flags, terminal));
}

async function serve(flags: ServeFlags, terminal: Terminal): Promise<void> {
  const config = readConfig({ ...(await readEnvFile(flags.envFile)), ...terminal.env, ...variablesOf(flags) });
  await configureLogging(config.logLevel);
  const service = await start(config);
  say(terminal, bannerOf(service, config));
  await stopSignal(terminal);
  say(terminal, "Stopping.");
  await service.close();
}

/** Throws a UsageError that names every fault. */
export function readConfig(env: Record<string, string | undefined>): Config {
  try {
    return loadConfig(env);
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(error.message) : error;
  }
}

async function start(config: Config): Promise<Service> {
  // The other commands need neither database nor server, and start faster without them.
  const { startService } = await import("../main.ts");
  try {
    return await startService(config);
  } catch (error) {
    throw new Refusal(startFailure(error, config), { cause: error });
  }
}

function startFailure(error: unknown, config: Config): string {
  const message = error instanceof Error ? error.message : String(error);
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === "listen") {
    if (code === "EADDRINUSE") {
      return `Port ${config.port} on ${config.host} is taken. Stop what listens there, or set PORT (--port) to another one.`;
    }
    if (code === "EACCES")
      return `Port ${config.port} needs rights that this process lacks. Set PORT (--port) above 1023.`;
    return `Nothing can listen on ${config.host}, port ${config.port} (${code}). Set HOST (--host) and PORT (--port).`;
  }
  if (config.databaseUrl !== null) {
    // The URL may hold a password.
    const { host, pathname } = new URL(config.databaseUrl);
    return `The database ${pathname.slice(1)} at ${host} cannot be used: ${message || code}. Check DATABASE_URL.`;
  }
  if (isSystemError(error)) return `${message}. Check DATA_DIR (--data-dir), now ${config.dataDir}.`;
  return message;
}

/** What there is and what to try next. */
function bannerOf(service: Service, config: Config): string {
  const database =
    service.database === "pglite" ? "embedded (PGlite)" : `Postgres at ${new URL(config.databaseUrl ?? "").host}`;
  const local = `http://localhost:${service.address.port}`;
  const registry = service.address.port === 8080 ? "" : ` --registry ${local}`;
  const admission = {
    signed: "signed: whoever signs a description may publish it",
    open: "open: anyone may publish, unsigned too",
    token: "token: writing needs an API token",
  }[config.admission];
  const reading = config.readAccess === "token" ? "\n  reading    needs an API token" : "";
  const federation = config.federation
    ? `\n  federation on: others follow @registry@${new URL(service.publicUrl).host}`
    : "\n  federation off: set PUBLIC_URL, or FEDERATION=on";
  const lan = `${service.lan.enabled ? "on" : "off"}: ${service.lan.reason}`;
  // Descriptions name the URL under which others see the registry.
  const lanUrl =
    service.lan.enabled && config.publicUrl === null
      ? "\n             PUBLIC_URL is not set: what others fetch here leads them to their own localhost"
      : "";
  return `
Thingstead runs at ${service.publicUrl}
  database   ${database}${service.database === "pglite" ? `, data in ${config.dataDir}` : ""}
  admission  ${admission}${reading}${federation}
  LAN        ${lan}${lanUrl}
  API        ${service.publicUrl}/docs

Try next:
  npx thingstead keygen --out me.json
  npx thingstead register examples/weather-agent.td.json --key me.json${registry}
  npx thingstead search "weather forecast"${registry}

Ctrl-C stops it.
`;
}

/** Waits for SIGINT or SIGTERM; from then on another one ends the process at once. */
async function stopSignal(terminal: Terminal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once("SIGINT", resolve).once("SIGTERM", resolve);
  await promise;
  const force = () => {
    say(terminal, "Stopped without waiting.");
    process.exit(1);
  };
  const echo = () => {};
  process.on("SIGINT", echo).on("SIGTERM", echo);
  void delay(echoMs, undefined, { ref: false }).then(() => process.on("SIGINT", force).on("SIGTERM", force));
}

/** The variables in a file in the form of .env.example; none without a file. */
export async function readEnvFile(file: string | undefined): Promise<Record<string, string | undefined>> {
  return file === undefined ? {} : parseEnv(Buffer.from(await readLocalFile(file)).toString("utf8"));
}

function variablesOf(flags: ServeFlags): Record<string, string> {
  const given = Object.entries(flagNames).flatMap(([variable, flag]) => {
    const value = flags[flag];
    return value === undefined ? [] : [[variable, value === true ? "on" : value]];
  });
  return Object.fromEntries(given) as Record<string, string>;
}
