import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { BitstringStatusList } from "@digitalbazaar/vc-bitstring-status-list";
import type { Clock } from "../base/clock.ts";
import type { Egress } from "../base/egress.ts";
import type { Did } from "../base/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { fetchCredentialDocument } from "./credential-documents.ts";
import { CredentialFault } from "./credential-fault.ts";
import { earliest, verifyIssued } from "./credential-proof.ts";
import type { DidResolver } from "./resolver.ts";

export interface CredentialStatusDeps {
  resolver: DidResolver;
  egress: Egress;
  clock: Clock;
}

/** An entry of `credentialStatus` (Bitstring Status List §2.1). */
interface StatusEntry {
  purpose: Purpose;
  /** Where the list is. */
  url: string;
  index: number;
}

/** What a set bit says of a credential. Other purposes are not understood, and so not accepted. */
const purposes = { revocation: "revoked", suspension: "suspended" } as const;
type Purpose = keyof typeof purposes;

/** As many digits as an index into the longest list that is read can have. */
const indexSyntax = /^(?:0|[1-9]\d{0,7})$/;

/** Multibase in base64url, without padding. */
const encodedListSyntax = /^u[\w-]+$/;

const decompress = promisify(gunzip);

/**
 * Checks the `credentialStatus` of a credential by `issuer` (Bitstring Status List §3.2): at most
 * `limits.credentialStatusEntriesMax` entries, all of the type `BitstringStatusListEntry`, for revocation or suspension,
 * with the bit unset in a list that is a credential by the same issuer and counts now. What cannot be fetched, verified
 * or understood counts as revoked.
 *
 * Returns the first instant at which one of the lists has run out, null if none does. Throws CredentialFault. A list has
 * at most `limits.statusListBytesMax` bytes as it is sent and `limits.statusListDecodedBytesMax` when it is decompressed.
 */
export async function checkCredentialStatus(
  credential: JsonObject,
  issuer: Did,
  deps: CredentialStatusDeps,
): Promise<Date | null> {
  const entries = [credential["credentialStatus"] ?? null].flat();
  if (entries.length === 0 || entries.length > limits.credentialStatusEntriesMax) {
    const max = limits.credentialStatusEntriesMax;
    throw new CredentialFault(`"credentialStatus" has ${entries.length} entries; accepted are 1 to ${max}.`);
  }
  const ends: (Date | null)[] = [];
  // All entries are read before the first list is fetched.
  for (const entry of entries.map(readEntry)) ends.push(await checkEntry(entry, issuer, deps));
  return earliest(ends);
}

function readEntry(entry: JsonValue): StatusEntry {
  if (!isJsonObject(entry) || entry["type"] !== "BitstringStatusListEntry") {
    throw new CredentialFault('"credentialStatus" is of another type than BitstringStatusListEntry.');
  }
  const { statusPurpose: purpose, statusListCredential: url, statusListIndex: index, statusSize = 1 } = entry;
  if (purpose !== "revocation" && purpose !== "suspension") {
    throw new CredentialFault('"credentialStatus" has another "statusPurpose" than revocation or suspension.');
  }
  if (statusSize !== 1) throw new CredentialFault('"credentialStatus" has another "statusSize" than 1.');
  if (typeof url !== "string") throw new CredentialFault('"credentialStatus" has no "statusListCredential".');
  if (typeof index !== "string" || !indexSyntax.test(index)) {
    throw new CredentialFault('"credentialStatus" has a "statusListIndex" that is no index, such as "94567".');
  }
  return { purpose, url, index: Number(index) };
}

async function checkEntry(entry: StatusEntry, issuer: Did, deps: CredentialStatusDeps): Promise<Date | null> {
  const { purpose, url, index } = entry;
  const { egress } = deps;
  const document = await fetchCredentialDocument(url, { egress, bytesMax: limits.statusListBytesMax });
  let list: BitstringStatusList;
  let end: Date | null;
  try {
    if (!isJsonObject(document)) throw new CredentialFault("It is not a JSON object.");
    // Another list of the issuer's, put in the place of this one, would answer for others.
    const { id = url } = document;
    if (id !== url) throw new CredentialFault('Its "id" is another than its address.');
    end = await verifyIssued(document, issuer, deps);
    list = await readList(document, purpose);
    if (index >= list.length) throw new CredentialFault(`It ends before the index ${index}.`);
  } catch (error) {
    if (!(error instanceof CredentialFault)) throw error;
    throw new CredentialFault(`The status list ${url} is not accepted: ${error.message}`, { cause: error });
  }
  if (list.getStatus(index)) throw new CredentialFault(`The issuer has ${purposes[purpose]} the credential.`);
  return end;
}

/** The list in a verified status list credential (Bitstring Status List §2.2). */
async function readList(credential: JsonObject, purpose: Purpose): Promise<BitstringStatusList> {
  if (![credential["type"]].flat().includes("BitstringStatusListCredential")) {
    throw new CredentialFault("It is not of the type BitstringStatusListCredential.");
  }
  const subject = credential["credentialSubject"];
  if (!isJsonObject(subject) || subject["type"] !== "BitstringStatusList") {
    throw new CredentialFault('Its "credentialSubject" is not of the type BitstringStatusList.');
  }
  if (![subject["statusPurpose"]].flat().includes(purpose)) {
    throw new CredentialFault(`Its "statusPurpose" is not ${purpose}.`);
  }
  const encodedList = subject["encodedList"];
  if (typeof encodedList !== "string" || !encodedListSyntax.test(encodedList)) {
    throw new CredentialFault('Its "encodedList" is not multibase in base64url, which starts with "u".');
  }
  const bits = await decompressBits(Buffer.from(encodedList.slice(1), "base64url"));
  if (bits.length * 8 < limits.statusListEntriesMin) {
    throw new CredentialFault(`It has fewer than ${limits.statusListEntriesMin} entries.`);
  }
  // The library reads the whole memory of which a Buffer shows a part; the copy has memory of its own.
  return new BitstringStatusList({ buffer: new Uint8Array(bits) });
}

/** Decompresses here, and not in the library, which would do so without bound. */
async function decompressBits(compressed: Uint8Array): Promise<Uint8Array> {
  const max = limits.statusListDecodedBytesMax;
  try {
    return await decompress(compressed, { maxOutputLength: max });
  } catch (cause) {
    throw new CredentialFault(`Its "encodedList" is not GZIP, or has more than ${max} bytes when decompressed.`, {
      cause,
    });
  }
}
