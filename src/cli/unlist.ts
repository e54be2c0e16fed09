import type { Command } from "commander";
import { readKey } from "./key-file.ts";
import { registryOf, registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import { printableLine, say, type Terminal } from "./terminal.ts";

const help = `
Takes the thing out of this registry alone: it is not retracted, and copies elsewhere stay. The request is signed with the
key (RFC 9421), for the registry under the URL that you name: it must be the registry's public one. Registering the thing
anew with the same key brings it back.

Examples:
  npx thingstead unlist urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10 --key me.json`;

export function addUnlistCommand(program: Command, terminal: Terminal): void {
  program
    .command("unlist")
    .summary("take what you published out of a registry")
    .description("Takes a thing out of a registry, without retracting it.")
    .argument("<id>", "the id of the thing")
    .requiredOption("--key <file>", "a key of its controller, for authentication")
    .addOption(registryOption())
    .addOption(tokenOption())
    .addHelpText("after", help)
    .action((id: string, flags: RegistryFlags & { key: string }) => unlist(id, flags, terminal));
}

async function unlist(id: string, flags: RegistryFlags & { key: string }, terminal: Terminal): Promise<void> {
  const registry = registryOf(flags, terminal);
  const key = await readKey(flags.key);
  await registry.unlist(id, key);
  say(terminal, `unlisted ${printableLine(id)}, signed by ${key.controller}`);
}
