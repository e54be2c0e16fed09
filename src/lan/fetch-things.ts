import type { Admission } from "../admission/admission.ts";
import { noEvidence } from "../admission/stages.ts";
import type { Clock } from "../base/clock.ts";
import { type Egress, EgressError } from "../base/egress.ts";
import { digestOf } from "../base/ids.ts";
import { isJsonObject, type JsonValue, parseJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { snippetOf } from "../base/shown-text.ts";
import { withoutRegistration } from "../things/enrich.ts";
import { type EntryReader, isExpired } from "../things/entry-store.ts";
import { thingIdOfInstance } from "./instance-name.ts";
import type { Job, Known, LocalEntry, Outcome } from "./service.ts";

export interface FetchDeps {
  egress: Egress;
  admission: Pick<Admission, "publish">;
  entries: Pick<EntryReader, "findAllOfThing">;
  clock: Clock;
  /** Aborts what is under way. */
  signal: AbortSignal;
}

type FetchJob = Extract<Job, { kind: "fetch" }>;

const accept = "application/td+json, application/ld+json;q=0.9, application/json;q=0.8";

/** Bounds of an answer that holds several descriptions; each of them is held to those of a document. */
const answerBounds = {
  bytesMax: limits.egressBytesMax,
  depthMax: limits.jsonDepthMax + 1,
  nodesMax: limits.jsonNodesMax * limits.lanDescriptionsPerServiceMax,
};

/** Characters of a reason that readers are shown. */
const reasonCharactersMax = 500;

/**
 * Fetches what a service announces, from the very address and port that were announced, and admits what Things it
 * describes; of a directory, only its own description is read. Never rejects for what the network does.
 */
export async function fetchService(job: FetchJob, deps: FetchDeps): Promise<Outcome> {
  let body: Uint8Array;
  let answer: JsonValue;
  try {
    body = await fetchBody(job, deps);
    answer = parseJson(body, answerBounds).value;
  } catch (error) {
    if (error instanceof EgressError || error instanceof Problem)
      return { kind: "failed", error: shown(error.message) };
    throw error;
  }
  if (job.target.type === "Directory") {
    if (!isJsonObject(answer)) return { kind: "failed", error: "The answer is not a Thing Description." };
    return { kind: "directory", title: titleOf(answer) };
  }
  const documents = documentsOf(job.name, answer, body);
  const digest = digestOf(documents.map(({ bytes }) => digestOf(bytes)).join());
  const current = await currentOf(job.known, deps);
  if (digest === job.known.digest && current.length === job.known.entries.length) {
    return { kind: "things", known: job.known, remaining: [], title: documents[0]?.title ?? null, error: null };
  }
  return admitAll(job.name, documents, { digest, current }, deps);
}

async function fetchBody({ target }: FetchJob, { egress, signal }: FetchDeps): Promise<Uint8Array> {
  const { url, address, port } = target;
  const timeout = AbortSignal.timeout(limits.lanFetchMsMax);
  try {
    const response = await egress.get(url, {
      accept,
      only: { address, family: 4, port },
      signal: AbortSignal.any([signal, timeout]),
    });
    if (response.status === 200) return response.body;
    throw new EgressError("bad-response", `It answers with status ${response.status}.`);
  } catch (error) {
    if (!timeout.aborted && !signal.aborted) throw error;
    throw new EgressError("timeout", `It did not answer within ${limits.lanFetchMsMax} ms.`, { cause: error });
  }
}

/** A description that is to be admitted. */
interface Announced {
  id: string;
  title: string | null;
  bytes: Uint8Array;
}

/** The descriptions in an answer: one, or several in an array, as LMOS agents that share a server have them. */
function documentsOf(name: string, answer: JsonValue, body: Uint8Array): Announced[] {
  const descriptions = Array.isArray(answer) ? answer : [answer];
  return descriptions.map((description, index) => {
    const named = withIdentity(description, index === 0 ? name : `${index}.${name}`);
    const id = isJsonObject(named) && typeof named.id === "string" ? named.id : "";
    // The bytes as they came, where that is possible: a proof is about them.
    return { id, title: titleOf(named), bytes: named === answer ? body : Buffer.from(JSON.stringify(named)) };
  });
}

/**
 * An unsigned description with an id, always the same, if it has none; and without `registration`, which is what another
 * directory says of it: here it stays as long as it is announced. A signed one must stay as it is.
 */
function withIdentity(description: JsonValue, name: string): JsonValue {
  if (!isJsonObject(description) || "proof" in description) return description;
  const named = "id" in description ? description : { ...description, id: thingIdOfInstance(name) };
  return "registration" in named ? withoutRegistration(named) : named;
}

async function admitAll(
  name: string,
  documents: readonly Announced[],
  before: { digest: string; current: readonly LocalEntry[] },
  deps: FetchDeps,
): Promise<Outcome> {
  const entries: LocalEntry[] = [];
  const refusals: string[] = [];
  const ids = new Set<string>();
  for (const { id, bytes } of documents.slice(0, limits.lanDescriptionsPerServiceMax)) {
    // Two under one id would replace each other for ever.
    if (ids.has(id)) continue;
    ids.add(id);
    try {
      const submission = { door: "lan" as const, evidence: noEvidence, bytes, target: [id], origin: name };
      const { outcome, entry } = await deps.admission.publish(submission);
      if (outcome !== "retracted") entries.push({ thingId: entry.thingId, controller: entry.controller });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refusals.push(reasonOf(error));
    }
  }
  if (documents.length > limits.lanDescriptionsPerServiceMax) {
    refusals.push(`Only the first ${limits.lanDescriptionsPerServiceMax} descriptions are taken.`);
  }
  if (documents.length === 0) refusals.push("It describes nothing.");
  return {
    kind: "things",
    known: { entries, digest: refusals.length === 0 ? before.digest : null },
    remaining: refusals.length === 0 ? [] : before.current.filter(({ thingId }) => ids.has(thingId)),
    title: documents[0]?.title ?? null,
    error: refusals[0] === undefined ? null : shown(summaryOf(refusals)),
  };
}

/** Those entries of a service that are still in the registry. */
async function currentOf(known: Known, { entries, clock }: FetchDeps): Promise<LocalEntry[]> {
  const current: LocalEntry[] = [];
  for (const entry of known.entries) {
    const rows = await entries.findAllOfThing(entry.thingId);
    const row = rows.find(({ controller }) => controller === entry.controller);
    if (row?.state === "active" && !isExpired(row, clock.now())) current.push(entry);
  }
  return current;
}

function titleOf(description: JsonValue): string | null {
  const title = isJsonObject(description) ? description.title : undefined;
  return typeof title === "string" ? snippetOf(title, limits.snippetTitleCharactersMax) : null;
}

function reasonOf({ title, message, validationErrors: [fault] = [] }: Problem): string {
  return fault === undefined ? message : `${title}: ${fault.field} ${fault.description}`;
}

function summaryOf([first = "", ...others]: readonly string[]): string {
  return others.length === 0 ? first : `${first} (And ${others.length} more refusals.)`;
}

function shown(reason: string): string {
  return snippetOf(reason, reasonCharactersMax);
}
