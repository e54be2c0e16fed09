import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { signAs } from "../../test/fixtures/tampering.ts";
import { type CredentialHost, startCredentialHost } from "../../test/support/credential-host.ts";
import { type CredentialIssuer, credentialOf, newIssuer, signedAt } from "../../test/support/credential-issuer.ts";
import { type DidWebHost, startDidWebHost } from "../../test/support/did-web-host.ts";
import { createEgress, type Egress } from "../base/egress.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { checkCredential, type CredentialFinding, credentialsInDescription } from "./credentials.ts";
import { parseDid } from "./did.ts";
import type { Algorithm } from "./multikey.ts";
import { createDidResolver, type DidResolver } from "./resolver.ts";

const controller = parseDid("did:web:agents.example:billing");
const thingId = "urn:uuid:7d1c7bd6-5d0c-4ce1-9f0c-0a9a0e3cbb7e";

let now = new Date("2026-11-21T09:00:00Z");
const clock = { now: (): Date => now };

let web: DidWebHost;
let host: CredentialHost;
let egress: Egress;
let resolver: DidResolver;
let issuer: CredentialIssuer;
let stranger: CredentialIssuer;

beforeAll(async () => {
  web = await startDidWebHost();
  host = await startCredentialHost();
  egress = createEgress({ allowPrivateAddresses: true, msMax: 2_000 });
  issuer = await newIssuer();
  stranger = await newIssuer();
});
afterAll(async () => {
  await egress.close();
  await host[Symbol.asyncDispose]();
  await web[Symbol.asyncDispose]();
});
beforeEach(() => {
  now = new Date("2026-11-21T09:00:00Z");
  resolver = createDidResolver({ egress, clock, allowPrivateAddresses: true });
});

interface Case {
  trusted?: readonly string[];
  thing?: string;
}

function check(
  credential: JsonObject,
  { trusted = [issuer.did], thing = thingId }: Case = {},
): Promise<CredentialFinding> {
  const context = { controller, thingId: thing, trustedIssuers: trusted };
  return checkCredential(credential, "entry", context, { resolver, egress, clock });
}

/** A finding that is not accepted, for a reason that has `reason` in it. */
function refused(reason: string): object {
  return expect.objectContaining({ accepted: false, validUntil: null, reason: expect.stringContaining(reason) });
}

const issued = (members: JsonObject = {}): Promise<JsonObject> =>
  issuer.issue(credentialOf(issuer.did, controller, members));

/** Signed, though `@digitalbazaar/vc` would not issue it. */
const signed = (members: JsonObject): Promise<JsonObject> => issuer.sign(credentialOf(issuer.did, controller, members));

describe("a credential counts", () => {
  test("if a trusted did:key issued it for the controller", async () => {
    expect(await check(await issued())).toEqual({
      issuer: issuer.did,
      id: "urn:uuid:1f2bb6a8-6f0c-4e1a-9d57-0f8f9d0b7c11",
      types: ["VerifiableCredential", "CertifiedAgentCredential"],
      source: "entry",
      accepted: true,
      reason: `${issuer.did}, whom this registry trusts, has issued it for ${controller}.`,
      validUntil: new Date("2027-01-01T00:00:00Z"),
    });
  });

  test.each<Algorithm>(["Ed25519", "P-256", "P-384"])("if a trusted did:web issued it with %s", async (algorithm) => {
    const ofWeb = await newIssuer({ algorithm, did: web.did(`issuers:${algorithm}`) });
    web.host(`issuers:${algorithm}`, ofWeb.document);
    const credential = await ofWeb.issue(credentialOf(ofWeb.did, controller));
    expect(await check(credential, { trusted: [issuer.did, ofWeb.did] })).toMatchObject({ accepted: true });
  });

  test("in the data model 1.1, too", async () => {
    const { validFrom: _from, validUntil: _until, ...rest } = credentialOf(issuer.did, controller);
    const credential = {
      ...rest,
      "@context": ["https://www.w3.org/2018/credentials/v1"],
      issuanceDate: "2026-01-01T00:00:00Z",
      expirationDate: "2026-12-01T00:00:00Z",
    };
    expect(await check(await issuer.issue(credential))).toMatchObject({
      accepted: true,
      validUntil: new Date("2026-12-01T00:00:00Z"),
    });
  });

  test("if the issuer is an object, the subject a list of one, or the end open", async () => {
    const credential = credentialOf(issuer.did, controller, {
      issuer: { id: issuer.did, name: "Example Certifiers" },
      credentialSubject: [{ id: controller, certifiedFor: "billing" }],
    });
    delete credential["validUntil"];
    expect(await check(await issuer.issue(credential))).toMatchObject({
      accepted: true,
      issuer: issuer.did,
      validUntil: null,
    });
  });

  test("until its proof expires, if that is earlier", async () => {
    const proof = { ...assertion(issuer), expires: "2026-11-22T00:00:00Z" };
    const credential = signAs(credentialOf(issuer.did, controller), proof, issuer.key);
    expect(await check(credential)).toMatchObject({ accepted: true, validUntil: new Date("2026-11-22T00:00:00Z") });
    now = new Date("2026-11-22T00:00:00Z");
    expect(await check(credential)).toEqual(refused('"expires" has passed'));
  });
});

describe("the issuer", () => {
  test("who is not trusted is found out before anything is fetched", async () => {
    const ofWeb = await newIssuer({ did: web.did("untrusted") });
    web.host("untrusted", ofWeb.document);
    const credentialStatus = {
      type: "BitstringStatusListEntry",
      statusPurpose: "revocation",
      statusListIndex: "1",
      statusListCredential: host.url("/lists/untrusted"),
    };
    const credential = await ofWeb.issue(credentialOf(ofWeb.did, controller, { credentialStatus }));
    const before = [web.requests.length, host.requests.length];
    expect(await check(credential)).toEqual(refused("is not among those whom this registry trusts"));
    expect(await check(credential, { trusted: [] })).toEqual(refused("is not among those"));
    expect([web.requests.length, host.requests.length]).toEqual(before);
    expect(await check(credential, { trusted: [ofWeb.did] })).toEqual(refused("/lists/untrusted answered with status"));
  });

  test("is compared as a whole DID", async () => {
    const credential = await issued();
    for (const near of [issuer.did.slice(0, -1), `${issuer.did}:a`, issuer.did.toUpperCase(), ` ${issuer.did}`]) {
      expect(await check(credential, { trusted: [near] }), near).toEqual(refused("is not among those"));
    }
  });

  test.each<[string, JsonValue]>([
    ["nobody", null],
    ["a list", ["did:key:z6Mk"]],
    ["an object without an id", { name: "Example Certifiers" }],
  ])("that is %s makes no credential", async (_name, value) => {
    expect(await check({ ...(await issued()), issuer: value })).toEqual(refused("names no issuer"));
  });

  test("must list the key now", async () => {
    const ofWeb = await newIssuer({ did: web.did("rotated") });
    web.host("rotated", ofWeb.document);
    const credential = await ofWeb.issue(credentialOf(ofWeb.did, controller));
    const trusted = [ofWeb.did];
    expect(await check(credential, { trusted })).toMatchObject({ accepted: true });

    now = new Date(now.getTime() + limits.didFreshMsMax);
    web.host("rotated", { ...ofWeb.document, assertionMethod: [] });
    expect(await check(credential, { trusted })).toEqual(refused('is not among the keys in "assertionMethod"'));

    now = new Date(now.getTime() + limits.didFreshMsMax);
    web.host("rotated", "gone", 404);
    expect(await check(credential, { trusted })).toEqual(refused("does not resolve"));
  });

  test("cannot be asked for: no badge", async () => {
    const ofWeb = await newIssuer({ did: "did:web:127.0.0.1%3A1" });
    const credential = await ofWeb.issue(credentialOf(ofWeb.did, controller));
    expect(await check(credential, { trusted: [ofWeb.did] })).toEqual(refused("cannot be resolved now"));
  });
});

describe("the subject", () => {
  test("must be the controller, or the thing if its id is a DID", async () => {
    const ofThing = await issuer.issue(credentialOf(issuer.did, "did:web:things.example:lamp"));
    expect(await check(ofThing, { thing: "did:web:things.example:lamp" })).toMatchObject({ accepted: true });
    expect(await check(ofThing)).toEqual(refused("is about did:web:things.example:lamp, and not about"));
  });

  test("is not the thing by an id that anybody can write", async () => {
    // Whoever registers a thing under this id would take its credential along.
    expect(await check(await issuer.issue(credentialOf(issuer.did, thingId)))).toEqual(refused(`is about ${thingId}`));
  });

  test.each<[string, JsonValue, string]>([
    ["somebody else", { id: "did:web:agents.example:other", certifiedFor: "billing" }, "and not about"],
    ["nobody in particular", { certifiedFor: "billing" }, "does not say by an id"],
    ["one of several", [{ id: controller, role: "applicant" }, { id: "did:web:other.example" }], "must have one"],
    ["twice the same", [{ id: controller }, { id: controller }], "must have one"],
  ])("is not %s", async (_name, credentialSubject, reason) => {
    expect(await check(await signed({ credentialSubject }))).toEqual(refused(reason));
  });

  test("is not found in a credential within another", async () => {
    const other = credentialOf(issuer.did, "did:web:other.example");
    const nested = await issued();
    const enclosing = await issuer.issue({
      ...other,
      credentialSubject: { id: "did:web:other.example", verifiableCredential: nested },
    });
    expect(await check(enclosing)).toEqual(refused("is about did:web:other.example"));
    const presentation = { "@context": nested["@context"] ?? null, type: ["VerifiablePresentation"] };
    expect(await check({ ...presentation, verifiableCredential: [nested] })).toEqual(refused("names no issuer"));
  });

  test("of an enclosing credential is not that of the one within", async () => {
    const nested = await issuer.issue(credentialOf(issuer.did, "did:web:other.example"));
    const enclosing = credentialOf(issuer.did, controller, {
      credentialSubject: { id: controller, verifiableCredential: nested },
    });
    expect(await check({ ...enclosing, proof: nested["proof"] ?? null })).toEqual(refused("is not a signature"));
  });
});

describe("the validity period", () => {
  test.each<[string, JsonObject]>([
    ["validUntil", { validUntil: "2026-11-21T09:00:00.000000001Z" }],
    ["expirationDate", { expirationDate: "2026-11-21T10:00:00.000000001+01:00" }],
  ])("ends with its %s", async (_name, members) => {
    const credential = await signed(members);
    expect(await check(credential)).toMatchObject({ accepted: true, validUntil: now });
    now = new Date(now.getTime() + 1);
    expect(await check(credential)).toEqual(refused("has expired"));
  });

  test.each(["validFrom", "issuanceDate"])("begins with its %s, give or take the skew of clocks", async (name) => {
    const credential = await signed({ [name]: "2026-11-21T09:00:00Z" });
    now = new Date(Date.parse("2026-11-21T09:00:00Z") - limits.clockSkewMsMax + 1);
    expect(await check(credential)).toMatchObject({ accepted: true });
    now = new Date(now.getTime() - 2);
    expect(await check(credential)).toEqual(refused(`not valid before its "${name}"`));
  });

  test.each<[string, JsonValue]>([
    ["without an offset", "2027-01-01T00:00:00"],
    ["with text around it", "until 2027-01-01T00:00:00Z or so"],
    ["empty", ""],
    ["null", null],
    ["a number", 0],
    ["false", false],
    ["an array", ["2027-01-01T00:00:00Z"]],
    ["of a day that does not exist", "2027-02-30T00:00:00Z"],
  ])("with an end %s is refused", async (_name, validUntil) => {
    expect(await check(await signed({ validUntil }))).toEqual(refused('The "validUntil" is not a date-time'));
  });

  test("of the data model 1.1 must have a beginning", async () => {
    const { validFrom: _from, ...rest } = credentialOf(issuer.did, controller);
    const credential = await issuer.sign({ ...rest, "@context": ["https://www.w3.org/2018/credentials/v1"] });
    expect(await check(credential)).toEqual(refused('"issuanceDate" property is required'));
  });
});

/** Sound proof options for `by`. */
function assertion(by: CredentialIssuer): JsonObject {
  return {
    type: "DataIntegrityProof",
    cryptosuite: "eddsa-jcs-2022",
    created: signedAt,
    verificationMethod: by.key.id,
    proofPurpose: "assertionMethod",
  };
}

describe("the proof", () => {
  test("must be there, and be one", async () => {
    const credential = await issued();
    const { proof = null, ...rest } = credential;
    expect(await check(rest)).toEqual(refused("No matching proofs"));
    expect(await check({ ...rest, proof: [proof, proof] })).toEqual(refused("not an array of 2"));
    expect(await check({ ...rest, proof: [proof] })).toEqual(refused("not an array of 1"));
    const { proof: other = null } = await stranger.sign(rest);
    expect(await check({ ...rest, proof: [other, proof] })).toEqual(refused("not an array of 2"));
  });

  test("by another key is refused, whatever it says of itself", async () => {
    const credential = credentialOf(issuer.did, controller);
    expect(await check(signAs(credential, assertion(issuer), stranger.key))).toEqual(refused("is not a signature"));
    const ofStranger = { ...assertion(issuer), verificationMethod: `${issuer.did}#${stranger.did.slice(8)}` };
    expect(await check(signAs(credential, ofStranger, stranger.key))).toEqual(refused("is not among the keys"));
  });

  test("by the DID of another issuer is refused, and that DID is not resolved", async () => {
    const ofWeb = await newIssuer({ did: web.did("other") });
    web.host("other", ofWeb.document);
    const credential = await ofWeb.sign(credentialOf(issuer.did, controller));
    const before = web.requests.length;
    expect(await check(credential)).toEqual(refused(`The proof is by ${ofWeb.did}, and not by the issuer`));
    // Not even if the other is trusted as well.
    expect(await check(credential, { trusted: [issuer.did, ofWeb.did] })).toEqual(refused("and not by the issuer"));
    expect(web.requests.length).toBe(before);
  });

  test.each<[string, JsonObject, string]>([
    ["suite for RDF", { cryptosuite: "eddsa-rdfc-2022" }, '"cryptosuite" is "eddsa-rdfc-2022"'],
    ["type", { type: "Ed25519Signature2020" }, '"type" is "Ed25519Signature2020"'],
    ["purpose", { proofPurpose: "authentication" }, "insufficient proofs matched"],
    ["chain", { previousProof: "urn:uuid:1" }, '"previousProof" names another proof'],
  ])("must not have another %s", async (_name, members, reason) => {
    const proof = { ...assertion(issuer), ...members };
    expect(await check(signAs(credentialOf(issuer.did, controller), proof, issuer.key))).toEqual(refused(reason));
  });

  test("covers every claim", async () => {
    const credential = await issued();
    const changes: JsonObject[] = [
      { validUntil: "2028-01-01T00:00:00Z" },
      { credentialSubject: { id: controller, certifiedFor: "everything" } },
      { name: "added" },
      { type: ["VerifiableCredential"] },
      { "@context": ["https://www.w3.org/ns/credentials/v2"] },
      { issuer: { id: issuer.did } },
    ];
    for (const change of changes) {
      expect(await check({ ...credential, ...change }), JSON.stringify(change)).toMatchObject({ accepted: false });
    }
    const { id: _id, ...withoutId } = credential;
    expect(await check(withoutId)).toEqual(refused("is not a signature"));
    const ofOther = await issuer.issue(credentialOf(issuer.did, "did:web:other.example"));
    const moved = { ...ofOther, credentialSubject: credential["credentialSubject"] ?? null };
    expect(await check(moved)).toEqual(refused("is not a signature"));
  });
});

describe("a context", () => {
  const v2 = "https://www.w3.org/ns/credentials/v2";

  test("that is unknown is not fetched, and not accepted", async () => {
    const unknown = host.serve("/contexts/certified", { "@context": { certifiedFor: "https://schema.example/" } });
    const before = host.requests.length;
    const contexts: JsonValue[] = [
      [v2, unknown],
      [v2, { "@import": unknown }],
      [v2, [unknown]],
    ];
    for (const context of contexts) {
      const credential = await signed({ "@context": context });
      expect(await check(credential), JSON.stringify(context)).toEqual(refused("context"));
    }
    expect(await check(await signed({ "@context": [v2, unknown] }))).toEqual(
      refused(`The context ${unknown} is not a known one`),
    );
    expect(host.requests.length).toBe(before);
  });

  test("that is unknown is found at any depth", async () => {
    const unknown = host.url("/contexts/deep");
    const before = host.requests.length;
    const credentialSubject = { id: controller, badges: [{ "@context": unknown, name: "Billing" }] };
    expect(await check(await signed({ credentialSubject }))).toEqual(refused("is not a known one"));
    expect(host.requests.length).toBe(before);
  });

  test.each<[string, JsonValue]>([
    ["another one first", ["https://w3id.org/security/data-integrity/v2", v2]],
    ["no array", v2],
    ["none", []],
  ])("list that has %s is refused", async (_name, context) => {
    // Signed by hand: the libraries would add to the list.
    const credential = signAs(
      credentialOf(issuer.did, controller, { "@context": context }),
      assertion(issuer),
      issuer.key,
    );
    expect(await check(credential)).toEqual(refused("needs to be first in the list of contexts"));
  });
});

describe("a malformed credential", () => {
  test.each<[string, JsonObject]>([
    ["of another type", { type: ["VerifiablePresentation"] }],
    ["without a type", { type: [] }],
    ["with a status that is null", { credentialStatus: null }],
    ["with evidence that is text", { evidence: "trust me" }],
    ["with terms of use that are empty", { termsOfUse: {} }],
    ["with a subject that is text", { credentialSubject: controller }],
  ])("%s is not accepted", async (_name, members) => {
    expect(await check(await signed(members))).toMatchObject({ accepted: false, validUntil: null });
  });

  test("never throws and never counts, whatever it is", async () => {
    const credential = await issued();
    const members = fc.constantFrom(...Object.keys(credential), "credentialStatus", "evidence", "@id");
    await fc.assert(
      fc.asyncProperty(members, fc.jsonValue({ maxDepth: 3 }), async (name, value) => {
        const changed = { ...credential, [name]: value as JsonValue };
        if (JSON.stringify(changed) === JSON.stringify(credential)) return;
        expect((await check(changed)).accepted).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("is repeated in bounds and without characters that deceive", async () => {
    const types = Array.from({ length: limits.credentialTypesMax + 1 }, (_, index) => `Type${index}`);
    const long = "x".repeat(10_000);
    const finding = await check({
      issuer: `did:web:\u202e${long}`,
      id: `urn:\u0000\ud800${long}`,
      type: [7, ...types],
    });
    expect(finding).toMatchObject({ accepted: false, types: types.slice(0, limits.credentialTypesMax) });
    for (const text of [finding.issuer, finding.id, finding.reason]) {
      expect(text).toHaveLength(limits.credentialTextCharactersMax);
      expect(text).toMatch(/^\P{C}*\uFFFD\P{C}*…$/u);
    }
  });
});

describe("the credentials in a description", () => {
  test("are one object or an array of them", () => {
    expect(credentialsInDescription({})).toEqual([]);
    expect(credentialsInDescription({ verifiableCredential: { id: "urn:1" } })).toEqual([{ id: "urn:1" }]);
    expect(
      credentialsInDescription({ verifiableCredential: ["eyJ…", { id: "urn:1" }, null, [{ id: "urn:2" }]] }),
    ).toEqual([{ id: "urn:1" }]);
  });

  test("are bounded in number", () => {
    const many = Array.from({ length: limits.credentialsPerEntryMax + 1 }, (_, index) => ({ index }));
    expect(credentialsInDescription({ verifiableCredential: many })).toEqual(many.slice(0, -1));
  });

  test("are objects, whatever a description holds", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const found = credentialsInDescription({ verifiableCredential: value as JsonValue });
        expect(found.length).toBeLessThanOrEqual(limits.credentialsPerEntryMax);
        expect(found.every((one) => typeof one === "object" && !Array.isArray(one))).toBe(true);
      }),
    );
  });
});
