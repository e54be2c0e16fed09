import { SingleBar } from "cli-progress";
import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import type { SigningKey } from "../identity/keys.ts";
import { thingIdOf } from "../things/thing-id.ts";
import { isTombstone } from "../things/tombstone.ts";
import { expandDirectories, readDocument, titleOf } from "./documents.ts";
import { describeFailure, Refusal, Unreachable } from "./failure.ts";
import { readKey } from "./key-file.ts";
import { registryOf, registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import type { RegistryClient, Written } from "./registry-client.ts";
import { signNow } from "./signing.ts";
import { print, printableLine, say, type Terminal } from "./terminal.ts";

/** So many documents are worth a progress bar. */
const barDocumentsMin = 5;

const help = `
With --key, documents without a proof are signed; those that have one are sent as they are. The same id with the same
key makes a new version of the entry; nobody else's key can. A file without an id gets one written into it, so that the
next registration is a new version and not another thing.

Without --key, documents are sent as they are. Registries take unsigned ones only if their operator lets them.

Prints the URL of each entry.

Examples:
  npx thingstead register agent.td.json --key me.json
  npx thingstead register examples --key me.json
  npx thingstead register agent.signed.json --registry https://registry.example`;

export function addRegisterCommand(program: Command, terminal: Terminal): void {
  program
    .command("register")
    .summary("publish Thing Descriptions, or new versions of them")
    .description("Signs Thing Descriptions and sends them to a registry.")
    .argument("<td...>", "files, directories (their .json and .jsonld files), or - for standard input")
    .option("--key <file>", "sign with this key, made by `thingstead keygen`")
    .addOption(registryOption())
    .addOption(tokenOption())
    .addHelpText("after", help)
    .action((tds: string[], flags: RegistryFlags & { key?: string }) => register(tds, flags, terminal));
}

async function register(tds: string[], flags: RegistryFlags & { key?: string }, terminal: Terminal): Promise<void> {
  const registry = registryOf(flags, terminal);
  const key = flags.key === undefined ? null : await readKey(flags.key);
  const sources = await expandDirectories(tds);
  const refused = await registerAll(sources, key, registry, terminal);
  if (refused > 0) throw new Refusal(`${refused} of ${sources.length} documents were not registered.`);
}

/**
 * Registers each of `sources`, whatever becomes of the others, and returns how many were refused; each is told on the
 * terminal. Throws Unreachable at once, since the rest would fail alike.
 */
export async function registerAll(
  sources: readonly string[],
  key: SigningKey | null,
  registry: RegistryClient,
  terminal: Terminal,
): Promise<number> {
  const progress = startProgress(sources.length, terminal);
  let refused = 0;
  try {
    for (const source of sources) {
      try {
        progress.result((await registerOne(source, { key, registry, terminal, note: progress.note })).href);
      } catch (error) {
        if (error instanceof Unreachable) throw error;
        refused += 1;
        progress.note(`${source}: ${describeFailure(error)}`);
      }
      progress.step();
    }
  } finally {
    progress.end();
  }
  return refused;
}

async function registerOne(
  source: string,
  deps: { key: SigningKey | null; registry: RegistryClient; terminal: Terminal; note: (line: string) => void },
): Promise<Written> {
  const { key, registry, terminal, note } = deps;
  const read = await readDocument(source, terminal);
  const mediaType = isTombstone(read.json) ? "application/activity+json" : "application/td+json";

  if (key !== null && read.json.proof === undefined) {
    const { text, id } = await signNow(read, key, { now: systemClock.now(), note });
    const written = await registry.put(id, text, mediaType);
    note(`${written.created ? "registered" : "updated"} ${titleOf(read.json)}, signed by ${key.controller}`);
    return written;
  }

  const id = thingIdOf(read.json);
  const written = id === null ? await registry.post(read.text) : await registry.put(id, read.text, mediaType);
  const signed = read.json.proof === undefined ? "unsigned" : "with the proof that it had";
  note(`${written.created ? "registered" : "updated"} ${titleOf(read.json)}, ${signed}`);
  for (const { field, description } of written.repairs) note(`  ${field}: ${printableLine(description)}`);
  if (id === null) {
    note(
      `${read.name} had no id and got one. Put "id": "${written.id}" into it, or the next registration makes another entry.`,
    );
  }
  return written;
}

/** Where results and notes go while documents are on their way. */
interface Progress {
  result(text: string): void;
  note(text: string): void;
  step(): void;
  end(): void;
}

/** With a bar on the screen, lines wait until it is done: in between they would tear it. */
function startProgress(documents: number, terminal: Terminal): Progress {
  if (documents < barDocumentsMin || terminal.stderr.isTTY !== true) {
    const nothing = () => {};
    return {
      result: (text) => print(terminal, text),
      note: (text) => say(terminal, text),
      step: nothing,
      end: nothing,
    };
  }
  const waiting: (() => void)[] = [];
  const bar = new SingleBar({ stream: terminal.stderr, format: "{bar} {value} of {total}, {eta_formatted} left" });
  bar.start(documents, 0);
  return {
    result: (text) => waiting.push(() => print(terminal, text)),
    note: (text) => waiting.push(() => say(terminal, text)),
    step: () => bar.increment(),
    end() {
      bar.stop();
      for (const write of waiting) write();
    },
  };
}
