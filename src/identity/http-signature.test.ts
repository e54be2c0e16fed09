import { createPublicKey, generateKeyPairSync, hash, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { httpbis } from "http-message-signatures";
import { type InnerList, parseDictionary } from "structured-headers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newKey } from "../../test/support/descriptions.ts";
import { type DidWebHost, startDidWebHost } from "../../test/support/did-web-host.ts";
import { refusingEgress } from "../../test/support/egress.ts";
import { createEgress } from "../base/egress.ts";
import { limits } from "../base/limits.ts";
import { Problem } from "../base/problem.ts";
import { signHashData } from "./cryptosuite.ts";
import { signatureBaseOf, type SignedRequest, signRequest, verifyRequest } from "./http-signature.ts";
import { generateSigningKey, loadSigningKey, type SigningKey } from "./keys.ts";
import { createDidResolver } from "./resolver.ts";

const now = new Date("2026-11-26T09:00:00Z");
const clock = { now: () => now };
const resolver = createDidResolver({ egress: refusingEgress, clock });
const key = newKey();
const nonce = "b1f7c0de-5a3e-4a52";
const targetUri = "https://registry.example/things/urn%3Aexample%3Aa/heartbeat?x=%20";
const text = '{"ttl":3600}';

/** A request as it is received, signed by `key` unless `headers` say something else. */
function requestOf(headers: Record<string, string>, parts: Partial<SignedRequest> = {}): SignedRequest {
  return { method: "POST", targetUri, body: Buffer.from(text), ...parts, headers: new Headers(headers) };
}

function signed(options: { by?: SigningKey; created?: Date; body?: string } = {}): Record<string, string> {
  const { by = key, created = now, body = text } = options;
  return signRequest({ method: "POST", targetUri, body }, by, { created, nonce });
}

const without = (headers: Record<string, string>, name: string) =>
  Object.fromEntries(Object.entries(headers).filter(([one]) => one !== name));

const check = (request: SignedRequest) => verifyRequest(request, { resolver, clock });

/** The headers of a request whose signature is right for what `input` says, as a careless or hostile signer makes them. */
function signedAs(
  input: string,
  options: { by?: SigningKey; headers?: Record<string, string>; body?: string; label?: string } = {},
): Record<string, string> {
  const {
    by = key,
    headers = { "content-digest": signed()["content-digest"] ?? "" },
    body = text,
    label = "sig1",
  } = options;
  const covered = parseDictionary(`${label}=${input}`).get(label) as InnerList;
  const base = signatureBaseOf(covered, requestOf(headers, { body: Buffer.from(body) }));
  const signature = signHashData(Buffer.from(base), by.algorithm, by.privateKey).toString("base64");
  return { ...headers, "signature-input": `${label}=${input}`, signature: `${label}=:${signature}:` };
}

const components = '"@method" "@target-uri" "content-digest"';
const seconds = now.getTime() / 1000;
const parameters = (changes: Record<string, string | null> = {}) =>
  Object.entries({ created: String(seconds), nonce: `"${nonce}"`, keyid: `"${key.id}"`, ...changes })
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `;${name}=${value}`)
    .join("");

describe("a signed request", () => {
  test.each(["Ed25519", "P-256"] as const)("by a key of the type %s is its controller's", async (algorithm) => {
    const by = loadSigningKey(generateSigningKey({ algorithm }));
    expect(await check(requestOf(signed({ by })))).toEqual({
      controller: by.controller,
      verificationMethod: by.id,
      nonce,
      created: now,
    });
  });

  test("by a key of the type P-384 is its controller's", async () => {
    const by = p384Key();
    const found = await verifyRequest(requestOf(signed({ by })), { resolver: resolverOf(by), clock });
    expect(found.controller).toBe(by.controller);
  });

  test("without a body needs no digest", async () => {
    const headers = signed({ body: "" });
    expect(Object.keys(headers)).toEqual(["signature-input", "signature"]);
    expect(await check(requestOf(headers, { body: Buffer.alloc(0) }))).toMatchObject({ controller: key.controller });
  });

  test("may have any label, a SHA-512, more components, expires, alg, tag and what nobody knows", async () => {
    const digest = `sha-512=:${hash("sha512", text, "base64")}:, unknown=:AAAA:`;
    const headers = { "content-digest": digest, "content-type": "application/json", "x-note": " spaced  out " };
    const covered = `("content-digest" "@target-uri" "@authority" "@scheme" "@path" "@query" "content-type" "x-note" "@method")`;
    const more = `;expires=${seconds + 1};alg="ed25519";tag="app";other=?1`;
    const request = requestOf(signedAs(`${covered}${parameters()}${more}`, { headers, label: "any-label" }));
    expect(await check(request)).toMatchObject({ controller: key.controller });
  });

  test.each([
    [-limits.requestSignatureAgeMsMax, true],
    [-limits.requestSignatureAgeMsMax - 1000, false],
    [limits.requestSignatureAgeMsMax, true],
    [limits.requestSignatureAgeMsMax + 1000, false],
  ])("created %i ms from now counts: %s", async (ms, counts) => {
    const verified = check(requestOf(signed({ created: new Date(now.getTime() + ms) })));
    if (counts) await expect(verified).resolves.toMatchObject({ nonce });
    else
      await expect(verified).rejects.toMatchObject({
        type: "invalid-signature",
        message: expect.stringMatching(/"created" is 301 seconds/),
      });
  });
});

describe("a signature does not hold", () => {
  const expectFault = async (request: SignedRequest, part: RegExp) => {
    const fault = await check(request).then(
      () => null,
      (error: unknown) => error,
    );
    expect(fault).toBeInstanceOf(Problem);
    expect(fault).toMatchObject({ type: "invalid-signature", status: 401, message: expect.stringMatching(part) });
  };

  test.each<[string, Partial<SignedRequest>]>([
    ["another method", { method: "DELETE" }],
    ["another path", { targetUri: targetUri.replace("%3Aa", "%3Ab") }],
    ["another act", { targetUri: targetUri.replace("heartbeat", "visibility") }],
    ["another query", { targetUri: targetUri.replace("x=%20", "x=+") }],
    ["another registry", { targetUri: targetUri.replace("registry.", "other.") }],
    ["another scheme", { targetUri: targetUri.replace("https", "http") }],
  ])("for %s, and the problem says what was expected", async (_, changes) => {
    const request = requestOf(signed(), changes);
    await expectFault(request, /is not one of this request/);
    await expect(check(request)).rejects.toMatchObject({
      extensions: { method: request.method, targetUri: request.targetUri },
    });
  });

  test.each([
    ["another body", { body: Buffer.from('{"ttl":9999}') }],
    ["a body with a byte more", { body: Buffer.from(`${text} `) }],
    ["no body", { body: Buffer.alloc(0) }],
  ])("for %s", (_, changes) => expectFault(requestOf(signed(), changes), /^Content-Digest has another sha-256/));

  test("for a body, if the digest was made to fit", () => {
    const body = Buffer.from('{"ttl":9999}');
    const digest = `sha-256=:${hash("sha256", body, "base64")}:`;
    return expectFault(requestOf({ ...signed(), "content-digest": digest }, { body }), /is not one of this request/);
  });

  test("if one of two digests is wrong", () => {
    const digest = `${signed()["content-digest"]}, sha-512=:${hash("sha512", "other", "base64")}:`;
    const headers = signedAs(`(${components})${parameters()}`, { headers: { "content-digest": digest } });
    return expectFault(requestOf(headers), /^Content-Digest has another sha-512/);
  });

  test.each([
    [
      "an unknown digest alone",
      `md5=:${hash("md5", text, "base64")}:`,
      /^Content-Digest has none of sha-256 and sha-512/,
    ],
    ["a digest that is no byte sequence", 'sha-256="abc"', /^Content-Digest has another/],
    ["a digest that is no dictionary", "sha-256=:", /^Content-Digest is not a dictionary/],
  ])("with %s", (_, digest, part) =>
    expectFault(requestOf(signedAs(`(${components})${parameters()}`, { headers: { "content-digest": digest } })), part),
  );

  test.each([
    ['"@target-uri" "content-digest"', /does not cover "@method"/],
    ['"@method" "content-digest"', /does not cover "@target-uri"/],
    ['"@method" "@target-uri"', /does not cover "content-digest"/],
    ["", /does not cover "@method" and "@target-uri" and "content-digest"/],
    ['"@method" "@path" "@authority" "content-digest"', /does not cover "@target-uri"/],
    [`${components} "@method"`, /covers "@method" twice/],
    [`${components} "@path";req`, /covers "@path" with parameters/],
    [`${components} "content-digest";sf`, /covers "content-digest" with parameters/],
  ])("over (%s)", (covered, part) => expectFault(requestOf(signedAs(`(${covered})${parameters()}`)), part));

  test.each(["@status", "@request-target", "@query-param", "@unknown", "x-missing", "X-Upper", "bad name"])(
    "over %s, which the request does not have",
    (name) => {
      const { signature = "", ...headers } = signed();
      const input = `sig1=(${components} "${name}")${parameters()}`;
      return expectFault(
        requestOf({ ...headers, signature, "signature-input": input }),
        /covers .*, which this request/,
      );
    },
  );

  test("over something whose name is not a string", () => {
    const input = `sig1=(${components} :AAAA:)${parameters()}`;
    return expectFault(requestOf({ ...signed(), "signature-input": input }), /whose name is not a string/);
  });

  test("over a field that is not ASCII", () => {
    const { signature = "", ...headers } = signed();
    const input = `sig1=(${components} "x-note")${parameters()}`;
    const request = requestOf({ ...headers, signature, "signature-input": input, "x-note": "caf\u00e9" });
    return expectFault(request, /covers "x-note", which is not ASCII/);
  });

  test.each<[Record<string, string | null>, RegExp]>([
    [{ created: null }, /"created" is missing/],
    [{ created: `"${seconds}"` }, /"created" is not a number of whole seconds/],
    [{ created: `${seconds}.5` }, /"created" is not a number of whole seconds/],
    [{ created: "999999999999999" }, /"created" is not a number of whole seconds/],
    [{ expires: String(seconds) }, /"expires" has passed/],
    [{ expires: String(seconds - 10) }, /"expires" has passed/],
    [{ expires: "soon" }, /"expires" is not a number/],
    [{ nonce: null }, /"nonce" is missing/],
    [{ nonce: '"1234567"' }, /"nonce" is missing or not .* 8 to 128 characters/],
    [{ nonce: `"${"n".repeat(limits.requestNonceCharactersMax + 1)}"` }, /"nonce" is missing or not/],
    [{ nonce: "12345678" }, /"nonce" is missing or not/],
    [{ keyid: null }, /"keyid" is missing/],
    [{ keyid: `"${key.controller}"` }, /"keyid" is missing or not .* a DID with the fragment/],
    [{ keyid: '"key-1"' }, /"keyid" is missing or not/],
    [{ keyid: `"${key.controller}#other"` }, /"keyid" is .*not among the keys in "authentication"/],
    [{ keyid: `"${newKey().id}"` }, /is not one of this request/],
    [{ alg: "ed25519" }, /"alg" is not a string/],
    [{ alg: '"ecdsa-p256-sha256"' }, /"alg" is ecdsa-p256-sha256, and the key .* ed25519/],
    [{ alg: '"hmac-sha256"' }, /"alg" is hmac-sha256/],
    [{ alg: '"rsa-v1_5-sha256"' }, /"alg" is rsa-v1_5-sha256/],
    [{ alg: '"none"' }, /"alg" is none/],
  ])("with %j", (changes, part) => expectFault(requestOf(signedAs(`(${components})${parameters(changes)}`)), part));

  test("with a nonce of the least and the most characters it does", async () => {
    for (const characters of [limits.requestNonceCharactersMin, limits.requestNonceCharactersMax]) {
      const headers = signedAs(`(${components})${parameters({ nonce: `"${"n".repeat(characters)}"` })}`);
      expect(await check(requestOf(headers))).toMatchObject({ nonce: "n".repeat(characters) });
    }
  });

  test.each<[string, (headers: Record<string, string>) => Record<string, string>, RegExp]>([
    ["without Signature", (all) => without(all, "signature"), /^Signature is missing/],
    ["without Signature-Input", (all) => without(all, "signature-input"), /^Signature-Input is missing/],
    ["with an empty Signature-Input", (all) => ({ ...all, "signature-input": "" }), /^Signature-Input names none/],
    ["with an empty Signature", (all) => ({ ...all, signature: "" }), /^Signature holds nothing; expected is sig1/],
    [
      "under another label",
      (all) => ({ ...all, signature: all["signature"]?.replace("sig1", "sig2") ?? "" }),
      /holds sig2; expected is sig1/,
    ],
    ["that is no byte sequence", (all) => ({ ...all, signature: 'sig1="abc"' }), /^Signature is not a byte sequence/],
    ["that is no dictionary", (all) => ({ ...all, signature: "sig1=:" }), /^Signature is not a dictionary/],
    ["whose input is no list", (all) => ({ ...all, "signature-input": 'sig1="@method"' }), /not a list in parentheses/],
    ["that is too short", (all) => ({ ...all, signature: "sig1=:AAAA:" }), /has 3 bytes; expected are 64/],
    [
      "of zeros",
      (all) => ({ ...all, signature: `sig1=:${Buffer.alloc(64).toString("base64")}:` }),
      /is not one of this/,
    ],
  ])("%s", (_, change, part) => expectFault(requestOf(change(signed())), part));

  test("beside another one, though both are right", async () => {
    const [one, two] = [
      signedAs(`(${components})${parameters()}`),
      signedAs(`(${components})${parameters()}`, { label: "sig2" }),
    ];
    const both = (name: string) => `${one[name]}, ${two[name]}`;
    const headers = { ...one, "signature-input": both("signature-input"), signature: both("signature") };
    await expectFault(requestOf(headers), /^Signature-Input names 2 \(sig1, sig2\); expected is exactly one/);
    await expectFault(
      requestOf({ ...one, signature: both("signature") }),
      /^Signature holds sig1, sig2; expected is sig1/,
    );
  });

  test.each([
    ["Ed25519 by a P-256 key", "Ed25519"],
    ["P-256 by an Ed25519 key", "P-256"],
  ] as const)("that claims the key of another: %s", (_, algorithm) => {
    const [victim, attacker] = [
      loadSigningKey(generateSigningKey({ algorithm })),
      loadSigningKey(generateSigningKey({ algorithm: algorithm === "P-256" ? "Ed25519" : "P-256" })),
    ];
    const headers = signedAs(`(${components})${parameters({ keyid: `"${victim.id}"` })}`, { by: attacker });
    return expectFault(requestOf(headers), /is not one of this request/);
  });

  test("in DER, where r and s must be beside each other", () => {
    const by = loadSigningKey(generateSigningKey({ algorithm: "P-256" }));
    const headers = signed({ by });
    const covered = parseDictionary(headers["signature-input"] ?? "").get("sig1") as InnerList;
    const der = sign("sha256", Buffer.from(signatureBaseOf(covered, requestOf(headers))), by.privateKey);
    const signature = `sig1=:${der.toString("base64")}:`;
    return expectFault(requestOf({ ...headers, signature }), /bytes; expected are 64, as with ecdsa-p256-sha256/);
  });

  test("whatever is in its headers, and nothing else goes wrong", async () => {
    const field = fc.oneof(
      fc.string({ unit: "binary-ascii" }),
      fc.stringMatching(/^[a-z]{1,3}=[()":;=?@%a-z0-9 ,*-]{0,40}$/),
      fc.constantFrom(...Object.values(signed())),
    );
    await fc.assert(
      fc.asyncProperty(fc.tuple(field, field, field), async ([input, signature, digest]) => {
        const given = { "signature-input": input, signature, "content-digest": digest };
        const headers = { get: (name: string) => given[name.toLowerCase() as keyof typeof given] ?? null };
        const genuine = signed();
        fc.pre(input !== genuine["signature-input"] || signature !== genuine["signature"]);
        await expect(check({ ...requestOf({}), headers })).rejects.toMatchObject({ type: "invalid-signature" });
      }),
      { numRuns: 500 },
    );
  });
});

describe("the DID document", () => {
  let web: DidWebHost;
  let instant: Date;
  let ofWeb: { resolver: ReturnType<typeof createDidResolver>; clock: { now(): Date } };
  let close: () => Promise<void>;
  beforeEach(async () => {
    web = await startDidWebHost();
    const egress = createEgress({ allowPrivateAddresses: true, msMax: 2_000 });
    instant = now;
    const ticking = { now: () => instant };
    ofWeb = { clock: ticking, resolver: createDidResolver({ egress, clock: ticking, allowPrivateAddresses: true }) };
    close = () => egress.close();
  });
  afterEach(async () => {
    await close();
    await web[Symbol.asyncDispose]();
  });

  /** A key of a did:web, and its DID document with `changes`. */
  function webKey(changes: (method: Record<string, unknown>, did: string) => object): SigningKey {
    const did = web.did("a");
    const web80 = generateSigningKey({ web: did.slice("did:web:".length) });
    const method = { id: web80.id, type: "Multikey", controller: did, publicKeyMultibase: web80.publicKeyMultibase };
    web.host("a", { id: did, ...changes(method, did) });
    return loadSigningKey(web80);
  }

  const attempt = (by: SigningKey) => verifyRequest(requestOf(signed({ by, created: instant })), ofWeb);

  test("lists the key in authentication", async () => {
    const by = webKey((method) => ({ verificationMethod: [method], authentication: [method["id"]] }));
    expect(await attempt(by)).toMatchObject({ controller: by.controller, verificationMethod: by.id });
  });

  test("or has it embedded there", async () => {
    const by = webKey((method) => ({ authentication: [method] }));
    expect(await attempt(by)).toMatchObject({ controller: by.controller });
  });

  test.each<[string, (method: Record<string, unknown>, did: string) => object, RegExp]>([
    [
      "with the key for assertions only",
      (method) => ({ verificationMethod: [method], assertionMethod: [method["id"]] }),
      /not among the keys in "authentication"/,
    ],
    [
      "with the key for nothing",
      (method) => ({ verificationMethod: [method] }),
      /not among the keys in "authentication"/,
    ],
    [
      "with a key of another controller",
      (method) => ({ authentication: [{ ...method, controller: "did:web:other.example" }] }),
      /whose controller is not/,
    ],
    [
      "with a revoked key",
      (method) => ({ authentication: [{ ...method, revoked: "2026-11-26T08:00:00Z" }] }),
      /by its "revoked"/,
    ],
    [
      "with a key that has expired",
      (method) => ({ authentication: [{ ...method, expires: "2026-11-26T09:00:00Z" }] }),
      /by its "expires"/,
    ],
    [
      "with a key whose end cannot be read",
      (method) => ({ authentication: [{ ...method, expires: 5 }] }),
      /by its "expires"/,
    ],
    [
      "with a key that is none",
      (method) => ({ authentication: [{ ...method, publicKeyMultibase: "z6Mk" }] }),
      /leads to a key that/,
    ],
  ])("%s lets nobody in", async (_, changes, part) => {
    await expect(attempt(webKey(changes))).rejects.toMatchObject({
      type: "invalid-signature",
      message: expect.stringMatching(part),
    });
  });

  test("counts as it is now: a key that was taken out ends with the copy, which is young", async () => {
    const by = webKey((method) => ({ authentication: [method] }));
    await attempt(by);
    web.host("a", { id: by.controller, authentication: [] });
    instant = new Date(now.getTime() + limits.didWriteAgeMsMax);
    expect(await attempt(by)).toMatchObject({ controller: by.controller });
    instant = new Date(now.getTime() + limits.didWriteAgeMsMax + 1);
    await expect(attempt(by)).rejects.toMatchObject({ type: "invalid-signature" });
  });

  test("that cannot be had now is another matter, and is not asked for before the rest holds", async () => {
    const by = webKey(() => ({}));
    web.host("a", "", 503);
    await expect(verifyRequest(requestOf(signed({ by }), { body: Buffer.from("x") }), ofWeb)).rejects.toMatchObject({
      type: "invalid-signature",
    });
    expect(web.requests).toEqual([]);
    await expect(attempt(by)).rejects.toMatchObject({ type: "did-unavailable", status: 503 });
  });
});

describe("others understand it alike", () => {
  const verifier = (by: SigningKey) => {
    const publicKey = createPublicKey(by.privateKey);
    return {
      id: by.id,
      verify: async (data: Buffer, signature: Buffer) =>
        by.algorithm === "Ed25519"
          ? verify(null, data, publicKey, signature)
          : verify("sha256", data, { key: publicKey, dsaEncoding: "ieee-p1363" }, signature),
    };
  };

  test.each(["Ed25519", "P-256"] as const)(
    "http-message-signatures verifies what is signed here: %s",
    async (algorithm) => {
      const by = loadSigningKey(generateSigningKey({ algorithm }));
      // Its clock is the machine's.
      const headers = signRequest({ method: "POST", targetUri, body: text }, by, { created: new Date(), nonce });
      const config = {
        keyLookup: async ({ keyid }: { keyid?: string }) => (keyid === by.id ? verifier(by) : null),
        requiredParams: ["created", "nonce", "keyid"],
        requiredFields: ["@method", "@target-uri", "content-digest"],
      };
      expect(await httpbis.verifyMessage(config, { method: "POST", url: targetUri, headers })).toBe(true);
      expect(await httpbis.verifyMessage(config, { method: "PUT", url: targetUri, headers })).toBe(false);
    },
  );

  test.each(["Ed25519", "P-256"] as const)("what it signs is verified here: %s", async (algorithm) => {
    const by = loadSigningKey(generateSigningKey({ algorithm }));
    const { headers } = await httpbis.signMessage(
      {
        key: { id: by.id, sign: async (data: Buffer) => signHashData(data, by.algorithm, by.privateKey) },
        fields: ["@method", "@target-uri", "content-digest", "content-type", "@authority", "@path", "@query"],
        params: ["created", "keyid", "nonce", "expires"],
        paramValues: { created: now, nonce, expires: new Date(now.getTime() + 60_000) },
      },
      {
        method: "POST",
        url: targetUri,
        headers: { "content-digest": signed()["content-digest"] ?? "", "content-type": "application/json" },
      },
    );
    expect(await check(requestOf(headers as Record<string, string>))).toMatchObject({ controller: by.controller });
  });

  test("the signature base is that of RFC 9421 B.2.6", () => {
    const input = `("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`;
    const covered = parseDictionary(`sig-b26=${input}`).get("sig-b26") as InnerList;
    const base = signatureBaseOf(covered, {
      method: "POST",
      targetUri: "https://example.com/foo?param=Value&Pet=dog",
      headers: new Headers({
        date: "Tue, 20 Apr 2021 02:07:55 GMT",
        "content-type": "application/json",
        "content-length": "18",
      }),
      body: Buffer.from('{"hello": "world"}'),
    });
    const x = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";
    const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    const signature = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    expect(verify(null, Buffer.from(base), publicKey, Buffer.from(signature, "base64"))).toBe(true);
  });

  test("the worked example of docs/requests.md is right in every byte", async () => {
    const page = readFileSync(new URL("../../docs/requests.md", import.meta.url), "utf8");
    const block = (name: string) => {
      const [, indent = "", code = ""] =
        new RegExp(`^( *)\`\`\`\\w+ ${name}\\n(.*?)\\n *\`\`\`$`, "ms").exec(page) ?? [];
      return code
        .split("\n")
        .map((line) => line.slice(indent.length))
        .join("\n");
    };
    const by = loadSigningKey(JSON.parse(block("key")));
    expect(by.privateKey.export({ format: "jwk" }).d).toBe(
      Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString("base64url"),
    );
    const [head = "", body = ""] = block("request").split("\n\n");
    const [requestLine = "", ...lines] = head.split("\n");
    const headers = Object.fromEntries(lines.map((line) => line.split(/: (.*)/s, 2))) as Record<string, string>;
    const [method = "", path = ""] = requestLine.split(" ");
    const request = requestOf(headers, {
      method,
      targetUri: `https://${headers["Host"]}${path}`,
      body: Buffer.from(body),
    });
    expect(body).toBe(block("body"));

    const signature = await check(request);
    expect(signature).toMatchObject({ controller: by.controller, created: now });
    const again = signRequest({ method, targetUri: request.targetUri, body }, by, signature);
    expect(new Headers(again).get("signature")).toBe(headers["Signature"]);
    expect(again["signature-input"]).toBe(headers["Signature-Input"]);
    const covered = parseDictionary(headers["Signature-Input"] ?? "").get("sig1") as InnerList;
    expect(signatureBaseOf(covered, request)).toBe(block("base"));
  });

  test("docs/requests.md gives the limits as they are", () => {
    const page = readFileSync(new URL("../../docs/requests.md", import.meta.url), "utf8");
    expect(page).toContain(`at most ${limits.requestSignatureAgeMsMax / 1000} from the registry's clock`);
    expect(page).toContain(`${limits.requestNonceCharactersMin} to ${limits.requestNonceCharactersMax} characters`);
    expect(page).toContain(`${limits.requestNoncesPerControllerMax} requests in ten minutes`);
    expect(limits.requestSignatureAgeMsMax + limits.requestNonceMarginMs).toBe(10 * 60 * 1000);
  });
});

/** `keygen` makes no keys on P-384, but owners may have them. */
function p384Key(): SigningKey {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
  const controller = "did:web:example.org" as SigningKey["controller"];
  return { id: `${controller}#key-1`, controller, algorithm: "P-384", privateKey, publicKeyMultibase: "" };
}

/** A resolver that knows the DID document of `by`, with its key as a JWK. */
function resolverOf({ id, controller, privateKey }: SigningKey): Pick<typeof resolver, "resolve" | "resolveStale"> {
  const { kty, crv, x, y } = createPublicKey(privateKey).export({ format: "jwk" });
  const method = { id, type: "JsonWebKey", controller, publicKeyJwk: { kty, crv, x, y } as Record<string, string> };
  const document = { id: controller, verificationMethod: [method], assertionMethod: [], authentication: [id] };
  const resolve = async () => ({ document, retrievedAt: now });
  return { resolve, resolveStale: async () => ({ ...(await resolve()), stale: false }) };
}
