import { z } from "zod";

function isOrigin({ pathname, search, hash, username }: URL): boolean {
  return pathname === "/" && search === "" && hash === "" && username === "";
}

/** DID Core §3.1, roughly: what it names is found out when a credential comes. */
function isDid(text: string): boolean {
  return /^did:[a-z0-9]+:[A-Za-z0-9._:%-]+$/.test(text);
}

const onOff = z
  .enum(["on", "off"])
  .transform((value) => value === "on")
  .describe("on or off");

/**
 * Every variable that the registry reads. `.env.example` and the README's table are kept in step with this by a
 * test. Secrets are listed in `secretNames`.
 */
export const configSchema = z
  .object({
    HOST: z.string().min(1).default("127.0.0.1").describe("Address to listen on."),
    PORT: z.coerce
      .number("must be a number")
      .int()
      .min(0)
      .max(65_535)
      .default(8080)
      .describe("Port to listen on; 0 takes a free one."),
    PUBLIC_URL: z
      .url({ protocol: /^https?$/ })
      .refine((url) => !URL.canParse(url) || isOrigin(new URL(url)), "must be an origin, without a path")
      .transform((url) => new URL(url).origin)
      .optional()
      .describe("The origin under which others see this registry. Default: http://localhost:PORT."),
    DATABASE_URL: z
      .url({ protocol: /^postgres(ql)?$/ })
      .optional()
      .describe("A Postgres server (15 or later). Default: the embedded database in DATA_DIR."),
    DATA_DIR: z.string().min(1).default("./data").describe("Directory of the embedded database."),
    SEARCH_ENGINE: z
      .enum(["postgres", "meilisearch"])
      .default("postgres")
      .describe("What searches: `postgres`, the registry's own database; `meilisearch`, the server at MEILI_URL."),
    MEILI_URL: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe("A Meilisearch server (1.15 or later), such as http://localhost:7700."),
    MEILI_API_KEY: z
      .string()
      .min(1)
      .optional()
      .describe("A key of the Meilisearch server that may do everything with the registry's index."),
    EMBEDDINGS_URL: z
      .url({ protocol: /^https?$/ })
      .refine(
        (url) => !URL.canParse(url) || /^https?:\/\/[^@?#]+$/.test(url),
        "must be a URL without user name, query and fragment: the key goes into EMBEDDINGS_API_KEY",
      )
      .optional()
      .describe("Base URL of an OpenAI-compatible API, such as http://localhost:11434/v1: adds meaning to search."),
    EMBEDDINGS_MODEL: z.string().min(1).max(200).optional().describe("The model that it is to embed with."),
    EMBEDDINGS_API_KEY: z
      .string()
      .min(1)
      .regex(/^[\x21-\x7e]+$/, "must be printable ASCII without spaces")
      .optional()
      .describe("The key for EMBEDDINGS_URL, if it asks for one."),
    EMBEDDINGS_TOKENS_PER_DAY: z.coerce
      .number("must be a number")
      .int()
      .min(0)
      .default(5_000_000)
      .describe("Tokens that may be embedded a day (UTC), by all nodes together; 0: as many as it takes."),
    ADMISSION: z
      .enum(["signed", "open", "token"])
      .default("signed")
      .describe("Who may write: `signed` documents only; `open`, unsigned ones too; `token`, only with an API token."),
    READ_ACCESS: z
      .enum(["open", "token"])
      .default("open")
      .describe("Who may read: `open`, everybody; `token`, only with an API token."),
    ADMIN_TOKEN: z
      .string()
      .min(16)
      .optional()
      .describe("The operator's own API token, at least 16 characters: allows everything."),
    ALLOW_PRIVATE_ADDRESSES: onOff
      .default(false)
      .describe("`on` lets DIDs be fetched from private addresses and over http: for tests and closed networks."),
    EGRESS_PORTS: z
      .string()
      .default("443")
      .transform((text) => text.split(",").map((port) => Number(port.trim())))
      .refine((ports) => ports.every((port) => Number.isInteger(port) && port > 0 && port <= 65_535), {
        message: "must be ports, separated by commas, such as 443,8443",
      })
      .describe("Ports that may be reached on other hosts, separated by commas."),
    TRUSTED_ISSUERS: z
      .string()
      .default("")
      .transform((text) => text.split(/[\s,]+/).filter((did) => did !== ""))
      .refine((dids) => dids.every(isDid), { message: "must be DIDs, separated by commas" })
      .describe("DIDs whose Verifiable Credentials give the badge `credential`, separated by commas."),
    FEDERATION: onOff
      .optional()
      .describe(
        "Follow other registries and be followed, over ActivityPub: `on` or `off`. Default: `on` where PUBLIC_URL is set.",
      ),
    FEDERATION_RELAY: onOff.default(false).describe("`on` passes on to followers what came from other registries."),
    PEER_POLICY: z
      .enum(["open", "allowlist", "blocklist"])
      .default("open")
      .describe(
        "Who may follow: `open` and `blocklist`, everybody who is not blocked; `allowlist`, only whom the operator accepts.",
      ),
    STALE_AFTER: z.coerce
      .number("must be a number of seconds")
      .int()
      .min(60)
      .default(86_400)
      .describe("Seconds of silence of a peer from which its entries are labelled stale."),
    LAN: onOff
      .optional()
      .describe(
        "Find and be found on the local network: `on` or `off`. Default: `on`, unless HOST is this machine only.",
      ),
    LAN_PROXY: onOff
      .default(false)
      .describe("`on` announces registered things on the local network that do not announce themselves."),
    LAN_INTERFACES: z
      .string()
      .transform((text) => text.split(/[\s,]+/).filter((name) => name !== ""))
      .optional()
      .describe("Only these network interfaces, separated by commas. Default: all but the loopback interface."),
    LAN_TTL: z.coerce
      .number("must be a number of seconds")
      .int()
      .min(1)
      .max(86_400)
      .default(120)
      .describe("Seconds that a thing of the local network may be silent before it is checked."),
    LOG_LEVEL: z
      .enum(["debug", "info", "warning", "error", "fatal", "silent"])
      .default("info")
      .describe("The least severe log records to write."),
  })
  .refine((config) => config.ADMISSION !== "token" || config.ADMIN_TOKEN !== undefined, {
    path: ["ADMIN_TOKEN"],
    message: "must be set when ADMISSION is token",
  })
  .refine((config) => config.READ_ACCESS !== "token" || config.ADMIN_TOKEN !== undefined, {
    path: ["ADMIN_TOKEN"],
    message: "must be set when READ_ACCESS is token",
  })
  .refine((config) => config.FEDERATION !== true || config.PUBLIC_URL !== undefined, {
    path: ["PUBLIC_URL"],
    message: "must be set when FEDERATION is on: it is the name by which peers know this registry",
  })
  .refine((config) => config.SEARCH_ENGINE !== "meilisearch" || config.MEILI_URL !== undefined, {
    path: ["MEILI_URL"],
    message: "must be set when SEARCH_ENGINE is meilisearch",
  })
  .refine((config) => config.EMBEDDINGS_URL === undefined || config.EMBEDDINGS_MODEL !== undefined, {
    path: ["EMBEDDINGS_MODEL"],
    message: "must be set when EMBEDDINGS_URL is, such as text-embedding-3-small",
  })
  .refine((config) => !config.LAN_PROXY || config.READ_ACCESS === "open", {
    path: ["LAN_PROXY"],
    message: "must be off when READ_ACCESS is token: names would be announced of what not everybody may read",
  });

/** Variables whose values must not be printed. */
export const secretNames = ["ADMIN_TOKEN", "DATABASE_URL", "MEILI_API_KEY", "EMBEDDINGS_API_KEY"] as const;

export interface Config {
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** An origin; null means http://localhost with the port that was bound. */
  publicUrl: string | null;
  databaseUrl: string | null;
  dataDir: string;
  searchEngine: "postgres" | "meilisearch";
  /** Set where `searchEngine` is meilisearch. */
  meiliUrl: string | null;
  meiliApiKey: string | null;
  /** Null: search goes by words alone. */
  embeddingsUrl: string | null;
  /** Set where `embeddingsUrl` is. */
  embeddingsModel: string | null;
  embeddingsApiKey: string | null;
  /** 0: without a bound. */
  embeddingsTokensPerDay: number;
  admission: "signed" | "open" | "token";
  readAccess: "open" | "token";
  adminToken: string | null;
  allowPrivateAddresses: boolean;
  egressPorts: readonly number[];
  trustedIssuers: readonly string[];
  federation: boolean;
  federationRelay: boolean;
  peerPolicy: "open" | "allowlist" | "blocklist";
  staleAfterSeconds: number;
  lan: boolean;
  lanProxy: boolean;
  /** Null: all but the loopback interface. */
  lanInterfaces: readonly string[] | null;
  lanTtlSeconds: number;
  logLevel: "debug" | "info" | "warning" | "error" | "fatal" | "silent";
}

/** Whether an address to listen on can be reached from this machine only. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** Faults in the configuration, all of them. */
export class ConfigError extends Error {
  readonly faults: string[];

  constructor(faults: string[]) {
    super(`The configuration is not valid:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
    this.name = "ConfigError";
    this.faults = faults;
  }
}

/** Reads the configuration from environment variables; an empty variable counts as unset. Throws a ConfigError. */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = configSchema.safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`));
  }
  const config = parsed.data;
  return {
    host: config.HOST,
    port: config.PORT,
    publicUrl: config.PUBLIC_URL ?? null,
    databaseUrl: config.DATABASE_URL ?? null,
    dataDir: config.DATA_DIR,
    searchEngine: config.SEARCH_ENGINE,
    meiliUrl: config.MEILI_URL ?? null,
    meiliApiKey: config.MEILI_API_KEY ?? null,
    embeddingsUrl: config.EMBEDDINGS_URL ?? null,
    embeddingsModel: config.EMBEDDINGS_MODEL ?? null,
    embeddingsApiKey: config.EMBEDDINGS_API_KEY ?? null,
    embeddingsTokensPerDay: config.EMBEDDINGS_TOKENS_PER_DAY,
    admission: config.ADMISSION,
    readAccess: config.READ_ACCESS,
    adminToken: config.ADMIN_TOKEN ?? null,
    allowPrivateAddresses: config.ALLOW_PRIVATE_ADDRESSES,
    egressPorts: config.EGRESS_PORTS,
    trustedIssuers: config.TRUSTED_ISSUERS,
    federation: config.FEDERATION ?? config.PUBLIC_URL !== undefined,
    federationRelay: config.FEDERATION_RELAY,
    peerPolicy: config.PEER_POLICY,
    staleAfterSeconds: config.STALE_AFTER,
    lan: config.LAN ?? !isLoopbackHost(config.HOST),
    lanProxy: config.LAN_PROXY,
    lanInterfaces: config.LAN_INTERFACES ?? null,
    lanTtlSeconds: config.LAN_TTL,
    logLevel: config.LOG_LEVEL,
  };
}
