import type { Command } from "commander";
import { Refusal } from "./failure.ts";
import { registryOf, registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import type { CapabilitiesAnswer } from "./registry-client.ts";
import { parseLimit } from "./search.ts";
import { linesOfTable, print, printableLine, say, type Terminal } from "./terminal.ts";

interface CapabilitiesFlags extends RegistryFlags {
  related?: string;
  limit?: number;
  cursor?: string;
  json?: boolean;
}

const help = `
A capability is the name of something that a thing can do. Names that differ in case and separators only are one, and
counted together. Where no name starts with PREFIX, the nearest ones are listed.

Exit code 1 says that nothing was found.

Examples:
  npx thingstead capabilities
  npx thingstead capabilities getWea
  npx thingstead capabilities --related getWeather`;

export function addCapabilitiesCommand(program: Command, terminal: Terminal): void {
  program
    .command("capabilities")
    .summary("list what things can do")
    .description("Lists the capabilities in a registry, the most frequent first, with the number of things.")
    .argument("[prefix]", "only names that start so", "")
    .option("--related <name>", "instead: how this name is written, and which names go with it")
    .option("--limit <number>", "how many", parseLimit)
    .option("--cursor <cursor>", "the page after the one that named this cursor")
    .option("--json", "print the registry's answer as it is")
    .addOption(registryOption())
    .addOption(tokenOption())
    .addHelpText("after", help)
    .action((prefix: string, flags: CapabilitiesFlags) =>
      flags.related === undefined ? list(prefix, flags, terminal) : relate(flags.related, flags, terminal),
    );
}

async function list(prefix: string, flags: CapabilitiesFlags, terminal: Terminal): Promise<void> {
  const query = new URLSearchParams();
  if (prefix !== "") query.set("prefix", prefix);
  if (flags.limit !== undefined) query.set("limit", String(flags.limit));
  if (flags.cursor !== undefined) query.set("cursor", flags.cursor);
  const answer = await registryOf(flags, terminal).capabilities(query);
  if (flags.json === true) print(terminal, JSON.stringify(answer, null, 2));
  else if (answer.items.length > 0) {
    if (answer.nearest) say(terminal, `No name starts with ${printableLine(prefix)}. The nearest:`);
    print(terminal, tableOf(answer.items));
  }
  if (answer.items.length === 0) throw new Refusal("Nothing was found.");
  if (answer.next !== null && flags.json !== true) {
    say(terminal, `There is more: repeat this with --cursor ${printableLine(answer.next, 5_000)}`);
  }
}

async function relate(name: string, flags: CapabilitiesFlags, terminal: Terminal): Promise<void> {
  const related = await registryOf(flags, terminal).relatedCapabilities(name);
  const lists: [string, CapabilitiesAnswer["items"]][] = [
    ["Written", related.spellings],
    ["Shares words with", related.similar],
    [related.approximate ? "In the same things (about)" : "In the same things", related.together],
  ];
  if (flags.json === true) print(terminal, JSON.stringify(related, null, 2));
  else {
    const told = lists.filter(([, items]) => items.length > 0).map(([title, items]) => `\n${title}\n${tableOf(items)}`);
    print(terminal, [`${printableLine(related.capability)}: ${related.count}`, ...told].join("\n"));
  }
  if (related.count === 0 && related.similar.length === 0) throw new Refusal("Nothing was found.");
}

function tableOf(items: CapabilitiesAnswer["items"]): string {
  return linesOfTable(items.map(({ capability, count }) => [String(count), printableLine(capability)])).join("\n");
}
