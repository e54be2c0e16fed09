// Checks the proof on a Thing Description with nothing of Thingstead: Node.js and the `canonicalize` package (RFC 8785).
//   curl -s http://localhost:8080/things/ID | node verify-entry.mjs
// Covers eddsa-jcs-2022 by a did:key. For a did:web, take the key from https://DOMAIN/.well-known/did.json instead.
import { createHash, createPublicKey, verify } from "node:crypto";
import canonicalize from "canonicalize";

const base58 = (text) => {
  const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  const number = [...text].reduce((sum, letter) => sum * 58n + BigInt(alphabet.indexOf(letter)), 0n);
  const hex = number.toString(16);
  return Buffer.concat([
    Buffer.alloc(/^1*/.exec(text)[0].length),
    Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex"),
  ]);
};
const sha256 = (value) => createHash("sha256").update(canonicalize(value)).digest();

let text = "";
for await (const chunk of process.stdin.setEncoding("utf8")) text += chunk;
const {
  proof: { proofValue, ...options },
  ...document
} = JSON.parse(text);
const multikey = base58(/^did:key:z(\w+)#z\1$/.exec(options.verificationMethod)[1]); // 0xed 0x01, then the key
const key = createPublicKey({
  key: { kty: "OKP", crv: "Ed25519", x: multikey.subarray(2).toString("base64url") },
  format: "jwk",
});
const signed = Buffer.concat([sha256(options), sha256(document)]);
const holds =
  options.type === "DataIntegrityProof" &&
  options.cryptosuite === "eddsa-jcs-2022" &&
  options.proofPurpose === "assertionMethod" &&
  multikey.readUInt16BE(0) === 0xed01 &&
  canonicalize(options["@context"] ?? document["@context"]) === canonicalize(document["@context"]) &&
  !(Date.parse(options.expires) <= Date.now()) &&
  verify(null, signed, key, base58(proofValue.slice(1)));
console.log(holds ? `valid: signed by ${options.verificationMethod.split("#")[0]} at ${options.created}` : "not valid");
process.exitCode = holds ? 0 : 1;
