import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import type { JsonObject } from "../base/json.ts";
import { signDocument } from "../identity/sign.ts";
import { parseThingId, thingIdOf } from "../things/thing-id.ts";
import { tombstoneOf } from "../things/tombstone.ts";
import { parseDocument, titleOf } from "./documents.ts";
import { Refusal } from "./failure.ts";
import { readKey } from "./key-file.ts";
import { registryOf, registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import { print, say, type Terminal } from "./terminal.ts";

const help = `
Signs a Tombstone, which is the last version of the entry: its URL then answers 410 Gone with the Tombstone, and older
versions are refused for good. To publish the thing again after all, register it anew with the same key.

Examples:
  npx thingstead retract urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10 --key me.json`;

export function addRetractCommand(program: Command, terminal: Terminal): void {
  program
    .command("retract")
    .summary("take back what you published")
    .description("Retracts a thing that the key has signed. Prints the URL of its Tombstone.")
    .argument("<id>", "the id of the thing")
    .requiredOption("--key <file>", "the key that signed it")
    .addOption(registryOption())
    .addOption(tokenOption())
    .addHelpText("after", help)
    .action((id: string, flags: RegistryFlags & { key: string }) => retract(id, flags, terminal));
}

async function retract(id: string, flags: RegistryFlags & { key: string }, terminal: Terminal): Promise<void> {
  const registry = registryOf(flags, terminal);
  const key = await readKey(flags.key);
  const found = await registry.find(id);
  if (found === null) throw new Refusal(`There is no entry ${id} in this registry.`);
  if (found.gone) throw new Refusal(`${id} has been retracted already.`);
  const { json } = parseDocument(found.bytes, null, id);
  if (json.proof === undefined) {
    throw new Refusal(
      `${id} is unsigned, so there is no proof to take back. DELETE it, with the registry's token if it asks for one.`,
    );
  }

  const thingId = parseThingId(thingIdOf(json) ?? id);
  const tombstone = signDocument(tombstoneOf(thingId, formerTypeOf(json), systemClock.now()), key, {
    created: systemClock.now(),
  });
  const text = `${JSON.stringify(tombstone, null, 2)}\n`;
  const { href } = await registry.put(thingId, text, "application/activity+json");
  say(terminal, `retracted ${titleOf(json)}, signed by ${key.controller}`);
  print(terminal, href);
}

/** A Tombstone must name a former type; a description need not have one, but is of a Thing. */
function formerTypeOf(td: JsonObject): string[] {
  const types = [td["@type"] ?? []].flat().filter((type) => typeof type === "string");
  return types.length === 0 ? ["Thing"] : types;
}
