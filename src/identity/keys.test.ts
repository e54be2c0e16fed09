import { describe, expect, test } from "vitest";
import { isDid } from "./did.ts";
import { encodeSecretKey } from "./multikey.ts";
import { generateSigningKey, type KeyFile, loadSigningKey } from "./keys.ts";

describe("generateSigningKey", () => {
  test.each([
    ["Ed25519", /^did:key:z6Mk/],
    ["P-256", /^did:key:zDn/],
  ] as const)("%s with the did:key of itself", (algorithm, did) => {
    const file = generateSigningKey({ algorithm });
    expect(file.controller).toMatch(did);
    expect(file.id).toBe(`${file.controller}#${file.publicKeyMultibase}`);
    const key = loadSigningKey(JSON.parse(JSON.stringify(file)));
    expect(key).toMatchObject({ id: file.id, controller: file.controller, algorithm });
    expect(key.publicKeyMultibase).toBe(file.publicKeyMultibase);
    expect(generateSigningKey({ algorithm }).id).not.toBe(file.id);
  });

  test("is Ed25519 unless something else is asked for", () => {
    expect(loadSigningKey(generateSigningKey()).algorithm).toBe("Ed25519");
  });

  test.each([
    ["example.org", "did:web:example.org"],
    ["example.org:agents:weather", "did:web:example.org:agents:weather"],
    ["example.org/agents/weather", "did:web:example.org:agents:weather"],
    ["example.org%3A8443:agents", "did:web:example.org%3A8443:agents"],
    ["localhost%3A8080", "did:web:localhost%3A8080"],
    ["example.org/2026", "did:web:example.org:2026"],
  ])("web %s is %s", (web, did) => {
    const file = generateSigningKey({ web });
    expect(file).toMatchObject({ controller: did, id: `${did}#${file.publicKeyMultibase}` });
    expect(isDid(file.controller)).toBe(true);
    expect(loadSigningKey(file).controller).toBe(did);
  });

  test.each([
    "",
    "example.org:8443",
    "example.org:8443:a",
    "https://example.org",
    "exa mple",
    "a..b",
    "example.org:..",
    "é.example",
  ])("web %j is refused", (web) => {
    expect(() => generateSigningKey({ web })).toThrow(expect.objectContaining({ type: "invalid-parameter" }));
  });

  test("a port is not mistaken for a path", () => {
    expect(() => generateSigningKey({ web: "example.org:8443" })).toThrow(/example\.org%3A8443/);
  });
});

describe("loadSigningKey", () => {
  const file = generateSigningKey();
  const other = generateSigningKey();
  const p256 = generateSigningKey({ algorithm: "P-256" });

  test("loads a P-384 key, with an id of its owner's choice", () => {
    const key = loadSigningKey({
      id: "did:web:example.org#main",
      controller: "did:web:example.org",
      type: "Multikey",
      publicKeyMultibase: "z82LkuBieyGShVBhvtE2zoiD6Kma4tJGFtkAhxR5pfkp5QPw4LutoYWhvQCnGjdVn14kujQ",
      secretKeyMultibase: "z2fanyY7zgwNpZGxX5fXXibvScNaUWNprHU9dKx7qpVj7mws9J8LLt4mDB5TyH2GLHWkUc",
    });
    expect(key).toMatchObject({ algorithm: "P-384", id: "did:web:example.org#main" });
  });

  test.each<[string, unknown, RegExp]>([
    ["null", null, /not a JSON object/],
    ["an array", [file], /not a JSON object/],
    ["text", "z6Mk", /not a JSON object/],
    ["another type", { ...file, type: "JsonWebKey" }, /"type": "Multikey"/],
    ["no secret", { ...file, secretKeyMultibase: undefined }, /"secretKeyMultibase"/],
    ["no public key", { ...file, publicKeyMultibase: undefined }, /"publicKeyMultibase"/],
    ["no id", { ...file, id: undefined }, /"id"/],
    ["an id without a fragment", { ...file, id: file.controller }, /"id"/],
    ["another controller", { ...file, controller: other.controller }, /"controller"/],
    ["no controller", { ...file, controller: undefined }, /"controller"/],
    ["another public key", { ...file, publicKeyMultibase: other.publicKeyMultibase }, /another key/],
    ["another secret key", { ...file, secretKeyMultibase: other.secretKeyMultibase }, /another key/],
    ["another did:key", { ...file, id: other.id, controller: other.controller }, /follows from its key/],
    ["another fragment of the did:key", { ...file, id: `${file.controller}#key-1` }, /follows from its key/],
    ["a public key for a secret one", { ...file, secretKeyMultibase: file.publicKeyMultibase }, /not a secret key/],
    ["a secret key in another base", { ...file, secretKeyMultibase: "uAAAA" }, /not a secret key/],
    [
      "a secret key cut short",
      { ...file, secretKeyMultibase: file.secretKeyMultibase.slice(0, -3) },
      /not a secret key/,
    ],
    ["a scalar that is zero", { ...p256, secretKeyMultibase: zeroScalar() }, /out of range/],
  ])("refuses %s, and says what is wrong without the secret", (_name, keyFile, message) => {
    let thrown: unknown;
    try {
      loadSigningKey(keyFile);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ type: "invalid-parameter", message: expect.stringMatching(message) });
    const secret = (keyFile as Partial<KeyFile> | null)?.secretKeyMultibase;
    if (typeof secret === "string" && secret !== file.publicKeyMultibase) {
      expect((thrown as Error).message).not.toContain(secret);
    }
  });
});

/** A P-256 secret key of 0, which is outside the group. */
function zeroScalar(): string {
  return encodeSecretKey("P-256", new Uint8Array(32));
}
