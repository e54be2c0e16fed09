import { describe, expect, test } from "vitest";
import { parseDid } from "./did.ts";
import { assertionMethodOf, didDocumentOf, readDidDocument } from "./did-document.ts";
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
    expect(assertionMethodOf(document, key.id)?.publicKeyMultibase).toBe(key.publicKeyMultibase);
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
