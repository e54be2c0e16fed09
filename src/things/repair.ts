import type { ThingId } from "../base/ids.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { isJsonObject } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { isUri } from "./thing-id.ts";
import { arrayOf, listOf, objectOf, stringsOf } from "./vocabulary.ts";

/** One change that was made to a description so that it is valid. */
export interface Repair {
  /** JSON Pointer of the member that was changed or added. */
  field: string;
  description: string;
}

export interface Repaired {
  td: JsonObject;
  repairs: Repair[];
  /** The original `id`, if it was not a URI: the thing can be found under it, too. */
  alias: string | null;
}

/** The name under which tools of the W3C and of LMOS define the scheme without security. */
const noSecurityName = "nosec_sc";

/** Names that LMOS tools use for a scheme without security. Any other name may mean a secret, so none is made up. */
const noSecurityNamePattern = /^no_?sec(?:_sc)?$/i;

/** What Postgres does not store, and nobody types. */
const controlPattern = /\p{Cc}/u;

/**
 * Repairs what the LMOS software writes looser than the standard: a description of type `lmos:Agent` or `lmos:Tool`
 * whose `id` is no URI, whose `@type` lacks `Thing`, or that says nothing about security. All else is left as it is,
 * faults included, and so is every description of another type. Only for unsigned documents: a signed one must stay
 * what its controller signed.
 *
 * Pure apart from `mintId`, which is called once where the `id` has to be replaced; does not change `td`. A repaired
 * description needs no further repair.
 */
export function repairDescription(td: JsonObject, options: { mintId: () => ThingId }): Repaired {
  const types = stringsOf(td["@type"]);
  if (!types.includes("lmos:Agent") && !types.includes("lmos:Tool")) return { td, repairs: [], alias: null };
  const changes: JsonObject = {};
  const repairs: Repair[] = [];
  const change = (member: string, value: JsonValue, description: string) => {
    changes[member] = value;
    repairs.push({ field: `/${member}`, description });
  };

  const alias = aliasOf(td);
  if (alias !== null) {
    const id = options.mintId();
    change("id", id, `The id was not a URI. It is now "${id}"; the thing can still be found by its original id.`);
  }
  if (!types.includes("Thing")) {
    change("@type", ["Thing", ...listOf(td["@type"])], 'The type "Thing" was missing and has been added.');
  }
  for (const [member, value] of Object.entries(missingSecurity(td))) {
    change(member, value, `No security was described, so "${member}" now says that none is needed (nosec).`);
  }
  return { td: repairs.length === 0 ? td : { ...td, ...changes }, repairs, alias };
}

/** The `id` if it is to be replaced: a text that is no URI, but can be kept and searched for. */
function aliasOf(td: JsonObject): string | null {
  const { id } = td;
  if (typeof id !== "string" || isUri(id) || id.trim() === "") return null;
  if (controlPattern.test(id) || Buffer.byteLength(id) > limits.thingIdBytesMax) return null;
  return id;
}

/** The members that are needed so that the description says "no security"; none if it says anything else already. */
function missingSecurity(td: JsonObject): JsonObject {
  const hasNames = td.security !== undefined && !isEmpty(td.security);
  const hasDefinitions = td.securityDefinitions !== undefined && !isEmpty(td.securityDefinitions);
  if (!hasNames && !hasDefinitions) {
    return { securityDefinitions: { [noSecurityName]: { scheme: "nosec" } }, security: noSecurityName };
  }
  if (!hasNames) {
    const definitions = Object.entries(objectOf(td.securityDefinitions));
    const [only] = definitions;
    const isNoSecurity = definitions.length === 1 && isJsonObject(only?.[1]) && only[1].scheme === "nosec";
    return isNoSecurity && only !== undefined ? { security: only[0] } : {};
  }
  if (!hasDefinitions) {
    const names = stringsOf(td.security);
    const isNoSecurity = names.length > 0 && names.every((name) => noSecurityNamePattern.test(name));
    const isList = typeof td.security === "string" || arrayOf(td.security).length === names.length;
    if (!isNoSecurity || !isList) return {};
    return { securityDefinitions: Object.fromEntries(names.map((name) => [name, { scheme: "nosec" }])) };
  }
  return {};
}

function isEmpty(value: JsonValue): boolean {
  return (Array.isArray(value) && value.length === 0) || (isJsonObject(value) && Object.keys(value).length === 0);
}
