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
  .refine((config) => !config.LAN_PROXY || config.READ_ACCESS === "open", {
    path: ["LAN_PROXY"],
    message: "must be off when READ_ACCESS is token: names would be announced of what not everybody may read",
  });

/** Variables whose values must not be printed. */
export const secretNames = ["ADMIN_TOKEN", "DATABASE_URL"] as const;

export interface Config {
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** An origin; null means http://localhost with the port that was bound. */
  publicUrl: string | null;
  databaseUrl: string | null;
  dataDir: string;
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
