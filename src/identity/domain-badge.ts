import { canonicalize } from "../base/canonical.ts";
import { type Egress, EgressError } from "../base/egress.ts";
import type { Did } from "../base/ids.ts";
import { type JsonObject, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { methodOf } from "./did.ts";
import type { DidDocument } from "./did-document.ts";

/** Whether a badge is held, and why (not). */
export interface BadgeFinding {
  held: boolean;
  explanation: string;
  /** What stands in the way may pass by itself. */
  passing: boolean;
}

/**
 * The host that a did:web or did:webvh names, in lower case and without its port; null for other methods (did:web
 * method, "Read"; did:webvh v1.0, "The DID to HTTPS Transformation").
 */
export function hostOfDid(did: Did): string | null {
  const method = methodOf(did);
  if (method !== "web" && method !== "webvh") return null;
  const authority = did.split(":")[method === "web" ? 2 : 3] ?? "";
  return authority.replace(/%3A\d+$/i, "").toLowerCase();
}

/**
 * The badge `domain`: who signed the description also runs what it leads to. The host of the DID is that of every form
 * (or a domain above it), and a `WotThing` service of the DID document (WoT Discovery §6.4) serves this very description.
 *
 * @param hosts the hosts of the description's forms, as `formHostsOf` gives them.
 */
export async function checkDomain(
  { did, document, hosts, td }: { did: Did; document: DidDocument; hosts: readonly string[]; td: JsonObject },
  { egress }: { egress: Egress },
): Promise<BadgeFinding> {
  const host = hostOfDid(did);
  if (host === null) return refused("The DID names no domain.");
  const foreign = hosts.find((one) => one !== host && !one.endsWith(`.${host}`));
  if (hosts.length === 0) return refused(`No form leads to ${host}.`);
  if (foreign !== undefined) return refused(`A form leads to "${foreign}", which is not of ${host}.`);

  const endpoints = endpointsOf(document);
  if (endpoints.length === 0) {
    return refused(`The DID document of ${did} has no WotThing service that could serve the description.`);
  }
  const wanted = canonicalize(td);
  let passing = false;
  let reason = "no WotThing service serves this very description";
  for (const endpoint of endpoints) {
    try {
      const { status, body } = await egress.get(endpoint, { accept: "application/td+json, application/json;q=0.9" });
      if (status === 200 && canonicalize(parseJson(body).value) === wanted) {
        return {
          held: true,
          explanation: `All forms lead to ${host}, the domain of the DID, and ${endpoint} serves this very description.`,
          passing: false,
        };
      }
      if (status >= 500 || status === 429) passing = true;
    } catch (error) {
      // What a stranger's server sends is a finding, whatever it is.
      if (!(error instanceof Problem || error instanceof EgressError)) throw error;
      if (error instanceof EgressError && ["unreachable", "timeout"].includes(error.kind)) passing = true;
      reason = `${endpoint} cannot be used: ${error.message.replace(/\.$/, "")}`;
    }
  }
  return { ...refused(`${sentence(reason)}.`), passing };
}

/** Where the DID document says that its things' descriptions are, at most `limits.didServicesMax`. */
function endpointsOf(document: DidDocument): string[] {
  return (document.service ?? [])
    .filter(({ type }) => [type].flat().includes("WotThing"))
    .flatMap(({ serviceEndpoint }) => [serviceEndpoint].flat())
    .filter((endpoint) => typeof endpoint === "string")
    .slice(0, limits.didServicesMax);
}

function refused(explanation: string): BadgeFinding {
  return { held: false, explanation, passing: false };
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
