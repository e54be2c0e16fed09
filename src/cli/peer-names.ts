import { Refusal } from "./failure.ts";
import type { PeerFacts } from "./registry-client.ts";
import { printableLine } from "./terminal.ts";

type Named = Pick<PeerFacts, "id" | "actor" | "origin" | "handle">;

/** How people call a peer: by its handle, or the URL of its actor. */
export function peerLabel({ handle, actor }: Named): string {
  return printableLine(handle === null ? actor : `@${handle.replace(/^@/, "")}`);
}

/**
 * The one of `peers` that `name` means: an id, the URL of an actor or its origin, or a handle, with or without the first
 * `@`. Throws a Refusal where it means none, or several.
 */
export function findPeer<Peer extends Named>(name: string, peers: readonly Peer[]): Peer {
  const found = peers.filter((peer) => isNamed(peer, name.trim()));
  const [first] = found;
  if (first === undefined) {
    throw new Refusal(`There is no peer ${printableLine(name)}. \`npx thingstead peers list\` shows them.`);
  }
  if (found.length > 1) {
    const lines = found.map((peer) => `  ${peer.id}  ${printableLine(peer.actor)}`);
    throw new Refusal(`${printableLine(name)} can mean several peers. Name one by its id:\n${lines.join("\n")}`);
  }
  return first;
}

function isNamed({ id, actor, origin, handle }: Named, name: string): boolean {
  if (name.toLowerCase() === id.toLowerCase()) return true;
  if (handle !== null && name.replace(/^@/, "").toLowerCase() === handle.replace(/^@/, "").toLowerCase()) return true;
  const url = URL.parse(name);
  if (url === null || !/^https?:$/.test(url.protocol)) return false;
  const isOrigin = url.pathname === "/" && url.search === "" && url.hash === "";
  return url.href === URL.parse(actor)?.href || (isOrigin && url.origin === origin);
}
