import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, emptyTables } from "../../test/support/database.ts";
import type { Database } from "../db/client.ts";
import { registryKeys } from "../db/schema/index.ts";
import { importMultikey } from "../identity/public-key.ts";
import { actorDocument, nodeInfoDocument, nodeInfoLinks, webFingerDocument } from "./actor.ts";
import { loadActorKeys } from "./actor-keys.ts";

let db: Database;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.close());

test("the actor's keys are made once, also by nodes that start together, and kept as JWKs", async () => {
  await emptyTables(db);
  const [one, other] = await Promise.all([loadActorKeys(db.orm), loadActorKeys(db.orm)]);
  const again = await loadActorKeys(db.orm);
  for (const keys of [other, again]) {
    expect(keys?.rsa.publicKeyPem).toBe(one.rsa.publicKeyPem);
    expect(keys?.ed25519).toEqual(one.ed25519);
    expect(keys?.created).toEqual(one.created);
  }
  const rows = await db.orm.select().from(registryKeys);
  expect(rows.map(({ purpose, key }) => [purpose, (key as { kty: string }).kty]).sort()).toEqual([
    ["activitypub-ed25519", "OKP"],
    ["activitypub-rsa", "RSA"],
  ]);
  expect(one.rsa.privateKey.algorithm).toMatchObject({ name: "RSASSA-PKCS1-v1_5", modulusLength: 2048 });
  expect(importMultikey(one.ed25519.publicKeyMultibase).algorithm).toBe("Ed25519");
});

describe("the actor at a public URL", () => {
  const publicUrl = "https://registry.example:8443";

  test("has its keys and addresses, and what makes it a registry of our kind", async () => {
    const keys = await loadActorKeys(db.orm);
    const published = new Date("2026-11-21T09:00:00Z");
    const actor = actorDocument({ publicUrl, keys, approvesFollowers: true, published });
    const id = `${publicUrl}/actor`;
    expect(actor).toMatchObject({
      id,
      type: "Application",
      preferredUsername: "registry",
      inbox: `${publicUrl}/inbox`,
      outbox: `${publicUrl}/outbox`,
      followers: `${publicUrl}/followers`,
      following: `${publicUrl}/following`,
      endpoints: { sharedInbox: `${publicUrl}/inbox` },
      manuallyApprovesFollowers: true,
      alsoKnownAs: ["did:web:registry.example%3A8443"],
      publicKey: { id: `${id}#main-key`, owner: id, publicKeyPem: keys.rsa.publicKeyPem },
      assertionMethod: [{ id: `${id}#ed25519-key`, type: "Multikey", controller: id, ...keys.ed25519 }],
      "thingstead:entries": `${publicUrl}/entries`,
      "thingstead:batchMax": 100,
    });
    expect(JSON.stringify(actor)).not.toContain("PRIVATE");
  });

  test("is found by WebFinger under its names, and nothing else is", () => {
    const account = "acct:registry@registry.example:8443";
    for (const resource of [account, account.toUpperCase(), `${publicUrl}/actor`, publicUrl, `${publicUrl}/`]) {
      expect(webFingerDocument(publicUrl, resource)).toMatchObject({
        subject: account,
        links: [{ rel: "self", type: "application/activity+json", href: `${publicUrl}/actor` }, {}],
      });
    }
    for (const resource of ["", "acct:registry@other.example", "acct:admin@registry.example:8443", `${publicUrl}/x`]) {
      expect(webFingerDocument(publicUrl, resource)).toBeNull();
    }
  });

  test("belongs to a server that NodeInfo describes", () => {
    expect(nodeInfoLinks(publicUrl)).toEqual({
      links: [{ rel: "http://nodeinfo.diaspora.software/ns/schema/2.1", href: `${publicUrl}/nodeinfo/2.1` }],
    });
    expect(nodeInfoDocument({ version: "1.2.3", entries: 7 })).toMatchObject({
      version: "2.1",
      software: { name: "thingstead", version: "1.2.3" },
      protocols: ["activitypub"],
      openRegistrations: false,
      usage: { users: { total: 1 }, localPosts: 7 },
    });
  });
});
