import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { Unreachable } from "./failure.ts";
import { registryOf, registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import type { LanAnswer, RegistryClient } from "./registry-client.ts";
import { linesOfTable, print, printableLine, type Terminal } from "./terminal.ts";

interface LanFlags extends RegistryFlags {
  json?: boolean;
  watch?: boolean;
}

type Service = LanAnswer["services"][number];

const help = `
Shows the local network as the registry sees it: on which interfaces it is announced, and which things and directories it
has found there. What others say of themselves is not proven.

With --watch, on a terminal, the table is drawn anew every second until Ctrl-C.

Examples:
  npx thingstead lan
  npx thingstead lan --watch
  npx thingstead lan --registry http://192.168.1.5:8080 --json`;

/** Milliseconds between two looks while somebody watches. */
const intervalMs = 1_000;

/** Clears a terminal and goes to its first line. */
const clearScreen = "\u001b[2J\u001b[H";

const headings = ["STATE", "TYPE", "NAME", "TITLE", "ADDRESS", "THINGS"];

export function addLanCommand(program: Command, terminal: Terminal): void {
  program
    .command("lan")
    .summary("what a registry finds on the local network")
    .description("Lists the things and directories of a registry's local network.")
    .option("--watch", "go on until Ctrl-C, where standard output is a terminal")
    .option("--json", "print the registry's answer as it is")
    .addOption(registryOption())
    .addOption(tokenOption())
    .addHelpText("after", help)
    .action((flags: LanFlags) => lan(flags, terminal));
}

async function lan(flags: LanFlags, terminal: Terminal): Promise<void> {
  const registry = registryOf(flags, terminal);
  const { isTTY } = terminal.stdout as { isTTY?: boolean };
  if (flags.watch === true && flags.json !== true && isTTY === true) return watch(registry, terminal);
  const answer = await registry.lan();
  print(terminal, flags.json === true ? JSON.stringify(answer, null, 2) : describe(answer));
}

async function watch(registry: RegistryClient, terminal: Terminal): Promise<void> {
  const stopping = new AbortController();
  process.once("SIGINT", () => stopping.abort());
  while (!stopping.signal.aborted) {
    const table = await registry.lan().then(describe, (error: unknown) => {
      // It may be starting again.
      if (error instanceof Unreachable) return printableLine(error.message, 500);
      throw error;
    });
    if (stopping.signal.aborted) break;
    print(terminal, `${clearScreen}${table}`);
    await delay(intervalMs, undefined, { signal: stopping.signal }).catch(() => {});
  }
}

function describe({ enabled, reason, interfaces, announced, services }: LanAnswer): string {
  const lines = [`LAN ${enabled ? "on" : "off"}: ${printableLine(reason, 500)}`];
  for (const { name, address, announced: isAnnounced, error } of interfaces) {
    const state = isAnnounced ? "announced" : "not announced";
    const fault = error === null ? "" : `: ${printableLine(error, 500)}`;
    lines.push(`  ${printableLine(name)} ${printableLine(address ?? "(no address)")} ${state}${fault}`);
  }
  for (const { instance, type } of announced) lines.push(`  announces ${printableLine(type)} ${labelOf(instance)}`);
  if (enabled) lines.push("", ...(services.length === 0 ? ["Nothing was found yet."] : tableOf(services)));
  return lines.join("\n");
}

function tableOf(services: readonly Service[]): string[] {
  const sorted = [...services].sort((a, b) => a.type.localeCompare(b.type) || a.instance.localeCompare(b.instance));
  return linesOfTable([headings, ...sorted.map(rowOf)]);
}

function rowOf({ state, type, title, instance, address, port, ids, error }: Service): string[] {
  const [id] = ids;
  const more = ids.length > 1 ? ` and ${ids.length - 1} more` : "";
  const things = id === undefined ? "" : `${printableLine(id, 80)}${more}`;
  const fault = error === null ? "" : printableLine(error, 160);
  const place = address === null ? "" : printableLine(`${address}:${port}`, 40);
  return [
    printableLine(state),
    printableLine(type),
    labelOf(instance),
    printableLine(title ?? "", 40),
    place,
    [things, fault].filter((part) => part !== "").join(": "),
  ];
}

/** The part of a DNS-SD name that is meant for people. */
function labelOf(instance: string): string {
  return printableLine(instance.replace(/\._wot\._tcp\.local$/i, ""), 63);
}
