import { describe, expect, test } from "vitest";
import type { JsonObject } from "../base/json.ts";
import { parseDid } from "./did.ts";
import {
  type DidDocument,
  didDocumentOf,
  readDidDocument,
  verificationMethodOf,
  type VerificationRelationship,
} from "./did-document.ts";
import { generateSigningKey } from "./keys.ts";

describe("didDocumentOf", () => {
  const key = generateSigningKey({ web: "example.org:agents" });

  test("lists the key for assertions, and reads back as such", () => {
    const json = didDocumentOf(key);
    expect(json).toEqual({
      "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
      id: "did:web:example.org:agents",
      verificationMethod: [
        { id: key.id, type: "Multikey", controller: key.controller, publicKeyMultibase: key.publicKeyMultibase },
      ],
      authentication: [key.id],
      assertionMethod: [key.id],
    });
    const document = readDidDocument(json, parseDid(key.controller));
    if (typeof document === "string") throw new Error(document);
    for (const relationship of ["assertionMethod", "authentication"] as const) {
      const method = verificationMethodOf(document, relationship, key.id);
      expect(method?.publicKeyMultibase).toBe(key.publicKeyMultibase);
    }
    expect(JSON.stringify(json)).not.toContain(key.secretKeyMultibase);
  });

  test("has the discovery context where a service needs it, and absolute ids", () => {
    const directory = {
      id: "#directory",
      type: "WotDirectory",
      serviceEndpoint: "https://example.org/.well-known/wot",
    };
    expect(didDocumentOf(key, [directory])).toMatchObject({
      "@context": [
        "https://www.w3.org/ns/did/v1",
        "https://w3id.org/security/multikey/v1",
        "https://www.w3.org/2022/wot/discovery-did",
      ],
      service: [{ ...directory, id: "did:web:example.org:agents#directory" }],
    });
    const other = {
      id: "did:web:example.org:agents#site",
      type: "LinkedDomains",
      serviceEndpoint: "https://example.org",
    };
    const document = didDocumentOf(key, [other]);
    expect(document["@context"]).toHaveLength(2);
    expect(document["service"]).toEqual([other]);
  });
});

describe("verificationMethodOf", () => {
  const did = parseDid("did:web:example.org");
  const method = (id: string): JsonObject => ({ id, type: "Multikey", controller: did, publicKeyMultibase: "z6" });
  const read = (json: JsonObject): DidDocument | string => readDidDocument({ id: did, ...json }, did);

  test("finds a key for what it is listed for, by reference or embedded, and for nothing else", () => {
    const document = read({
      verificationMethod: [method("#both"), method("#signs"), method("#shows"), method("#neither")],
      assertionMethod: ["#both", `${did}#signs`, method("#embedded"), "#missing"],
      authentication: [`${did}#both`, "#shows", method("#other"), { type: "Unknown" }],
    });
    if (typeof document === "string") throw new Error(document);
    const found = (relationship: VerificationRelationship): string[] =>
      ["both", "signs", "shows", "neither", "embedded", "other", "missing"].filter(
        (name) => verificationMethodOf(document, relationship, `${did}#${name}`)?.id === `${did}#${name}`,
      );
    expect(found("assertionMethod")).toEqual(["both", "signs", "embedded"]);
    expect(found("authentication")).toEqual(["both", "shows", "other"]);
  });

  test("one id is never two keys, whatever they are for", () => {
    const fault = "two of its verification methods have one id";
    const other = (id: string): JsonObject => ({ ...method(id), publicKeyMultibase: "z7" });
    expect(read({ assertionMethod: [method("#a")], authentication: [other("#a")] })).toBe(fault);
    expect(read({ verificationMethod: [method("#a")], authentication: [other(`${did}#a`)] })).toBe(fault);
    expect(read({ verificationMethod: [method("#a"), other("#a")] })).toBe(fault);
    expect(read({ verificationMethod: [method("#a")], assertionMethod: [{ ...method("#a"), revoked: "now" }] })).toBe(
      fault,
    );
    expect(read({ authentication: "#a" })).toBe('its "authentication" is not an array');
  });

  test("a key that is written out wherever it is used is one key", () => {
    const document = read({ assertionMethod: [method("#a")], authentication: [method(`${did}#a`)] });
    if (typeof document === "string") throw new Error(document);
    expect(verificationMethodOf(document, "assertionMethod", `${did}#a`)).toEqual(
      verificationMethodOf(document, "authentication", `${did}#a`),
    );
  });
});
