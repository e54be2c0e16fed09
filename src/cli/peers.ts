import type { Command } from "commander";
import { describeFailure, Refusal, Unreachable } from "./failure.ts";
import { collect, registryOf, registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import { findPeer, peerLabel } from "./peer-names.ts";
import type { PeerAct, PeerFacts, PeerVerification, RegistryClient } from "./registry-client.ts";
import { linesOfTable, print, printableLine, say, type Terminal } from "./terminal.ts";

interface FollowFlags extends RegistryFlags {
  capability?: string[];
  type?: string[];
  lang?: string[];
}

const help = `
Registries follow each other: what one lists, its followers find as well. TARGET is the URL of a registry, or its handle.
PEER is the id of a peer, its URL, or its handle, as \`peers list\` shows them.

For operators: each of these needs a token of the scope admin, such as the registry's own ADMIN_TOKEN.

Examples:
  npx thingstead peers list
  npx thingstead peers follow https://registry.example
  npx thingstead peers follow @registry@registry.example --capability getWeather --lang de
  npx thingstead peers verify`;

const headings = ["PEER", "FOLLOWS US", "WE FOLLOW", "ENTRIES", "HEARD", "ID"];

/** What is done to one peer, and how to call it afterwards. */
const acts: { act: PeerAct; description: string; done: string }[] = [
  { act: "unfollow", description: "Stops following. What came from it alone is listed no more.", done: "unfollowed" },
  { act: "accept", description: "Lets it follow this registry.", done: "accepted" },
  { act: "reject", description: "Does not let it follow this registry, or not any more.", done: "rejected" },
  { act: "block", description: "Takes nothing more from it, and hides what came from it, at once.", done: "blocked" },
  { act: "unblock", description: "Undoes a block.", done: "unblocked" },
];

export function addPeersCommand(program: Command, terminal: Terminal): void {
  const peers = program
    .command("peers")
    .summary("follow other registries, and decide who follows")
    .description("Manages the peers of a registry.")
    .addHelpText("after", help);

  peers
    .command("list")
    .description("Lists who follows the registry and whom it follows.")
    .option("--json", "print the registry's answer as it is")
    .addOption(registryOption())
    .addOption(tokenOption())
    .action((flags: RegistryFlags & { json?: boolean }) => list(flags, terminal));

  peers
    .command("follow")
    .description("Follows a registry: all of its entries, or those with any of the terms that are named.")
    .argument("<target>", "its URL or handle")
    .option("--capability <name>", "only what can do this (repeatable)", collect)
    .option("--type <type>", "only what is of this @type (repeatable)", collect)
    .option("--lang <tag>", "only what is described in this language (repeatable)", collect)
    .addOption(registryOption())
    .addOption(tokenOption())
    .action((target: string, flags: FollowFlags) => follow(target, flags, terminal));

  for (const { act, description, done } of acts) {
    peers
      .command(act)
      .description(description)
      .argument("<peer>", "its id, URL or handle")
      .addOption(registryOption())
      .addOption(tokenOption())
      .action((name: string, flags: RegistryFlags) => change(name, act, done, flags, terminal));
  }

  peers
    .command("verify")
    .description("Compares what is known of a peer's list with the list, and mends what differs.")
    .argument("[peer]", "its id, URL or handle (default: all that are followed)")
    .addOption(registryOption())
    .addOption(tokenOption())
    .action((name: string | undefined, flags: RegistryFlags) => verify(name, flags, terminal));
}

async function list(flags: RegistryFlags & { json?: boolean }, terminal: Terminal): Promise<void> {
  const peers = await registryOf(flags, terminal).listPeers();
  if (flags.json === true) print(terminal, JSON.stringify({ peers }, null, 2));
  else if (peers.length === 0)
    say(terminal, "There are no peers yet: `npx thingstead peers follow URL` makes the first.");
  else {
    print(terminal, linesOfTable([headings, ...peers.map(rowOf)]).join("\n"));
    for (const line of peers.flatMap(troublesOf)) say(terminal, line);
  }
}

async function follow(target: string, flags: FollowFlags, terminal: Terminal): Promise<void> {
  const { capability = [], type = [], lang = [] } = flags;
  const isFiltered = [capability, type, lang].some((terms) => terms.length > 0);
  const peer = await registryOf(flags, terminal).followPeer(target, isFiltered ? { capability, type, lang } : null);
  const waiting = peer.following.state === "requested" ? ", which has to accept it" : "";
  say(terminal, `following ${peerLabel(peer)}${waiting}`);
  print(terminal, printableLine(peer.id));
}

async function change(
  name: string,
  act: PeerAct,
  done: string,
  flags: RegistryFlags,
  terminal: Terminal,
): Promise<void> {
  const registry = registryOf(flags, terminal);
  const { id } = findPeer(name, await registry.listPeers());
  say(terminal, `${done} ${peerLabel(await registry.changePeer(id, act))}`);
}

async function verify(name: string | undefined, flags: RegistryFlags, terminal: Terminal): Promise<void> {
  const registry = registryOf(flags, terminal);
  const peers = await registry.listPeers();
  const chosen =
    name === undefined ? peers.filter(({ following }) => following.state === "accepted") : [findPeer(name, peers)];
  if (chosen.length === 0) throw new Refusal("The registry follows nobody.");
  let failed = 0;
  for (const peer of chosen) if (!(await verifyOne(peer, registry, terminal))) failed += 1;
  if (failed > 0) throw new Refusal(`${failed} of ${chosen.length} lists could not be made equal.`);
}

/** Whether the lists are equal now. */
async function verifyOne(peer: PeerFacts, registry: RegistryClient, terminal: Terminal): Promise<boolean> {
  try {
    const report = await registry.verifyPeer(peer.id);
    print(terminal, `${peerLabel(peer)}: ${describe(report)}`);
    return report.equal;
  } catch (error) {
    if (!(error instanceof Refusal) || error instanceof Unreachable) throw error;
    say(terminal, `${peerLabel(peer)}: ${describeFailure(error)}`);
    return false;
  }
}

function describe({ requests, fetched, refused, withdrawn, equal }: PeerVerification): string {
  const difference = fetched + withdrawn === 0 ? "nothing to mend" : `${fetched} fetched, ${withdrawn} withdrawn`;
  const refusals = refused === 0 ? "" : `, ${refused} refused`;
  const asked = requests === 1 ? "1 request" : `${requests} requests`;
  return `${equal ? "equal" : "not equal yet"}; ${difference}${refusals}, ${asked}`;
}

function rowOf(peer: PeerFacts): string[] {
  const { follower, following } = peer;
  const lag = follower.lag === null || follower.lag === 0 ? "" : `, ${follower.lag} behind`;
  const heard = peer.lastHeard ?? "never";
  return [
    peerLabel(peer) + (peer.blocked ? " (blocked)" : ""),
    printableLine(`${follower.state}${lag}`),
    printableLine(following.state),
    String(following.entries),
    printableLine(`${heard}${peer.stale ? " (stale)" : ""}`),
    printableLine(peer.id),
  ];
}

/** What an operator should know beside the table. */
function troublesOf(peer: PeerFacts): string[] {
  const { follower, following } = peer;
  const told =
    follower.failures === 0 ? "" : `${follower.failures} deliveries in a row failed: ${follower.lastError ?? ""}`;
  const read = following.lastError === null ? "" : `its list cannot be read: ${following.lastError}`;
  const refused = following.refused === 0 ? "" : `${following.refused} of its entries are refused here`;
  const held = following.held === 0 ? "" : `${following.held} documents of it wait to be decided on`;
  return [told, read, refused, held]
    .filter((trouble) => trouble !== "")
    .map((trouble) => `${peerLabel(peer)}: ${printableLine(trouble, 300)}`);
}
