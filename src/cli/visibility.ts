import { Argument, type Command } from "commander";
import { readKey } from "./key-file.ts";
import { registryOf, registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import { print, printableLine, say, type Terminal } from "./terminal.ts";

const help = `
by-id takes the thing out of listings, searches and events; whoever knows its id still reads it. public undoes that. The
request is signed with the key (RFC 9421), for the registry under the URL that you name: it must be the registry's public
one.

Examples:
  npx thingstead visibility urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10 by-id --key me.json
  npx thingstead visibility urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10 public --key me.json`;

export function addVisibilityCommand(program: Command, terminal: Terminal): void {
  program
    .command("visibility")
    .summary("choose who finds what you published")
    .description("Shows a thing to everybody, or only to who knows its id. Prints its URL.")
    .argument("<id>", "the id of the thing")
    .addArgument(new Argument("<visibility>", "who finds it").choices(["public", "by-id"]))
    .requiredOption("--key <file>", "a key of its controller, for authentication")
    .addOption(registryOption())
    .addOption(tokenOption())
    .addHelpText("after", help)
    .action((id: string, visibility: string, flags: RegistryFlags & { key: string }) =>
      choose(id, visibility, flags, terminal),
    );
}

async function choose(
  id: string,
  visibility: string,
  flags: RegistryFlags & { key: string },
  terminal: Terminal,
): Promise<void> {
  const registry = registryOf(flags, terminal);
  const key = await readKey(flags.key);
  const { href } = await registry.chooseVisibility(id, visibility, key);
  say(terminal, `${printableLine(id)} is ${visibility} now, signed by ${key.controller}`);
  print(terminal, printableLine(href, 2_500));
}
