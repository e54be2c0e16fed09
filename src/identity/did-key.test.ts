import { verify } from "node:crypto";
import { base58 } from "@scure/base";
import { describe, expect, test } from "vitest";
import { parseDid } from "./did.ts";
import { verificationMethodOf } from "./did-document.ts";
import { resolveDidKey } from "./did-key.ts";
import { importMultikey } from "./public-key.ts";

/** did:key method specification, `test-vectors/ed25519-x25519.json` and `nist-curves.json`. */
const ed25519Vectors: Record<string, string> = {
  "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp": "4zvwRjXUKGfvwnParsHAS3HuSVzV5cA4McphgmoCtajS",
  "did:key:z6MkjchhfUsD6mmvni8mCdXHw216Xrm9bQe2mBH1P5RDjVJG": "6ASf5EcmmEHTgDJ4X4ZT5vT6iHVJBXPg5AN5YoTCpGWt",
  "did:key:z6MkvqoYXQfDDJRv8L4wKzxYeuKyVZBfi9Qo6Ro8MiLH3kDQ": "HPYVwAQmskwT1qEEeRzhoomyfyupJGASQQtCXSNG8XS2",
};
const nistVectors: [did: string, crv: string, x: string, y: string][] = [
  [
    "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv",
    "P-256",
    "igrFmi0whuihKnj9R3Om1SoMph72wUGeFaBbzG2vzns",
    "efsX5b10x8yjyrj4ny3pGfLcY7Xby1KzgqOdqnsrJIM",
  ],
  [
    "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
    "P-256",
    "fyNYMN0976ci7xqiSdag3buk-ZCwgXU4kz9XNkBlNUI",
    "hW2ojTNfH7Jbi8--CJUo3OCbH3y5n91g-IMA9MLMbTU",
  ],
  [
    "did:key:z82Lm1MpAkeJcix9K8TMiLd5NMAhnwkjjCBeWHXyu3U4oT2MVJJKXkcVBgjGhnLBn2Kaau9",
    "P-384",
    "lInTxl8fjLKp_UCrxI0WDklahi-7-_6JbtiHjiRvMvhedhKVdHBfi2HCY8t_QJyc",
    "y6N1IC-2mXxHreETBW7K3mBcw0qGr3CWHCs-yl09yCQRLcyfGv7XhqAngHOu51Zv",
  ],
  [
    "did:key:z82LkvCwHNreneWpsgPEbV3gu1C6NFJEBg4srfJ5gdxEsMGRJUz2sG9FE42shbn2xkZJh54",
    "P-384",
    "CA-iNoHDg1lL8pvX3d1uvExzVfCz7Rn6tW781Ub8K5MrDf2IMPyL0RTDiaLHC1JT",
    "Kpnrn8DkXUD3ge4mFxi-DKr0DYO2KuJdwNBrhzLRtfMa3WFMZBiPKUPfJj8dYNl_",
  ],
];

const ed25519Key = (bytes: Uint8Array): string => `z${base58.encode(Buffer.concat([Buffer.of(0xed, 0x01), bytes]))}`;
const didOf = (prefix: number[], bytes: number): string =>
  `did:key:z${base58.encode(Buffer.concat([Buffer.from(prefix), Buffer.alloc(bytes, 2)]))}`;

describe("did:key", () => {
  test.each(Object.entries(ed25519Vectors))("%s", (text, publicKeyBase58) => {
    const did = parseDid(text);
    const multibase = did.slice("did:key:".length);
    const document = resolveDidKey(did);
    const id = `${did}#${multibase}`;
    const method = { id, type: "Multikey", controller: did, publicKeyMultibase: multibase };
    expect(document).toEqual({
      id: did,
      verificationMethod: [method],
      assertionMethod: [id],
      authentication: [id],
    });
    expect(verificationMethodOf(document, "assertionMethod", id)).toEqual(method);
    expect(verificationMethodOf(document, "authentication", id)).toEqual(method);
    const { algorithm, key } = importMultikey(multibase);
    expect(algorithm).toBe("Ed25519");
    expect(Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url")).toEqual(
      Buffer.from(base58.decode(publicKeyBase58)),
    );
  });

  test.each(nistVectors)("%s", (text, crv, x, y) => {
    const did = parseDid(text);
    expect(resolveDidKey(did).assertionMethod).toEqual([`${did}#${did.slice("did:key:".length)}`]);
    const { algorithm, key } = importMultikey(did.slice("did:key:".length));
    expect(algorithm).toBe(crv);
    expect(key.export({ format: "jwk" })).toEqual({ kty: "EC", crv, x, y });
  });

  test.each([
    ["did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme", "secp256k1"],
    [
      "did:key:z2J9gaYxrKVpdoG9A4gRnmpnRCcxU6agDtFVVBVdn1JedouoZN7SzcyREXXzWgt3gGiwpoHq7K68X4m32D8HgzG8wv3sY5j7",
      "P-521",
    ],
    ["did:key:z6LShs9GGnqk85isEBzzshkuVWrVKsRp24GnDuHk8QWkARMW", "X25519"],
    [didOf([0xeb, 0x01], 96), "BLS12-381 (G2)"],
    [didOf([0xea, 0x01], 48), "BLS12-381 (G1)"],
    [didOf([0x85, 0x24], 270), "RSA"],
    [didOf([0x12, 0x34], 32), "multicodec 0x1234"],
  ])("%s is refused by the name of its key", (did, name) => {
    expect(() => resolveDidKey(parseDid(did))).toThrow(
      expect.objectContaining({ type: "unsupported-did-method", message: expect.stringContaining(name) }),
    );
  });

  test.each([
    ["another base", "did:key:uMTIz"],
    ["no base", "did:key:6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"],
    ["a letter outside base58", "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooW0"],
    ["a percent-encoded letter", "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooW%70"],
    ["a version", "did:key:1.1:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"],
    ["nothing", "did:key:z"],
    ["a byte too few", didOf([0xed, 0x01], 31)],
    ["a byte too many", didOf([0xed, 0x01], 33)],
    ["a point that is not compressed", didOf([0x80, 0x24], 65)],
    ["a P-256 key that is no point", `did:key:z${base58.encode(Buffer.from(`8024${"02"}${"ff".repeat(32)}`, "hex"))}`],
    ["a point of the form 04", `did:key:z${base58.encode(Buffer.from(`8024${"04"}${"02".repeat(32)}`, "hex"))}`],
  ])("%s is refused", (_name, did) => {
    expect(() => resolveDidKey(parseDid(did))).toThrow(expect.objectContaining({ type: "did-not-found" }));
  });

  test("Ed25519 points of small order, and coordinates that are not reduced, are no keys", () => {
    const coordinates = [
      "0100000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000080",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for (const coordinate of coordinates) {
      expect(() => importMultikey(ed25519Key(Buffer.from(coordinate, "hex"))), coordinate).toThrow(/not a point/);
    }
  });

  test("an imported key verifies as RFC 8032 §7.1 says", () => {
    const publicKey = Buffer.from("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "hex");
    const signature = Buffer.from(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
      "hex",
    );
    const { key } = importMultikey(ed25519Key(publicKey));
    expect(verify(null, Buffer.of(0x72), key, signature)).toBe(true);
    expect(verify(null, Buffer.of(0x73), key, signature)).toBe(false);
  });
});
