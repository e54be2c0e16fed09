import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import { createEgress } from "../base/egress.ts";
import { isJsonObject } from "../base/json.ts";
import { verifyProof } from "../identity/proof.ts";
import { createDidResolver } from "../identity/resolver.ts";
import { isTombstone } from "../things/tombstone.ts";
import { type LocalDocument, parseDocument, readDocument, titleOf } from "./documents.ts";
import { Refusal } from "./failure.ts";
import { fetchDocument } from "./registry-client.ts";
import { print, printableLine, type Terminal } from "./terminal.ts";

const help = `
Trusts no registry: the DID of the signer is resolved here (a did:web is fetched from its own domain), and the proof is
checked here. What it tells is who signed these words and when; whether you trust that signer is for you to decide.

Examples:
  npx thingstead verify agent.signed.json
  npx thingstead verify http://localhost:8080/things/urn:uuid:0f6e4c1a-6f0b-4f0d-9a57-3d2f8c1b7e10
  curl -s https://registry.example/things/urn:example:1 | npx thingstead verify -`;

export function addVerifyCommand(program: Command, terminal: Terminal): void {
  program
    .command("verify")
    .summary("check the proof on a document, trusting nobody")
    .description("Checks the proof of a document. Prints who signed it, with which key, and when.")
    .argument("<td>", "a file, - for standard input, or an http(s) URL")
    .option("--allow-private-addresses", "let did:web lead to private addresses, and over http", false)
    .addHelpText("after", help)
    .action((td: string, flags: { allowPrivateAddresses: boolean }) => verify(td, flags, terminal));
}

async function verify(td: string, flags: { allowPrivateAddresses: boolean }, terminal: Terminal): Promise<void> {
  const { json, name } = await read(td, terminal);
  if (json.proof === undefined) {
    throw new Refusal(`${name} has no proof: it is unsigned, and anyone may have written it.`);
  }
  const { allowPrivateAddresses } = flags;
  const egress = createEgress({ allowPrivateAddresses });
  try {
    const resolver = createDidResolver({ egress, clock: systemClock, allowPrivateAddresses });
    const { controller, verificationMethod } = await verifyProof(json, { resolver, clock: systemClock });
    const proof = isJsonObject(json.proof) ? json.proof : {};
    const facts: [string, unknown][] = [
      [isTombstone(json) ? "valid tombstone" : "valid", titleOf(json)],
      ["id", json.id ?? "(none)"],
      ["controller", controller],
      ["method", verificationMethod],
      ["cryptosuite", proof.cryptosuite],
      ["created", proof.created],
      ...(proof.expires === undefined ? [] : [["expires", proof.expires] as [string, unknown]]),
    ];
    for (const [label, value] of facts)
      print(terminal, `${`${label}:`.padEnd(12)} ${printableLine(String(value), 2_100)}`);
  } finally {
    await egress.close();
  }
}

async function read(td: string, terminal: Terminal): Promise<LocalDocument> {
  if (!/^https?:\/\//i.test(td)) return readDocument(td, terminal);
  const { bytes } = await fetchDocument(td);
  return parseDocument(bytes, null, td);
}
