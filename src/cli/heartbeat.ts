import { type Command, InvalidArgumentError } from "commander";
import { limits } from "../base/limits.ts";
import { readKey } from "./key-file.ts";
import { registryOf, registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import { print, printableLine, say, type Terminal } from "./terminal.ts";

const help = `
Signs the request with the key (RFC 9421), for the registry under the URL that you name: it must be the registry's public
one. The entry is listed for its ttl from now on, also if that had run out; --ttl sets another one. Call it, say, every
half ttl.

Examples:
  npx thingstead heartbeat urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10 --key me.json
  npx thingstead heartbeat urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10 --key me.json --ttl 3600`;

interface HeartbeatFlags extends RegistryFlags {
  key: string;
  ttl?: number;
}

export function addHeartbeatCommand(program: Command, terminal: Terminal): void {
  program
    .command("heartbeat")
    .summary("renew the registration of what you published")
    .description("Renews the registration of a thing. Prints until when it is listed.")
    .argument("<id>", "the id of the thing")
    .requiredOption("--key <file>", "a key of its controller, for authentication")
    .option("--ttl <seconds>", "how long it is to be listed (default: as long as before)", parseTtl)
    .addOption(registryOption())
    .addOption(tokenOption())
    .addHelpText("after", help)
    .action((id: string, flags: HeartbeatFlags) => heartbeat(id, flags, terminal));
}

async function heartbeat(id: string, flags: HeartbeatFlags, terminal: Terminal): Promise<void> {
  const registry = registryOf(flags, terminal);
  const key = await readKey(flags.key);
  const { expires } = await registry.renew(id, flags.ttl ?? null, key);
  say(terminal, `renewed ${printableLine(id)}, signed by ${key.controller}`);
  print(terminal, printableLine(expires));
}

function parseTtl(text: string): number {
  const ttl = Number(text);
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > limits.registrationTtlSecondsMax) {
    throw new InvalidArgumentError(`Expected whole seconds from 1 to ${limits.registrationTtlSecondsMax}.`);
  }
  return ttl;
}
