import { type Admission, type AdmissionDeps, createAdmission } from "../../src/admission/admission.ts";
import { noEvidence, type Receipt, type Submission } from "../../src/admission/stages.ts";
import type { EntryKey } from "../../src/base/ids.ts";
import { digestOf, entryKeyOf, type ThingId } from "../../src/base/ids.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Database } from "../../src/db/client.ts";
import { peers } from "../../src/db/schema/index.ts";
import { createDidResolver } from "../../src/identity/resolver.ts";
import type { Listing } from "../../src/things/listing-store.ts";
import type { SignedTd } from "./descriptions.ts";
import { refusingEgress } from "./egress.ts";

/** Who this registry is in tests that have no HTTP server. */
export const ownOrigin = "https://registry.example";

/** Admission to a database, without a door; documents must be signed by a did:key. */
export function admissionTo(db: Database, deps: Partial<AdmissionDeps> = {}): Admission {
  const clock = deps.clock ?? systemClock;
  return createAdmission({
    db,
    clock,
    resolver: createDidResolver({ egress: refusingEgress, clock, allowPrivateAddresses: true }),
    mode: "signed",
    origin: () => ownOrigin,
    onAppend() {},
    onAdmission() {},
    ...deps,
  });
}

/** What a door hands on. */
export function submissionOf(
  document: Pick<SignedTd, "id" | "text">,
  door: Submission["door"] = "http",
  origin: string | null = null,
): Omit<Submission, "knownAs"> {
  return { door, evidence: noEvidence, bytes: Buffer.from(document.text), target: [document.id], origin };
}

/** A registry that this one follows. */
export interface TestPeer {
  id: string;
  origin: string;
}

/** Adds a followed peer. */
export async function addPeer(
  db: Database,
  origin: string,
  change: Partial<typeof peers.$inferInsert> = {},
): Promise<TestPeer> {
  const [peer] = await db.orm
    .insert(peers)
    .values({
      origin,
      actor: `${origin}/actor`,
      inbox: `${origin}/inbox`,
      following: "accepted",
      created: new Date(),
      ...change,
    })
    .returning({ id: peers.id });
  if (peer === undefined) throw new Error("a peer was inserted");
  return { id: peer.id, origin };
}

/** The key of the entry that a signed document is of. */
export function keyOf({ id, key }: Pick<SignedTd, "id" | "key">): EntryKey {
  return entryKeyOf(key.controller, id as ThingId);
}

/** A peer's listing of a document. */
export function listingOf(peer: TestPeer, document: SignedTd, change: Partial<Listing> = {}): Listing {
  const key = keyOf(document);
  return {
    key,
    digest: digestOf(document.text),
    objectId: `${peer.origin}/entries/${key}`,
    path: [peer.origin],
    refused: null,
    ...change,
  };
}

/** Takes a document in from a peer that lists it. */
export async function receive(admission: Admission, peer: TestPeer, document: SignedTd): Promise<Receipt> {
  const receipt = await admission.publish(submissionOf(document, "inbox", peer.origin));
  await admission.list(peer.id, [listingOf(peer, document)]);
  return receipt;
}
