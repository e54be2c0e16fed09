import { open } from "node:fs/promises";
import { type Command, Option } from "commander";
import { Problem } from "../base/problem.ts";
import { didDocumentOf } from "../identity/did-document.ts";
import { parseDid } from "../identity/did.ts";
import { didWebUrl } from "../identity/did-web.ts";
import { generateSigningKey, type KeyFile } from "../identity/keys.ts";
import { isSystemError, Refusal, UsageError } from "./failure.ts";
import { print, say, type Terminal } from "./terminal.ts";

interface KeygenFlags {
  out?: string;
  web?: string;
  algorithm: "Ed25519" | "P-256";
}

const help = `
The key file holds the secret: keep it, and keep it to yourself. Whoever has it can change and retract what it signed,
and without it nobody can. With --out, the file is readable by you only, and an existing file is left as it is.

Without --web the key is its own identity (did:key): nothing has to be published. With --web it belongs to a name on
the web (did:web), which people recognise and whose key you can replace; the DID document to publish there is printed.

Examples:
  npx thingstead keygen --out me.json
  npx thingstead keygen --web agents.example.com --out me.json > did.json
  npx thingstead keygen --web example.com:agents:billing --out billing.json > did.json`;

export function addKeygenCommand(program: Command, terminal: Terminal): void {
  program
    .command("keygen")
    .summary("make a key and the DID that goes with it")
    .description("Makes a signing key. Prints its DID (with --out), or the key itself.")
    .option("--out <file>", "write the key to this file")
    .option("--web <domain[:path]>", "make the key of did:web:DOMAIN[:PATH] instead of a did:key")
    .addOption(new Option("--algorithm <name>", "kind of key").choices(["Ed25519", "P-256"]).default("Ed25519"))
    .addHelpText("after", help)
    .action((flags: KeygenFlags) => keygen(flags, terminal));
}

async function keygen(flags: KeygenFlags, terminal: Terminal): Promise<void> {
  if (flags.web !== undefined && flags.out === undefined) {
    throw new UsageError("--web needs --out FILE: the key goes there, and the DID document to publish is printed.");
  }
  const key = makeKey(flags);
  const text = JSON.stringify(key, null, 2);
  if (flags.out === undefined) {
    print(terminal, text);
    return;
  }
  await writeSecret(flags.out, `${text}\n`);
  say(terminal, `The key is in ${flags.out}. Keep it to yourself, and keep a copy.`);
  if (flags.web === undefined) {
    print(terminal, key.controller);
    return;
  }
  print(terminal, JSON.stringify(didDocumentOf(key), null, 2));
  const url = didWebUrl(parseDid(key.controller), false);
  say(terminal, `Publish this DID document at ${url.href}. Until then nobody can verify what ${key.controller} signs.`);
}

function makeKey({ algorithm, web }: KeygenFlags): KeyFile {
  try {
    return generateSigningKey({ algorithm, ...(web === undefined ? {} : { web }) });
  } catch (error) {
    if (error instanceof Problem) throw new UsageError(`--web: ${error.message}`);
    throw error;
  }
}

/** Writes a new file that only its owner can read. Throws a Refusal if there is one of this name. */
async function writeSecret(file: string, text: string): Promise<void> {
  try {
    await using handle = await open(file, "wx", 0o600);
    await handle.writeFile(text);
    await handle.sync();
  } catch (error) {
    if (isSystemError(error) && error.code === "EEXIST") {
      throw new Refusal(`${file} exists and was left as it is: it may be a key. Name another file with --out.`);
    }
    throw error;
  }
}
