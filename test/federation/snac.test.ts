import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signedTd, signedTombstone } from "../support/descriptions.ts";
import { type FederatedRegistry, startRegistry, waitUntil } from "../support/federated.ts";
import { freePort } from "../support/process.ts";

/** snac, a small ActivityPub server that knows nothing of registries; Debian has it as snac2, and `.ci/run` fetches it. */
const snac = programIn(process.env["PATH"] ?? "", "snac");
const skipped = snac === null ? " (skipped: the program snac is not here)" : "";

/** Where a program is; null if it is in none of the directories. */
function programIn(searchPath: string, name: string): string | null {
  const isExecutable = (file: string): boolean => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return (
    searchPath
      .split(path.delimiter)
      .map((directory) => path.join(directory, name))
      .find(isExecutable) ?? null
  );
}

/** Runs snac's own command line to its end, and returns what it wrote. `input`: the answers to its questions. */
async function run(args: string[], input = ""): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = execFile(snac ?? "", args, { timeout: 20_000 }, (error, stdout, stderr) => {
    if (error === null) resolve(stdout + stderr);
    else reject(new Error(`snac ${args.join(" ")} failed: ${stdout}${stderr}`, { cause: error }));
  });
  child.stdin?.end(input);
  return promise;
}

describe.skipIf(snac === null)(`snac, an ActivityPub server of another kind${skipped}`, () => {
  let registry: FederatedRegistry;
  let directory: string;
  let base: string;
  let origin: string;
  let server: ChildProcess;
  let password: string;
  beforeAll(async () => {
    registry = await startRegistry();
    directory = await mkdtemp(path.join(tmpdir(), "thingstead-snac-"));
    base = path.join(directory, "data");
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    // Its address, port, host name, path prefix and mail address.
    await run(["init", base], `127.0.0.1\n${port}\n127.0.0.1:${port}\n\n\n`);
    const configFile = path.join(base, "server.json");
    const config = JSON.parse(await readFile(configFile, "utf8")) as object;
    await writeFile(configFile, JSON.stringify({ ...config, protocol: "http" }));
    const told = await run(["adduser", base, "reader"], "reader\n");
    password = /password is (\S+)/.exec(told)?.[1] ?? "";
    server = spawn(snac ?? "", ["httpd", base], { stdio: "ignore" });
    await waitUntil("snac answers", async () => (await fetch(`${origin}/reader`)).ok);
  });
  afterAll(async () => {
    if (server?.exitCode === null) {
      const exited = once(server, "exit");
      server.kill("SIGKILL");
      await exited;
    }
    await registry?.close();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  /** What its reader sees who has logged in. */
  async function timeline(): Promise<string> {
    const authorization = `Basic ${Buffer.from(`reader:${password}`).toString("base64")}`;
    const response = await fetch(`${origin}/reader/admin`, { headers: { authorization } });
    expect(response.status).toBe(200);
    return response.text();
  }

  test("follows the registry, and shows its entries as posts, as they are now", { timeout: 60_000 }, async () => {
    await run(["follow", base, "reader", `${registry.origin}/actor`]);
    await waitUntil("it follows", async () => {
      const [peer] = await registry.peers();
      return peer?.follower.state === "accepted" && (await run(["state", base])) !== "";
    });
    const peer = await registry.peer({ origin });
    expect(peer).toMatchObject({
      actor: `${origin}/reader`,
      handle: `reader@127.0.0.1:${new URL(origin).port}`,
      isRegistry: false,
    });
    expect(await (await registry.fetch("/followers?page=1")).json()).toMatchObject({ orderedItems: [peer.actor] });

    const members = { title: "Tide <agent>", description: "Tells the tides of the North Sea." };
    const document = signedTd({ created: new Date(Date.now() - 60_000), members });
    await registry.publish(document);
    const entryUrl = `${registry.origin}/things/${encodeURIComponent(document.id)}`;
    await waitUntil("it shows the post", async () => (await timeline()).includes("Tide &lt;agent&gt;"), 30_000);
    const shown = await timeline();
    expect(shown).toContain("Tells the tides of the North Sea.");
    expect(shown).toContain(entryUrl);
    expect(shown).not.toContain("<agent>");

    const { id, key } = document;
    const changed = { ...members, id, description: "Tells the tides of all seas." };
    await registry.publish(signedTd({ key, created: new Date(Date.now() - 30_000), members: changed }));
    await waitUntil("it shows the new version", async () => (await timeline()).includes("all seas"), 30_000);
    await registry.publish(signedTombstone(id, key));
    await waitUntil("it shows it no more", async () => !(await timeline()).includes("all seas"), 30_000);
    expect((await registry.peer({ origin })).follower).toMatchObject({ failures: 0, lastError: null, lag: 0 });
  });
});
