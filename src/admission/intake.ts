import { digestOf, newUuidUrn, type ThingId } from "../base/ids.ts";
import { isJsonObject, type JsonObject, parseJson } from "../base/json.ts";
import { Problem } from "../base/problem.ts";
import { parseThingId, thingIdOf, validateDescription } from "../things/description.ts";
import { registrationRequestOf } from "../things/enrich.ts";
import { type Repaired, repairDescription } from "../things/repair.ts";
import { isTombstone, validateTombstone } from "../things/tombstone.ts";
import type { Candidate, Draft, Submission } from "./stages.ts";

/** Reads the bytes as strict JSON. Throws `invalid-json` or `document-too-large`. */
export function parse(submission: Submission): Draft {
  const { text, value } = parseJson(submission.bytes);
  if (!isJsonObject(value)) {
    throw new Problem("invalid-thing-description", "The document must be a JSON object.", {
      validationErrors: [{ field: "", description: "must be a JSON object" }],
    });
  }
  return { stage: "draft", submission, text, json: value };
}

/**
 * Checks the document against the rules of its kind. Unsigned descriptions are repaired where real LMOS software is
 * known to be looser than the standard; a signed document is taken as it is or refused. Throws
 * `invalid-thing-description`, `invalid-tombstone` or `id-mismatch`, whose `validationErrors` name the fields.
 */
export function validate(draft: Draft): Candidate {
  return isTombstone(draft.json) ? validateAsTombstone(draft) : validateAsDescription(draft);
}

function validateAsTombstone(draft: Draft): Candidate {
  const validationErrors = validateTombstone(draft.json);
  if (validationErrors.length > 0) {
    throw new Problem("invalid-tombstone", "The Tombstone does not have the required form.", { validationErrors });
  }
  return {
    ...verbatim(draft),
    kind: "tombstone",
    signed: "proof" in draft.json,
    thingId: targetedId(draft, parseThingId(String(draft.json.id))),
  };
}

function validateAsDescription(draft: Draft): Candidate {
  const signed = "proof" in draft.json;
  const repaired = signed ? { td: draft.json, repairs: [], alias: null } : repairForTarget(draft);
  const validationErrors = validateDescription(repaired.td);
  if (validationErrors.length > 0) {
    throw new Problem("invalid-thing-description", describe(validationErrors.length), { validationErrors });
  }
  const requested = registrationRequestOf(repaired.td);

  const id = thingIdOf(repaired.td);
  if (id === null && (signed || draft.submission.target !== null)) {
    throw new Problem(
      "invalid-thing-description",
      signed
        ? "A signed description needs an id: the registry cannot add one without breaking the proof."
        : "A description that is PUT needs the id that the path names. (POST to /things registers one without an id.)",
      { validationErrors: [{ field: "/id", description: "must be present" }] },
    );
  }
  if (id !== null && draft.submission.target === null && repaired.alias === null) {
    throw new Problem(
      "invalid-thing-description",
      `A description with an id is registered by PUT /things/${encodeURIComponent(id)}; POST is for those without one.`,
      { validationErrors: [{ field: "/id", description: "must be absent in a POST" }] },
    );
  }
  if (id === null) {
    const minted = newUuidUrn();
    const td = { ...repaired.td, id: minted };
    return { ...rewritten(draft, td, repaired), kind: "description", signed, thingId: minted, requested, minted: true };
  }
  const thingId = repaired.alias === null ? targetedId(draft, parseThingId(id)) : parseThingId(id);
  return repaired.repairs.length === 0
    ? { ...verbatim(draft), kind: "description", signed, thingId, requested }
    : { ...rewritten(draft, repaired.td, repaired), kind: "description", signed, thingId, requested };
}

/** Repairs an unsigned description, once it is sure that its own id, even a broken one, is what the path named. */
function repairForTarget(draft: Draft): Repaired {
  const { knownAs } = draft.submission;
  const repaired = repairDescription(draft.json, { mintId: () => knownAs ?? newUuidUrn() });
  if (repaired.alias !== null) targetedId(draft, repaired.alias as ThingId);
  return repaired;
}

/** `id`, if the path named it. */
function targetedId(draft: Draft, id: ThingId): ThingId {
  const { target } = draft.submission;
  if (target !== null && !target.includes(id)) {
    throw new Problem(
      "id-mismatch",
      `The path names ${target[0]}, the document's id is ${id}. They must be the same.`,
      {
        validationErrors: [{ field: "/id", description: `must be ${target[0]}, as in the path` }],
      },
    );
  }
  return id;
}

function verbatim(draft: Draft): Omit<Candidate, "kind" | "signed" | "thingId"> {
  return {
    stage: "candidate",
    submission: draft.submission,
    document: draft.text,
    digest: digestOf(draft.text),
    json: draft.json,
    repairs: [],
    alias: null,
    requested: { ttlSeconds: null, expires: null },
    minted: false,
  };
}

function rewritten(draft: Draft, td: JsonObject, repaired: Repaired): Omit<Candidate, "kind" | "signed" | "thingId"> {
  const document = JSON.stringify(td);
  return {
    ...verbatim(draft),
    document,
    digest: digestOf(document),
    json: td,
    repairs: repaired.repairs,
    alias: repaired.alias,
  };
}

function describe(count: number): string {
  return count === 1
    ? "The description breaks a rule; validationErrors says which, and where."
    : `The description breaks ${count} rules; validationErrors says which, and where.`;
}
