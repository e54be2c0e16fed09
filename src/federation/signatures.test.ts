import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { httpbis } from "http-message-signatures";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type ActorHost,
  type SeenRequest,
  serveActor,
  startActorHost,
  type TestActor,
} from "../../test/support/actor-host.ts";
import { movableClock, type MovableClock } from "../../test/support/clock.ts";
import { createEgress, type PostingEgress } from "../base/egress.ts";
import { createHostBudget, withHostBudget } from "../base/host-budget.ts";
import { limits } from "../base/limits.ts";
import { encodePublicKey } from "../identity/multikey.ts";
import { createRemoteDocuments } from "./remote-documents.ts";
import { createRemoteKeys } from "./remote-keys.ts";
import { createSignatureVerifier, type SignedRequest, type VerifySignature } from "./signatures.ts";
import type { OutgoingRequest, SignatureSpec, Signer } from "./signer.ts";

const draft: SignatureSpec = "draft-cavage-http-signatures-12";
const specs = [draft, "rfc9421"] as const;
const body = Buffer.from('{"type":"Create"}');

let clock: MovableClock;
let egress: PostingEgress;
/** Whose requests are looked at, and who looks at them. */
let sender: ActorHost;
let receiver: ActorHost;
let a: TestActor;
let b: TestActor;
let verify: VerifySignature;

const fetchStub = vi.fn(() => {
  throw new Error("fetch was called");
});

beforeEach(async () => {
  clock = movableClock(new Date("2026-11-21T09:00:00Z"));
  egress = createEgress({ allowPrivateAddresses: true });
  sender = await startActorHost();
  receiver = await startActorHost();
  a = serveActor(sender, clock);
  b = serveActor(receiver, clock);
  receiver.answers.set("/inbox", { status: 202 });
  verify = newVerifier();
  // Whatever is fetched is fetched by the egress.
  vi.stubGlobal("fetch", fetchStub);
});
afterEach(async () => {
  vi.unstubAllGlobals();
  expect(fetchStub).not.toHaveBeenCalled();
  fetchStub.mockClear();
  await egress.close();
  await sender[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

function newVerifier(): VerifySignature {
  const documents = createRemoteDocuments({
    egress: withHostBudget(egress, createHostBudget(clock)),
    signer: b.signer,
  });
  return createSignatureVerifier({ keys: createRemoteKeys({ documents, clock }), clock });
}

/** Sends a request of `signer` over HTTP; what arrived. */
async function send(signer: Signer, spec: SignatureSpec, changes: Partial<OutgoingRequest> = {}): Promise<SeenRequest> {
  const request: OutgoingRequest = {
    method: "POST",
    url: `${receiver.origin}/inbox`,
    headers: { "content-type": "application/activity+json", accept: "application/json" },
    body,
    ...changes,
  };
  const headers = await signer.sign(request, spec);
  if (request.body === null) await egress.get(request.url, { headers });
  else await egress.post(request.url, { headers, body: request.body });
  const seen = receiver.seen.at(-1);
  if (seen === undefined) throw new Error("nothing arrived");
  return seen;
}

const withHeaders = (request: SignedRequest, changes: Record<string, string | null>): SignedRequest => {
  const headers = new Headers(request.headers);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
  return { ...request, headers };
};

async function expectInvalid(request: SignedRequest, about?: RegExp): Promise<void> {
  const failure = await verify(request).then(
    (signer) => signer,
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ name: "Problem", type: "invalid-signature", status: 401 });
  if (about !== undefined) expect((failure as Error).message).toMatch(about);
}

const fetchesOfKey = (): number => sender.seen.filter(({ url }) => url === a.id).length;

describe.each(specs)("a request signed by %s", (spec) => {
  test("arrives as its actor's, by a key that is fetched once", async () => {
    for (let count = 0; count < 3; count += 1) {
      expect(await verify(await send(a.signer, spec))).toEqual({ actor: a.id, keyId: a.keyId });
    }
    expect(await verify(await send(a.signer, spec), { actor: a.id })).toMatchObject({ actor: a.id });
    expect(fetchesOfKey()).toBe(1);
  });

  test("can have no body", async () => {
    receiver.answers.set("/entries", { body: {} });
    const request = await send(a.signer, spec, { method: "GET", url: `${receiver.origin}/entries`, body: null });
    expect(await verify({ ...request, body: new Uint8Array() })).toMatchObject({ actor: a.id });
    await expectInvalid({ ...request, url: `${receiver.origin}/things` });
  });

  test("fetches its key by a request that is signed as well", async () => {
    await verify(await send(a.signer, spec));
    const fetched = sender.seen.find(({ url }) => url === a.id);
    expect(fetched?.headers.get("signature")).toContain(`keyId="${b.keyId}"`);
  });

  test("does not hold for another body, address, method or time", async () => {
    const request = await send(a.signer, spec);
    await expectInvalid({ ...request, body: Buffer.from('{"type":"Delete"}') });
    await expectInvalid({ ...request, url: `${receiver.origin}/elsewhere` });
    await expectInvalid({ ...request, method: "PUT" });
    await expectInvalid(withHeaders(request, { date: new Date("2026-11-21T09:00:01Z").toUTCString() }));
    expect(await verify(request)).toMatchObject({ actor: a.id });
  });

  test("does not hold at another host, whatever its Host header says", async () => {
    const request = await send(a.signer, spec);
    await expectInvalid({ ...request, url: "https://other.example/inbox" });
    await expectInvalid(withHeaders({ ...request, url: "https://other.example/inbox" }, { host: "other.example" }));
  });

  test("does not hold without its digest, or with a wrong one", async () => {
    const request = await send(a.signer, spec);
    await expectInvalid(withHeaders(request, { digest: null, "content-digest": null }));
    const wrong = { digest: `SHA-256=${"A".repeat(43)}=`, "content-digest": `sha-256=:${"A".repeat(43)}=:` };
    await expectInvalid(withHeaders(request, wrong));
  });

  test("does not hold once it is old, or from the future", async () => {
    const ageMsMax = spec === draft ? 60 * 60 * 1000 : limits.requestSignatureAgeMsMax;
    const request = await send(a.signer, spec);
    clock.pass(ageMsMax);
    expect(await verify(request)).toMatchObject({ actor: a.id });
    clock.pass(1_000);
    await expectInvalid(request, /not of now/);
    clock.pass(-2 * ageMsMax - 2_000);
    await expectInvalid(request, /not of now/);
  });

  test("by another actor is that actor's, and refused where one is expected", async () => {
    const request = await send(b.signer, spec);
    expect(await verify(request)).toMatchObject({ actor: b.id });
    await expect(verify(request, { actor: a.id })).rejects.toMatchObject({ type: "invalid-signature" });
    const neighbour = serveActor(sender, clock, { path: "/neighbour" });
    await expect(verify(await send(neighbour.signer, spec), { actor: a.id })).rejects.toThrow(/by .*neighbour/);
  });

  test("by a key that is not the one which it names", async () => {
    const request = await send(a.signer, spec);
    const [name, header] = spec === draft ? ["signature", "signature"] : ["signature-input", "signature-input"];
    const forged = (request.headers.get(header) ?? "").replace(a.keyId, b.keyId);
    await expectInvalid(withHeaders(request, { [name]: forged }));
  });

  test("whose key was changed is checked with the new one, at most once a minute", async () => {
    expect(await verify(await send(a.signer, spec))).toMatchObject({ actor: a.id });
    const renewed = serveActor(sender, clock);
    await expectInvalid(await send(renewed.signer, spec));
    expect(fetchesOfKey()).toBe(1);
    clock.pass(60_000);
    expect(await verify(await send(renewed.signer, spec))).toMatchObject({ actor: a.id });
    expect(fetchesOfKey()).toBe(2);
    for (let count = 0; count < 3; count += 1) await expectInvalid(await send(a.signer, spec));
    expect(fetchesOfKey()).toBe(2);
  });

  test("by a key that was read ten minutes ago asks for it again", async () => {
    await verify(await send(a.signer, spec));
    clock.pass(10 * 60 * 1000);
    await verify(await send(a.signer, spec));
    expect(fetchesOfKey()).toBe(2);
  });

  test("can be verified later if the key cannot be fetched now, which is tried once a minute", async () => {
    sender.answers.set("/actor", { status: 503 });
    for (let count = 0; count < 3; count += 1) {
      await expect(verify(await send(a.signer, spec))).rejects.toMatchObject({
        type: "peer-unavailable",
        status: 503,
        retry: "later",
      });
    }
    expect(fetchesOfKey()).toBe(1);
    sender.answers.set("/actor", { body: a.document });
    clock.pass(60_000);
    expect(await verify(await send(a.signer, spec))).toMatchObject({ actor: a.id });
  });
});

describe("the key of a request", () => {
  const publicKey = () => a.document.publicKey as { id: string; owner: string; publicKeyPem: string };

  test.each([
    ["is gone", () => ({ status: 410 })],
    ["is no ActivityStreams", () => ({ body: JSON.stringify(a.document), headers: { "content-type": "text/html" } })],
    [
      "is a file that somebody uploaded",
      () => ({ body: JSON.stringify(a.document), headers: { "content-type": "application/json" } }),
    ],
    ["is not JSON", () => ({ body: "{", headers: { "content-type": "application/activity+json" } })],
    ["is nothing but an array", () => ({ body: "[]", headers: { "content-type": "application/activity+json" } })],
    ["has another id", () => ({ body: { ...a.document, publicKey: { ...publicKey(), id: `${a.id}#other` } } })],
    ["is of a document with another id", () => ({ body: { ...a.document, id: `${sender.origin}/someone` } })],
    ["is of an actor of another origin", () => ({ body: { ...a.document, id: b.id } })],
    ["has another owner", () => ({ body: { ...a.document, publicKey: { ...publicKey(), owner: b.id } } })],
    [
      "is a private one",
      () => {
        const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
        const publicKeyPem = String(privateKey.export({ type: "pkcs8", format: "pem" }));
        return { body: { ...a.document, publicKey: { ...publicKey(), publicKeyPem } } };
      },
    ],
    ["is no key", () => ({ body: { ...a.document, publicKey: { ...publicKey(), publicKeyPem: "PUBLIC KEY-----" } } })],
    ["is longer than any", () => ({ body: `{"id":"${"x".repeat(limits.documentBytesMax)}"}` })],
  ])("must not be one that %s", async (_what, answer) => {
    sender.answers.set("/actor", answer());
    await expectInvalid(await send(a.signer, draft), /cannot be used/);
    expect(fetchesOfKey()).toBe(1);
    // What cannot be used is not asked for again at once.
    await expectInvalid(await send(a.signer, draft));
    expect(fetchesOfKey()).toBe(1);
  });

  test("must not be shorter than 2,048 bits", async () => {
    const weak = serveActor(sender, clock, { modulusLength: 1024 });
    await expectInvalid(await send(weak.signer, draft), /cannot be used/);
  });

  test("must not be another origin's, where its own leads there", async () => {
    const elsewhere = { ...a.document };
    receiver.answers.set("/copy", { body: elsewhere });
    sender.answers.set("/actor", { status: 302, headers: { location: `${receiver.origin}/copy` } });
    await expectInvalid(await send(a.signer, draft), /another origin/);
  });

  test("can be moved within its origin, and may be a document of its own, if its owner lists it", async () => {
    sender.answers.set("/actor", { body: a.document });
    const moved = serveActor(sender, clock, { path: "/old" });
    sender.answers.set("/old", { status: 301, headers: { location: "/new" } });
    sender.answers.set("/new", { body: moved.document });
    expect(await verify(await send(moved.signer, draft))).toMatchObject({ actor: moved.id });

    const owned = serveActor(sender, clock, { path: "/owned" });
    const key = { ...(owned.document.publicKey as Record<string, string>), id: `${sender.origin}/keys/1` };
    sender.answers.set("/owned", { body: { ...owned.document, publicKey: [key] } });
    sender.answers.set("/keys/1", { body: key });
    const signed = await send(owned.signer, draft);
    const header = signed.headers.get("signature")?.replace(owned.keyId, key.id) ?? "";
    expect(await verify(withHeaders(signed, { signature: header }))).toEqual({ actor: owned.id, keyId: key.id });

    sender.answers.set("/keys/2", { body: { ...key, id: `${sender.origin}/keys/2` } });
    const unlisted = signed.headers.get("signature")?.replace(owned.keyId, `${sender.origin}/keys/2`) ?? "";
    await expectInvalid(withHeaders(signed, { signature: unlisted }), /does not list/);

    // Nor is it another origin's, even if both say so.
    const lent = { ...key, id: `${sender.origin}/keys/4`, owner: b.id };
    sender.answers.set("/keys/4", { body: lent });
    receiver.answers.set("/actor", { body: { ...b.document, publicKey: lent } });
    const borrowed = signed.headers.get("signature")?.replace(owned.keyId, lent.id) ?? "";
    await expectInvalid(withHeaders(signed, { signature: borrowed }), /does not name an owner/);

    // The owner's document must be the owner's: not one with another id, even if it lists the key.
    const alias = `${sender.origin}/alias`;
    const claimed = { ...key, id: `${sender.origin}/keys/3`, owner: alias };
    sender.answers.set("/keys/3", { body: claimed });
    sender.answers.set("/alias", { body: { ...owned.document, publicKey: claimed } });
    const aliased = signed.headers.get("signature")?.replace(owned.keyId, claimed.id) ?? "";
    await expectInvalid(withHeaders(signed, { signature: aliased }), /does not list/);
  });

  test("is fetched only at addresses that may be reached", async () => {
    const strict = createEgress({ allowPrivateAddresses: false });
    const documents = createRemoteDocuments({ egress: strict, signer: b.signer });
    verify = createSignatureVerifier({ keys: createRemoteKeys({ documents, clock }), clock });
    await expectInvalid(await send(a.signer, draft), /only https is fetched/);
    expect(sender.connections()).toBe(0);
    await strict.close();
  });

  test("of another origin than expected is not fetched at all", async () => {
    const request = await send(a.signer, draft);
    await expect(verify(request, { actor: b.id })).rejects.toMatchObject({ type: "invalid-signature" });
    expect(fetchesOfKey()).toBe(0);
  });

  test("is not fetched for a signature whose form, time or digest is wrong", async () => {
    const request = await send(a.signer, draft);
    const signature = request.headers.get("signature") ?? "";
    await expectInvalid(withHeaders(request, { signature: null }), /missing/);
    await expectInvalid({ ...request, body: Buffer.from("{}") });
    clock.pass(2 * 60 * 60 * 1000);
    await expectInvalid(request);
    clock.pass(-2 * 60 * 60 * 1000);
    for (const broken of ["", "x", `${signature},`, `keyId="${a.keyId}",${signature}`, `${signature},a="`]) {
      await expectInvalid(withHeaders(request, { signature: broken }));
    }
    expect(fetchesOfKey()).toBe(0);
    expect(await verify(request)).toMatchObject({ actor: a.id });
  });

  test("is waited for by requests that come together, and fetched once", async () => {
    const requests = [];
    for (let count = 0; count < 8; count += 1) requests.push(await send(a.signer, "rfc9421"));
    await Promise.all(requests.map((request) => verify(request)));
    expect(fetchesOfKey()).toBe(1);
  });

  test("can be an Ed25519 Multikey in assertionMethod", async () => {
    const { privateKey, publicKey: ofPair } = generateKeyPairSync("ed25519");
    const raw = Buffer.from(ofPair.export({ format: "jwk" }).x ?? "", "base64url");
    const keyId = `${a.id}#ed25519-key`;
    const multikey = {
      id: keyId,
      type: "Multikey",
      controller: a.id,
      publicKeyMultibase: encodePublicKey("Ed25519", raw),
    };
    sender.answers.set("/actor", { body: { ...a.document, assertionMethod: [multikey] } });
    const signed = await httpbis.signMessage(
      {
        key: { id: keyId, alg: "ed25519", sign: async (data: Buffer) => sign(null, data, privateKey) },
        fields: ["@method", "@target-uri"],
        paramValues: { created: clock.now() },
        params: ["created", "keyid"],
      },
      { method: "GET", url: `${receiver.origin}/entries?limit=2`, headers: {} },
    );
    const request: SignedRequest = {
      method: "GET",
      url: `${receiver.origin}/entries?limit=2`,
      headers: new Headers(signed.headers as Record<string, string>),
      body: new Uint8Array(),
    };
    expect(await verify(request)).toEqual({ actor: a.id, keyId });
    await expectInvalid({ ...request, url: `${receiver.origin}/entries?limit=3` });
  });
});

describe("what a signature must cover", () => {
  test("the host, the address, the time and the body, by the draft", async () => {
    const request = await send(a.signer, draft);
    const signature = request.headers.get("signature") ?? "";
    for (const name of ["(request-target)", "host", "date", "digest"]) {
      const less = signature.replace(/headers="([^"]*)"/, (_all, names: string) => {
        const kept = names.split(" ").filter((one) => one !== name);
        return `headers="${kept.join(" ")}"`;
      });
      await expectInvalid(
        withHeaders(request, { signature: less }),
        new RegExp(`does not cover ${name.replace(/[()]/g, "\\$&")}`),
      );
    }
    await expectInvalid({ ...request, url: `${request.url}?page=1` }, /query/);
  });

  test("the method, the address and the body, by the standard", async () => {
    const request = await send(a.signer, "rfc9421");
    const input = request.headers.get("signature-input") ?? "";
    for (const name of ["@method", "@target-uri", "content-digest"]) {
      const less = input.replace(`"${name}"`, "").replace(/ +/g, " ").replace("( ", "(").replace(" )", ")");
      await expectInvalid(withHeaders(request, { "signature-input": less }), new RegExp(`does not cover ${name}`));
    }
  });

  test("a body is never left out: a signature of a GET is none of a POST", async () => {
    receiver.answers.set("/inbox", { body: {} });
    const got = await send(a.signer, "rfc9421", { method: "GET", body: null });
    await expectInvalid({ ...got, method: "POST", body });
    await expectInvalid({ ...got, body: new Uint8Array(), method: "DELETE" });
  });

  test("only one signature counts, and it must be there", async () => {
    const request = await send(a.signer, "rfc9421");
    const [input, signature] = [request.headers.get("signature-input"), request.headers.get("signature")];
    const other = { "signature-input": `other=();created=1;keyid="${b.keyId}", ${input}` };
    await expectInvalid(withHeaders(request, { ...other, signature: `${signature}, other=:AA==:` }), /only one/);
    await expectInvalid(withHeaders(request, { signature: "other=:AA==:" }), /missing/);
    await expectInvalid(withHeaders(request, { signature: null }), /missing/);
    await expectInvalid(withHeaders(request, { "signature-input": "sig1" }));
    await expectInvalid(withHeaders(request, { "signature-input": "((" }), /dictionary/);
    const expired = `${input};expires=${Math.floor(clock.now().getTime() / 1000)}`;
    await expectInvalid(withHeaders(request, { "signature-input": expired }), /expired/);
  });

  test("a digest that is easily forged is none", async () => {
    const sha1 = `SHA=${createHash("sha1").update(body).digest("base64")}`;
    const request = await send(a.signer, draft, { headers: { digest: sha1 } });
    expect(request.headers.get("digest")).toBe(sha1);
    await expectInvalid(request, /SHA-256/);
  });

  test("its keyId must be an http or https URL", async () => {
    const request = await send(a.signer, draft);
    for (const keyId of ["did:example:1", "x", "", "file:///etc/passwd", `https://a.example/${"x".repeat(2_048)}`]) {
      const header = request.headers.get("signature")?.replace(a.keyId, keyId) ?? "";
      await expectInvalid(withHeaders(request, { signature: header }), /names no key/);
    }
  });
});

test("strangers cannot have a host flooded with requests for keys", async () => {
  const request = await send(a.signer, draft);
  const problems: string[] = [];
  for (let count = 0; count < limits.hostRequestsMax + 20; count += 1) {
    const header = request.headers.get("signature")?.replace(a.keyId, `${sender.origin}/${count}#key`) ?? "";
    await verify(withHeaders(request, { signature: header })).catch((error: { type: string }) => {
      problems.push(error.type);
    });
  }
  expect(sender.seen).toHaveLength(limits.hostRequestsMax);
  expect(problems.slice(-20)).toEqual(Array.from({ length: 20 }, () => "peer-unavailable"));
});

test("the library that verifies loads nothing by itself, whatever a signature names", async () => {
  // An address that the library would go to.
  const keyId = "https://93.184.215.14/actor#main-key";
  const other = serveActor(sender, clock, { path: "/other" });
  const verifyOther = createSignatureVerifier({
    keys: createRemoteKeys({
      documents: {
        read: async () => {
          const key = { ...(other.document.publicKey as Record<string, string>), id: keyId };
          const id = "https://93.184.215.14/actor";
          return { id, "@context": "https://93.184.215.14/context", publicKey: { ...key, owner: id } };
        },
        readPlain: async () => ({}),
      },
      clock,
    }),
    clock,
  });
  for (const spec of specs) {
    const signed = await send(a.signer, spec);
    const headers = new Headers(signed.headers);
    for (const name of ["signature", "signature-input"]) {
      const value = headers.get(name);
      if (value !== null) headers.set(name, value.replace(a.keyId, keyId));
    }
    const refused = verifyOther({ ...signed, headers });
    await expect(refused).rejects.toMatchObject({ type: "invalid-signature" });
  }
});
