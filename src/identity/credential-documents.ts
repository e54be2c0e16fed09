import { type Egress, EgressError, type EgressResponse } from "../base/egress.ts";
import { type JsonValue, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { CredentialFault } from "./credential-fault.ts";

/** What credentials and presentations are served as (VC Data Model 2.0 §C.1), and what they were served as before. */
const accept = "application/vc, application/vp, application/ld+json, application/json";

/**
 * A JSON document that a credential or a DID document leads to: strict I-JSON of at most `bytesMax` bytes, in the depth
 * and number of values that any document may have. Throws CredentialFault for what cannot be had.
 */
export async function fetchCredentialDocument(
  url: string,
  deps: { egress: Egress; bytesMax: number },
): Promise<JsonValue> {
  const { status, body } = await fetchAnswer(url, deps.egress);
  if (status !== 200) throw new CredentialFault(`${url} answered with status ${status}.`);
  try {
    const bounds = { bytesMax: deps.bytesMax, depthMax: limits.jsonDepthMax, nodesMax: limits.jsonNodesMax };
    return parseJson(body, bounds).value;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new CredentialFault(`What ${url} answers cannot be read: ${error.message}`, { cause: error });
  }
}

async function fetchAnswer(url: string, egress: Egress): Promise<EgressResponse> {
  try {
    return await egress.get(url, { accept });
  } catch (error) {
    if (!(error instanceof EgressError) && !(error instanceof Problem)) throw error;
    throw new CredentialFault(`${url} could not be fetched: ${error.message}`, { cause: error });
  }
}
