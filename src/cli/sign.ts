import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import { readDocument } from "./documents.ts";
import { readKey } from "./key-file.ts";
import { signNow } from "./signing.ts";
import { say, type Terminal } from "./terminal.ts";

const help = `
The proof says that you wrote this, at this time: a W3C Data Integrity proof over the canonical JSON (JCS). Changing
anything afterwards breaks it; whitespace and the order of members do not matter. A proof that the document has already
is replaced. A document without an id gets one, in its file too.

Examples:
  npx thingstead sign agent.td.json --key me.json --out agent.signed.json
  npx thingstead sign - --key me.json < agent.td.json > agent.signed.json`;

export function addSignCommand(program: Command, terminal: Terminal): void {
  program
    .command("sign")
    .summary("put a proof on a Thing Description")
    .description("Checks a Thing Description and signs it. Prints the signed document.")
    .argument("<td>", "the file with the Thing Description, or - for standard input")
    .requiredOption("--key <file>", "the key, made by `thingstead keygen`")
    .option("--out <file>", "write the signed document to this file instead of printing it")
    .addHelpText("after", help)
    .action((td: string, flags: { key: string; out?: string }) => sign(td, flags, terminal));
}

async function sign(td: string, flags: { key: string; out?: string }, terminal: Terminal): Promise<void> {
  const key = await readKey(flags.key);
  const document = await readDocument(td, terminal);
  const note = (line: string) => say(terminal, line);
  const { text } = await signNow(document, key, { now: systemClock.now(), note });
  if (document.json.proof !== undefined) note(`${document.name} had a proof, which was replaced.`);
  if (flags.out === undefined) {
    terminal.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
  } else {
    await writeFile(flags.out, text);
    say(terminal, `The signed document is in ${flags.out}.`);
  }
}
