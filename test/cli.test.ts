import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { bin, type Ran, runCli, runProgram, type RunOptions } from "./support/cli.ts";
import { createDatabasePlace, type DatabasePlace } from "./support/database.ts";
import { adminToken, startTestService, type TestService, thingPath } from "./support/service.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const weather = path.join(root, "examples", "weather-agent.td.json");
const uuidUrn = /urn:uuid:[0-9a-f-]{36}/;

// Most tests run several at a time, each in processes of its own: together they are faster, each for itself is slower.
vi.setConfig({ testTimeout: 120_000 });

let directory: string;
let registry: TestService;
let key: string;
let otherKey: string;
let did: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "thingstead-cli-"));
  registry = await startTestService();
  [key, otherKey] = [path.join(directory, "me.json"), path.join(directory, "other.json")];
  did = (await runCli(["keygen", "--out", key])).stdout.trim();
  await runCli(["keygen", "--out", otherKey]);
});

afterAll(async () => {
  await registry.close();
  await rm(directory, { recursive: true, force: true });
});

/** Runs a command against the registry of this file. */
function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runCli(args, { cwd: directory, ...options, env: { THINGSTEAD_REGISTRY: registry.url, ...options.env } });
}

let made = 0;

/** Writes a valid description into a file of its own; a null id leaves it out. */
async function writeTd(changes: Record<string, unknown> = {}): Promise<{ file: string; id: string; title: string }> {
  made += 1;
  const td: Record<string, unknown> = {
    "@context": "https://www.w3.org/2022/wot/td/v1.1",
    id: `urn:example:cli:${made}`,
    title: `Thing number ${made}`,
    securityDefinitions: { nosec_sc: { scheme: "nosec" } },
    security: "nosec_sc",
    ...changes,
  };
  if (td.id === null) delete td.id;
  const file = path.join(directory, `thing-${made}.td.json`);
  await writeFile(file, JSON.stringify(td, null, 2));
  return { file, id: String(td.id), title: String(td.title) };
}

/** A refusal: exit code 1, nothing on stdout, and words instead of a stack trace. */
function expectRefusal(ran: Ran, words: RegExp | string): void {
  expect(ran.stderr).toMatch(words);
  expect(ran).toMatchObject({ code: 1, stdout: "" });
  expect(ran.stderr).not.toMatch(/^\s+at /m);
}

/** Runs a command that is refused. */
async function expectRefused(args: readonly string[], words: RegExp | string, options: RunOptions = {}): Promise<void> {
  expectRefusal(await run(args, options), words);
}

describe.concurrent("wrong usage ends with 2, and help does not", () => {
  test.each([
    [[]],
    [["bogus"]],
    [["search", "--bogus"]],
    [["search", "--limit", "0"]],
    [["search", "--limit", "101"]],
    [["search", "--registry", "ftp://registry.example"]],
    [["sign", "a.json"]],
    [["register"]],
    [["retract", "urn:example:1"]],
    [["heartbeat", "urn:example:1"]],
    [["heartbeat", "urn:example:1", "--key", "a.json", "--ttl", "0"]],
    [["heartbeat", "urn:example:1", "--key", "a.json", "--ttl", "soon"]],
    [["unlist", "urn:example:1"]],
    [["visibility", "urn:example:1", "--key", "a.json"]],
    [["visibility", "urn:example:1", "secret", "--key", "a.json"]],
    [["search", "--scope", "everywhere"]],
    [["peers"]],
    [["peers", "follow"]],
    [["peers", "block"]],
    [["tokens"]],
    [["tokens", "create", "a"]],
    [["tokens", "create", "a", "--scope", "root"]],
    [["tokens", "create", "a", "--scope", "read", "--expires", "soon"]],
    [["tokens", "create", "a", "--scope", "read", "--expires", "0d"]],
    [["tokens", "create", "a", "--scope", "read", "--expires", "2027-99-01"]],
    [["tokens", "create", "a", "--scope", "read", "--expires", "2027-01-01T00:00:00"]],
    [["tokens", "revoke"]],
    [["keygen", "--algorithm", "RSA"]],
    [["keygen", "--web", "example.com"]],
    [["keygen", "--web", "no domain", "--out", "never.json"]],
    [["serve", "--admission", "closed"]],
    [["serve", "--federation", "perhaps"]],
    [["serve", "--peer-policy", "nobody"]],
    [["serve", "--stale-after", "5"]],
  ])("%j", async (args) => {
    const ran = await run(args);
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr).not.toBe("");
    expect(ran.stderr).not.toMatch(/^\s+at /m);
  });

  test.each([
    "serve",
    "keygen",
    "sign",
    "verify",
    "register",
    "search",
    "retract",
    "heartbeat",
    "unlist",
    "visibility",
    "peers",
    "tokens",
    "audit",
    "lan",
  ])("%s --help has an example", async (command) => {
    const { code, stdout, stderr } = await run([command, "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`  npx thingstead ${command} `.trimEnd());
  });

  test("a registry in the environment that is none is named", async () => {
    const ran = await run(["search"], { env: { THINGSTEAD_REGISTRY: "registry" } });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("THINGSTEAD_REGISTRY is registry");
  });
});

describe.concurrent("keygen", () => {
  test("writes a key that only its owner can read, and prints the DID alone", async () => {
    const file = path.join(directory, "fresh.json");
    const { code, stdout } = await run(["keygen", "--out", file]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^did:key:z6Mk\w+\n$/);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ controller: stdout.trim(), type: "Multikey" });
  });

  test("leaves an existing file as it is", async () => {
    const before = await readFile(key, "utf8");
    expectRefusal(await run(["keygen", "--out", key]), "exists and was left as it is");
    expect(await readFile(key, "utf8")).toBe(before);
  });

  test("without --out prints the key", async () => {
    const { stdout } = await run(["keygen", "--algorithm", "P-256"]);
    expect(JSON.parse(stdout)).toMatchObject({ type: "Multikey", controller: expect.stringMatching(/^did:key:zDn/) });
  });

  test("for a name on the web prints the DID document, and says where it goes", async () => {
    const file = path.join(directory, "web.json");
    const { stdout, stderr } = await run(["keygen", "--web", "example.com:agents:billing", "--out", file]);
    expect(JSON.parse(stdout)).toMatchObject({ id: "did:web:example.com:agents:billing" });
    expect(stdout).not.toContain("secretKey");
    expect(stderr).toContain("https://example.com/agents/billing/did.json");
  });
});

describe.concurrent("sign and verify", () => {
  test("agree, through files and through pipes", async () => {
    const signed = path.join(directory, "signed.json");
    expect(await run(["sign", weather, "--key", key, "--out", signed])).toMatchObject({ code: 0, stdout: "" });
    const verified = await run(["verify", signed]);
    expect(verified).toMatchObject({ code: 0, stderr: "" });
    expect(verified.stdout).toMatch(/^valid: +Weather Agent$/m);
    expect(verified.stdout).toContain(`controller:  ${did}\n`);
    expect(verified.stdout).toMatch(/^method: +did:key:\w+#\w+$/m);
    expect(verified.stdout).toMatch(/^created: +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/m);

    const piped = await run(["sign", "-", "--key", key], { stdin: await readFile(weather, "utf8") });
    expect(await run(["verify", "-"], { stdin: piped.stdout })).toMatchObject({ code: 0 });
  });

  test("what they say is what a verifier of nobody's says", async () => {
    const { stdout: signed } = await run(["sign", weather, "--key", key]);
    const script = path.join(root, "docs", "verify-entry.mjs");
    const check = (stdin: string) => runProgram(process.execPath, [script], { stdin });
    expect(await check(signed)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`valid: signed by ${did} at `),
    });
    expect(await check(signed.replace("Weather Agent", "Whether Agent"))).toMatchObject({
      code: 1,
      stdout: "not valid\n",
    });
  });

  test("a changed, an unsigned and a missing document are told apart", async () => {
    const { stdout: signed } = await run(["sign", weather, "--key", key]);
    const changed = signed.replace("Weather Agent", "Whether Agent");
    await Promise.all([
      expectRefused(["verify", "-"], /proof does not hold/, { stdin: changed }),
      expectRefused(["verify", weather], /no proof/),
      expectRefused(["verify", "missing.json"], /there is no such file/),
      expectRefused(["verify", "-"], /I-JSON/, { stdin: '{"id":"urn:a:1","id":"urn:a:2"}' }),
      expectRefused(["verify", `${registry.url}/things/urn:example:nothing`], /nothing at/),
    ]);
  });

  test("a proof that a document has is replaced", async () => {
    const { stdout: signed } = await run(["sign", weather, "--key", key]);
    const again = await run(["sign", "-", "--key", otherKey], { stdin: signed.replace("Weather", "Water") });
    expect(again.stderr).toContain("had a proof, which was replaced");
    expect(await run(["verify", "-"], { stdin: again.stdout })).toMatchObject({ code: 0 });
  });

  test("a description that breaks the rules is not signed, and not touched", async () => {
    const { file } = await writeTd({ id: null, security: "missing_sc" });
    const before = await readFile(file, "utf8");
    expectRefusal(await run(["sign", file, "--key", key]), /^ {2}\/security: /m);
    expect(await readFile(file, "utf8")).toBe(before);
  });

  test("a key file that is none is named, without what is in it", async () => {
    const file = path.join(directory, "no-key.json");
    await writeFile(file, "zSecret");
    const ran = await run(["sign", weather, "--key", file]);
    expectRefusal(ran, /no-key\.json is not a key file/);
    expect(ran.stderr).not.toContain("zSecret");
  });
});

describe.concurrent("register", () => {
  test("publishes, and the same file again is a new version, also within the same second", async () => {
    const { file, id, title } = await writeTd();
    const first = await run(["register", file, "--key", key]);
    expect(first).toMatchObject({ code: 0, stdout: `${registry.service.publicUrl}${thingPath(id)}\n` });
    expect(first.stderr).toContain(`registered ${title}, signed by ${did}`);
    const second = await run(["register", file, "--key", key]);
    expect(second).toMatchObject({ code: 0, stdout: `${registry.url}${thingPath(id)}\n` });
    expect(second.stderr).toContain(`updated ${title}`);
    const history = await registry.fetch(`${thingPath(id)}/versions`);
    expect(((await history.json()) as { versions: unknown[] }).versions).toHaveLength(2);
  });

  test("writes an id into a file that has none, and nothing else", async () => {
    const { file } = await writeTd({ id: null });
    const before = await readFile(file, "utf8");
    const first = await run(["register", file, "--key", key]);
    const id = uuidUrn.exec(first.stderr)?.[0] ?? "";
    expect(first.stderr).toContain(`"${id}" was written into it`);
    expect(await readFile(file, "utf8")).toBe(before.replace("{\n  ", `{\n  "id": "${id}",\n  `));
    const second = await run(["register", file, "--key", key]);
    expect(second.stderr).toContain("updated");
    expect(second.stdout).toContain(encodeURIComponent(id));
  });

  test("says how to keep an id that it cannot write", async () => {
    const { file } = await writeTd({ id: null });
    const ran = await run(["register", "-", "--key", key], { stdin: await readFile(file, "utf8") });
    expect(ran.code).toBe(0);
    expect(ran.stderr).toMatch(/Put "id": "urn:uuid:[^"]+" into it/);
  });

  test("somebody else's key is refused with the reason", async () => {
    const { file } = await writeTd();
    await run(["register", file, "--key", key]);
    const ran = await run(["register", file, "--key", otherKey]);
    expectRefusal(ran, /Refused \(403, urn:thingstead:problem:not-controller\)/);
    expect(ran.stderr).toContain(did);
  });

  test("takes what it can of several files and of directories, and counts the rest", async () => {
    const folder = path.join(directory, "folder");
    await mkdir(folder);
    for (const name of ["a.td.json", "b.jsonld"]) await cp((await writeTd()).file, path.join(folder, name));
    await writeFile(path.join(folder, "notes.txt"), "not a description");
    const broken = path.join(directory, "broken.json");
    await writeFile(broken, '{ "title": ');
    const ran = await run(["register", broken, folder, "--key", key]);
    expect(ran.code).toBe(1);
    expect(ran.stdout.trim().split("\n")).toHaveLength(2);
    expect(ran.stderr).toMatch(/broken\.json: .*I-JSON/);
    expect(ran.stderr).toContain("1 of 3 documents were not registered.");
  });

  test("sends a signed document as it is, with or without a key", async () => {
    const { file, id } = await writeTd();
    const { stdout: signed } = await run(["sign", file, "--key", key]);
    const ran = await run(["register", "-", "--key", otherKey], { stdin: signed });
    expect(ran.stderr).toContain("with the proof that it had");
    expect(await (await registry.fetch(thingPath(id))).text()).toBe(signed);
    expect((await run(["register", "-"], { stdin: signed })).code).toBe(0);
  });

  test("without a key tells what the registry wants", async () => {
    const { file } = await writeTd();
    expectRefusal(await run(["register", file]), /problem:proof-required.*\n {2}\/proof: /);
  });

  test("to a registry that is not there says so once", async () => {
    const [one, two] = [await writeTd(), await writeTd()];
    const ran = await run(["register", one.file, two.file, "--key", key, "--registry", "http://127.0.0.1:9"]);
    expectRefusal(ran, /Nothing answers at http:\/\/127\.0\.0\.1:9/);
    expect(ran.stderr.match(/Nothing answers/g)).toHaveLength(1);
  });
});

describe("search", () => {
  test("finds by words and by capability, and tells who signed", async () => {
    const { stdout: href } = await run(["register", weather, "--key", key]);
    const byWords = await run(["search", "weather", "forecast"]);
    expect(byWords).toMatchObject({ code: 0, stderr: "" });
    expect(byWords.stdout).toContain(`verified, signed by ${did}`);
    expect(byWords.stdout).toContain(href.trim());
    const byCapability = await run(["search", "--capability", "get_weather", "--type", "lmos:Agent", "--verified"]);
    expect(byCapability.stdout).toContain("matched: getWeather");
  });

  test("--json prints what the registry answered, also when nothing was found", async () => {
    const found = await run(["search", "--capability", "getWeather", "--json"]);
    expect(JSON.parse(found.stdout)).toMatchObject({ items: [{ title: "Weather Agent", verified: true }] });
    const nothing = await run(["search", "--vendor", "Nobody at all", "--json"]);
    expect(nothing.code).toBe(1);
    expect(JSON.parse(nothing.stdout)).toMatchObject({ items: [], next: null });
  });

  test("nothing found is 1, without results", async () => {
    expectRefusal(await run(["search", "--capability", "doesNotExist"]), /Nothing was found/);
  });

  test("leads on to the next page", async () => {
    await run(["register", (await writeTd()).file, (await writeTd()).file, "--key", key]);
    const first = await run(["search", "--limit", "1"]);
    const cursor = /--cursor (\S+)/.exec(first.stderr)?.[1] ?? "";
    const second = await run(["search", "--limit", "1", "--cursor", cursor]);
    expect(second.code).toBe(0);
    expect(second.stdout).not.toBe(first.stdout);
    expectRefusal(await run(["search", "--cursor", "nonsense"]), /problem:invalid-parameter/);
  });

  test("does not pass on what would steer the terminal", async () => {
    const title = "Honest\u001b[2J\u202e\u009b31mThing\u0007";
    const { file } = await writeTd({ title, "@type": "Terminal" });
    const registered = await run(["register", file, "--key", key]);
    const found = await run(["search", "--type", "Terminal"]);
    expect(found.stdout).toContain("Honest[2J31mThing\n");
    // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
    expect(found.stdout + registered.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });
});

describe.concurrent("retract", () => {
  test("leaves a tombstone, and the old version does not come back", async () => {
    const { file, id, title } = await writeTd({ "@type": ["Thing", "lmos:Tool"] });
    await run(["register", file, "--key", key]);
    const old = await (await registry.fetch(thingPath(id))).text();

    expectRefusal(await run(["retract", id, "--key", otherKey]), /problem:not-controller/);
    const retracted = await run(["retract", id, "--key", key]);
    expect(retracted).toMatchObject({ code: 0, stdout: `${registry.url}${thingPath(id)}\n` });
    expect(retracted.stderr).toContain(`retracted ${title}`);

    const gone = await registry.fetch(thingPath(id));
    expect(gone.status).toBe(410);
    expect(await gone.json()).toMatchObject({ type: "Tombstone", id, formerType: ["Thing", "lmos:Tool"] });
    expect((await run(["verify", `${registry.url}${thingPath(id)}`])).stdout).toContain("valid tombstone");

    expectRefusal(await run(["register", "-"], { stdin: old }), /problem:version-not-newer/);
    expectRefusal(await run(["retract", id, "--key", key]), /retracted already/);
    expect((await run(["register", file, "--key", key])).code, "the owner may come back").toBe(0);
  });

  test("what is not there is refused", async () => {
    await Promise.all([
      expectRefused(["retract", "urn:example:never", "--key", key], /There is no entry/),
      expectRefused(["retract", "never", "--key", key], /There is no entry/),
    ]);
  });
});

describe.concurrent("heartbeat, visibility and unlist", () => {
  /** By the registry's public URL, which a signed request must name. */
  const act = (args: readonly string[]) => run(args, { env: { THINGSTEAD_REGISTRY: registry.service.publicUrl } });
  const statusOf = async (id: string) => (await registry.fetch(thingPath(id))).status;

  test("do what the owner wants", async () => {
    const { file, id } = await writeTd({ title: "Lighthouse keeper" });
    await run(["register", file, "--key", key]);
    const found = async () => (await run(["search", "lighthouse"])).code === 0;

    const beat = await act(["heartbeat", id, "--key", key, "--ttl", "3600"]);
    expect(beat).toMatchObject({ code: 0, stderr: `renewed ${id}, signed by ${did}\n` });
    const facts = (await (await registry.fetch(`${thingPath(id)}/registration`)).json()) as Record<string, unknown>;
    expect(facts["registration"]).toMatchObject({ expires: beat.stdout.trim(), ttl: 3600 });
    expect((await act(["heartbeat", id, "--key", key])).code).toBe(0);

    const hidden = await act(["visibility", id, "by-id", "--key", key]);
    expect(hidden).toMatchObject({ code: 0, stdout: `${registry.service.publicUrl}${thingPath(id)}\n` });
    expect([await found(), await statusOf(id)]).toEqual([false, 200]);
    await act(["visibility", id, "public", "--key", key]);
    expect(await found()).toBe(true);

    expect(await act(["unlist", id, "--key", key])).toEqual({
      code: 0,
      stdout: "",
      stderr: `unlisted ${id}, signed by ${did}\n`,
    });
    expect([await found(), await statusOf(id)]).toEqual([false, 404]);
    expect((await run(["register", file, "--key", key])).code, "it comes back").toBe(0);
    expect(await statusOf(id)).toBe(200);
  });

  test("are refused with another key, and where nothing is", async () => {
    const { file, id } = await writeTd();
    await run(["register", file, "--key", key]);
    expectRefusal(await act(["unlist", id, "--key", otherKey]), /problem:not-controller/);
    expectRefusal(await act(["heartbeat", id, "--key", key]), /name a ttl/);
    expectRefusal(await act(["visibility", "urn:example:never", "by-id", "--key", key]), /problem:not-found/);
    expect(await statusOf(id)).toBe(200);
  });

  test("say which URL the registry goes by, where they were told another one", async () => {
    const { file, id } = await writeTd();
    await run(["register", file, "--key", key]);
    const { publicUrl } = registry.service;
    expect(registry.url).not.toBe(publicUrl);
    const ran = await run(["unlist", id, "--key", key]);
    expectRefusal(ran, /problem:invalid-signature/);
    expect(ran.stderr).toContain(`@target-uri is ${publicUrl}${thingPath(id)}`);
    expect(ran.stderr).toContain(`name the registry by its public URL, ${publicUrl}`);
  });
});

describe.concurrent("tokens", () => {
  const env = { ADMIN_TOKEN: adminToken };

  test("are made, used, listed and revoked", async () => {
    const created = await run(["tokens", "create", "build server", "--scope", "admin", "--expires", "90d"], { env });
    expect(created.code).toBe(0);
    expect(created.stdout).toMatch(/^tst_[A-Za-z0-9_-]{43}\n$/);
    const id = /[0-9a-f-]{36}/.exec(created.stderr)?.[0] ?? "";
    const token = created.stdout.trim();
    expect(created.stderr).not.toContain(token);

    const listed = await run(["tokens", "list", "--token", token]);
    expect(listed).toMatchObject({ code: 0, stderr: "" });
    expect(listed.stdout).toMatch(new RegExp(`^${id} {2}admin {2}until \\S+ {2}build server$`, "m"));
    expect(listed.stdout).not.toContain(token.slice(4));
    const json = await run(["tokens", "list", "--json"], { env });
    const { tokens } = JSON.parse(json.stdout) as { tokens: { id: string; expires: string; created: string }[] };
    const facts = tokens.find((one) => one.id === id);
    expect(Date.parse(facts?.expires ?? "") - Date.parse(facts?.created ?? "")).toBe(90 * 24 * 60 * 60 * 1000);

    expect(await run(["tokens", "revoke", id], { env })).toMatchObject({ code: 0, stdout: "" });
    expectRefusal(await run(["tokens", "list", "--token", token]), /was revoked at/);
    expect((await run(["tokens", "list"], { env })).stdout).toMatch(new RegExp(`^${id} {2}admin {2}revoked \\S+`, "m"));
  });

  test.each([
    ["2099-12-31", "2099-12-31T00:00:00.000Z"],
    ["2099-12-31T01:00:00+01:00", "2099-12-31T00:00:00.000Z"],
  ])("may end at %s", async (expires, instant) => {
    const created = await run(["tokens", "create", "one", "--scope", "read", "--expires", expires], { env });
    expect(created.stderr).toContain(`until ${instant}`);
  });

  test("are the operator's to manage", async () => {
    const { stdout } = await run(["tokens", "create", "a writer", "--scope", "write"], { env });
    const past = ["tokens", "create", "a", "--scope", "read", "--expires", "2020-01-01"];
    await Promise.all([
      expectRefused(["tokens", "list"], /problem:token-required/),
      expectRefused(["tokens", "create", "a", "--scope", "read"], /problem:token-required/),
      expectRefused(["tokens", "list", "--token", stdout.trim()], /problem:insufficient-scope/),
      expectRefused(["tokens", "revoke", "nothing"], /problem:not-found/, { env }),
      expectRefused(past, /which has passed/, { env }),
    ]);
  });
});

describe.concurrent("other admission modes", () => {
  test("open: unsigned descriptions are sent as they are, and repairs are told", async () => {
    await using open = await startTestService({ admission: "open" });
    const env = { THINGSTEAD_REGISTRY: open.url };
    const withoutId = await run(["register", (await writeTd({ id: null })).file], { env });
    expect(withoutId.code).toBe(0);
    expect(withoutId.stderr).toMatch(/unsigned\n.* Put "id": "urn:uuid:/);

    const loose = await writeTd({ id: "chatagent", "@type": "lmos:Agent" });
    const repaired = await run(["register", loose.file], { env });
    expect(repaired.stderr).toMatch(/^ {2}\/id: /m);
    expect((await run(["register", loose.file], { env })).stderr).toContain("updated");

    expectRefusal(await run(["retract", "chatagent", "--key", key], { env }), /is unsigned/);
    const plain = await writeTd();
    await run(["register", plain.file], { env });
    expectRefusal(await run(["retract", plain.id, "--key", key], { env }), /is unsigned/);
  });

  test("token: from --token or ADMIN_TOKEN", async () => {
    await using closed = await startTestService({ admission: "token" });
    const args = ["register", (await writeTd()).file, "--key", key, "--registry", closed.url];
    expectRefusal(await run(args), /problem:token-required/);
    expectRefusal(await run([...args, "--token", "wrong"]), /problem:token-required/);
    expect((await run([...args, "--token", adminToken])).code).toBe(0);
    expect((await run(args, { env: { ADMIN_TOKEN: adminToken } })).code).toBe(0);
  });
});

/** What makes `serve` open the database of `place`. */
function variablesOf({ config }: DatabasePlace): Record<string, string> {
  return config.databaseUrl === null ? { DATA_DIR: config.dataDir } : { DATABASE_URL: config.databaseUrl };
}

describe.concurrent("serve", () => {
  test("tells all that is wrong with the configuration at once", async () => {
    const ran = await run(["serve", "--port", "70000"], {
      env: { ADMIN_TOKEN: "short", PUBLIC_URL: "https://a.example/path" },
    });
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    for (const name of ["PORT", "ADMIN_TOKEN", "PUBLIC_URL"]) expect(ran.stderr).toContain(`  ${name}: `);
    expect(ran.stderr).not.toMatch(/^\s+at /m);
  });

  test("says plainly that the port is taken", async () => {
    await using place = await createDatabasePlace();
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const address = other.address();
    const port = typeof address === "object" ? String(address?.port) : "";
    const ran = await run(["serve", "--port", port, "--log-level", "silent"], { env: variablesOf(place) });
    other.close();
    expectRefusal(ran, `Port ${port} on 127.0.0.1 is taken`);
  });

  test("says which database does not answer, without its password", async () => {
    const url = "postgres://me:very-secret@127.0.0.1:9/things";
    const ran = await run(["serve", "--port", "0"], { env: { DATABASE_URL: url, LOG_LEVEL: "silent" } });
    expectRefusal(ran, /The database things at 127\.0\.0\.1:9 cannot be used/);
    expect(ran.stderr).not.toContain("very-secret");
  });

  test("says that the data directory is not to be written", async () => {
    const file = path.join(directory, "a-file");
    await writeFile(file, "");
    await chmod(file, 0o400);
    const ran = await run(["serve", "--port", "0", "--data-dir", path.join(file, "data")]);
    expectRefusal(ran, /Check DATA_DIR/);
  });

  test.each(["SIGTERM", "SIGINT"] as const)("prints what to try, serves, and ends on %s with 0", async (signal) => {
    await using place = await createDatabasePlace();
    const envFile = path.join(directory, `${signal}.env`);
    const variables = { PORT: "0", ADMISSION: "open", ...variablesOf(place) };
    await writeFile(
      envFile,
      Object.entries(variables)
        .map((pair) => `${pair.join("=")}\n`)
        .join(""),
    );
    const args = [bin, "serve", "--env-file", envFile, "--admission", "signed", "--log-level", "silent"];
    const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH ?? "" }, stdio: "pipe" });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    const { promise, resolve } = Promise.withResolvers<void>();
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
      if (stderr.includes("Ctrl-C stops it.")) resolve();
    });
    const closed = once(child, "close");
    await Promise.race([promise, closed]);

    const url = /Thingstead runs at (\S+)/.exec(stderr)?.[1] ?? "";
    expect(stderr).toContain("admission  signed");
    expect(stderr).toContain(place.kind === "pglite" ? `data in ${place.config.dataDir}` : "Postgres at ");
    expect(stderr).toContain(`npx thingstead search "weather forecast" --registry ${url}`);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);

    child.kill(signal);
    // An echo, as npm sends one, must not cut the ending short.
    child.kill(signal);
    expect(await closed).toEqual([0, null]);
    expect(stdout).toBe("");
  });
});
