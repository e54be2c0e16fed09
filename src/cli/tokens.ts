import { type Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "../base/clock.ts";
import { registryOf, registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import type { TokenFacts } from "./registry-client.ts";
import { print, printableLine, say, type Terminal } from "./terminal.ts";

const help = `
For operators: each of these needs a token of the scope admin, such as the registry's own ADMIN_TOKEN.

Examples:
  npx thingstead tokens create "build server" --scope write --expires 90d
  npx thingstead tokens list
  npx thingstead tokens revoke 6f1f0f7a-5a3e-4a52-9d0c-2f6fb1f7c0de`;

const createHelp = `
read lets its bearer read where READ_ACCESS asks for a token; write, publish where ADMISSION does; admin, all that an
operator may. Each scope includes those before it. The token is shown once.

Examples:
  npx thingstead tokens create "build server" --scope write --expires 90d
  npx thingstead tokens create "audit of 2027" --scope read --expires 2027-12-31`;

const secondsPerUnit: Readonly<Record<string, number>> = { m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** When a token ends: in so many seconds, or at an instant. */
type Expiry = { ttl: number } | { expires: string };

interface CreateFlags extends RegistryFlags {
  scope: string;
  expires?: Expiry;
}

export function addTokensCommand(program: Command, terminal: Terminal): void {
  const tokens = program
    .command("tokens")
    .summary("make, list and revoke API tokens")
    .description("Manages the API tokens of a registry.")
    .addHelpText("after", help);

  tokens
    .command("create")
    .description("Makes an API token. Prints it, and nobody can show it again.")
    .argument("<name>", "for whom or what it is")
    .addOption(
      new Option("--scope <scope>", "what it allows").choices(["read", "write", "admin"]).makeOptionMandatory(),
    )
    .option("--expires <when>", "in so many m, h, d or w, such as 90d, or a date (default: never)", parseExpiry)
    .addOption(registryOption())
    .addOption(tokenOption())
    .addHelpText("after", createHelp)
    .action((name: string, flags: CreateFlags) => create(name, flags, terminal));

  tokens
    .command("list")
    .description("Lists the API tokens, those in use first. Never shows the tokens themselves.")
    .option("--json", "print the registry's answer as it is")
    .addOption(registryOption())
    .addOption(tokenOption())
    .action((flags: RegistryFlags & { json?: boolean }) => list(flags, terminal));

  tokens
    .command("revoke")
    .description("Ends an API token at once.")
    .argument("<id>", "the id of the token, as `tokens list` shows it")
    .addOption(registryOption())
    .addOption(tokenOption())
    .action((id: string, flags: RegistryFlags) => revoke(id, flags, terminal));
}

async function create(name: string, flags: CreateFlags, terminal: Terminal): Promise<void> {
  const made = await registryOf(flags, terminal).createToken({ name, scope: flags.scope, ...flags.expires });
  say(terminal, `made ${describe(made, systemClock.now())}`);
  say(terminal, "This is the token. It is not shown again:");
  print(terminal, printableLine(made.token));
}

async function list(flags: RegistryFlags & { json?: boolean }, terminal: Terminal): Promise<void> {
  const tokens = await registryOf(flags, terminal).listTokens();
  if (flags.json === true) print(terminal, JSON.stringify({ tokens }, null, 2));
  else if (tokens.length === 0) say(terminal, "There are no tokens but the registry's own ADMIN_TOKEN.");
  else for (const token of tokens) print(terminal, describe(token, systemClock.now()));
}

async function revoke(id: string, flags: RegistryFlags, terminal: Terminal): Promise<void> {
  await registryOf(flags, terminal).revokeToken(id);
  say(terminal, `revoked ${printableLine(id)}`);
}

function describe(token: TokenFacts, now: Date): string {
  const columns = [token.id, token.scope, standing(token, now), token.name];
  return columns.map((column) => printableLine(column, 300)).join("  ");
}

function standing({ expires, revoked }: TokenFacts, now: Date): string {
  if (revoked !== null) return `revoked ${revoked}`;
  if (expires === null) return "until revoked";
  return new Date(expires) > now ? `until ${expires}` : `expired ${expires}`;
}

function parseExpiry(text: string): Expiry {
  const [, count = "", unit = ""] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  const ttl = Number(count) * (secondsPerUnit[unit] ?? 0);
  if (ttl > 0) return { ttl };
  const date = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text;
  if (/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(date) && !Number.isNaN(Date.parse(date)))
    return { expires: date };
  throw new InvalidArgumentError("Expected is a time such as 90d or 12h, a date, or a date-time with an offset.");
}
