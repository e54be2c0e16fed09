import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The layers of docs/architecture.md: what each part of `src/` may import besides itself. */
const mayImport: Record<string, readonly string[]> = {
  base: [],
  db: ["base"],
  things: ["db", "base"],
  identity: ["db", "base"],
  search: ["db", "base"],
  admission: ["things", "identity", "search", "db", "base"],
  http: ["admission", "things", "identity", "search", "db", "base"],
  federation: ["admission", "things", "identity", "search", "db", "base"],
  lan: ["admission", "things", "identity", "search", "db", "base"],
  config: ["base"],
};

/** Parts that assemble the others, and may import all of them. */
const assemblers = new Set(["main", "cli", "dev"]);

/** Where an outside library, with all its subpaths, may be imported; `src/` is left out. */
const homes: Record<string, readonly RegExp[]> = {
  // What reads and writes a room's tables; the rest of the room is pure.
  "drizzle-orm": [
    /^db\//,
    /^things\/(entry-(store|writer)|change-reader|version-reader|assessment-store)\.ts$/,
    /^things\/(list-reader|listing-store|held-entries|offer-(reader|matcher)|digest-query|row-set)\.ts$/,
    /^identity\/(registry-identity|api-tokens|request-nonces)\.ts$/,
    /^search\/(browse|catalogue|conditions|explain|facet-values|facets|guess|matches|postgres-index|rank|samples)\.ts$/,
    /^search\/jsonpath\/path-index\.ts$/,
    /^search\/(hybrid|embeddings\/(vector-store|vector-extension|token-budget))\.ts$/,
    /^federation\/(peer-store|actor-keys)\.ts$/,
  ],
  "@electric-sql/pglite": [/^db\/client\.ts$/],
  "@electric-sql/pglite-pgvector": [/^db\/client\.ts$/],
  postgres: [/^db\/client\.ts$/],
  "proper-lockfile": [/^db\//],
  hono: [/^http\//],
  "@hono/zod-openapi": [/^http\//, /^main\.ts$/],
  "@hono/prometheus": [/^http\//],
  "@hono/node-server": [/^main\.ts$/],
  "prom-client": [/^http\//, /^main\.ts$/],
  yaml: [/^http\/write-openapi\.ts$/],
  undici: [/^base\/egress-connection\.ts$/, /^search\/embeddings\/endpoint\.ts$/],
  "ipaddr.js": [/^base\//],
  "@logtape/logtape": [/^base\/log\.ts$/],
  canonicalize: [/^base\/canonical\.ts$/],
  zod: [
    /^config\.ts$/,
    /^search\/(meilisearch\/)?cursor\.ts$/,
    /^search\/embeddings\/endpoint\.ts$/,
    /^federation\/(read-activity|read-list|remote-actors|wire-answers)\.ts$/,
  ],
  "multicast-dns": [/^lan\//],
  commander: [/^cli\//],
  "cli-progress": [/^cli\//],
  ajv: [/^things\//],
  "ajv-formats": [/^things\//],
  "wot-thing-description-types": [/^things\//],
  negotiator: [/^http\//],
  "@digitalbazaar/vc": [/^identity\/credential-proof\.ts$/],
  "@digitalbazaar/vc-bitstring-status-list": [/^identity\/credential-status\.ts$/],
  "cache-control-parser": [/^identity\/did-fetch\.ts$/],
  unhomoglyph: [/^things\/confusable\.ts$/],
  "@scure/base": [/^identity\//],
  "lru-cache": [
    /^base\/rate\.ts$/,
    /^identity\//,
    /^federation\//,
    /^things\/offer-matcher\.ts$/,
    /^search\/embeddings\/query-vectors\.ts$/,
  ],
  "structured-headers": [/^identity\//, /^federation\/signatures\.ts$/],
  "@fedify/fedify": [/^federation\/(signer|signatures)\.ts$/],
  "@fedify/vocab": [/^federation\/signatures\.ts$/],
  meilisearch: [/^search\/meilisearch\//],
  "json-p3": [/^search\/jsonpath\//],
  stemmer: [/^search\//],
  "fastest-levenshtein": [/^search\//],
};

/** Modules that are started, not imported. */
const entries = new Set(["cli/main.ts", "dev.ts", "http/write-openapi.ts", "http/jsonpath/worker.ts"]);

interface Import {
  /** Path below `src/`. */
  file: string;
  specifier: string;
}

const files = readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" })
  .map((file) => file.split(path.sep).join("/"))
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
  .sort();

const imports: Import[] = files.flatMap((file) =>
  specifiersIn(readFileSync(path.join(root, "src", file), "utf8")).map((specifier) => ({ file, specifier })),
);

/** What a module imports, types included, dynamically or not. */
function specifiersIn(source: string): string[] {
  const statement = /^(?:import|export)\b[^"'`;]*?\bfrom\s*"([^"]+)"|^import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  return [...source.matchAll(statement)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

function partOf(file: string): string {
  return file.includes("/") ? (file.split("/", 1)[0] ?? file) : file.replace(/\.ts$/, "");
}

/** `@scope/name/sub` → `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

describe("imports", () => {
  test("are found by this test", () => {
    const source = 'import "a";\nimport type {\n  B,\n} from "./b.ts";\nexport * from "c";\nawait import("d");\n';
    expect(specifiersIn(source)).toEqual(["a", "./b.ts", "c", "d"]);
    expect(imports.length).toBeGreaterThan(100);
  });

  test("go down only: doors and rooms never import their like", () => {
    const wrong = imports
      .filter(({ specifier }) => specifier.startsWith("."))
      .filter(({ file, specifier }) => {
        const from = partOf(file);
        const to = partOf(path.posix.join(path.posix.dirname(file), specifier));
        return from !== to && !assemblers.has(from) && !(mayImport[from] ?? []).includes(to);
      });
    expect(wrong).toEqual([]);
  });

  test("of a file that exists, with its extension", () => {
    const missing = imports
      .filter(({ specifier }) => specifier.startsWith("."))
      .filter(({ file, specifier }) => {
        const target = path.posix.join(path.posix.dirname(file), specifier);
        return target.endsWith(".ts") && !files.includes(target);
      });
    expect(missing).toEqual([]);
  });

  test("of an outside library are in its one home", () => {
    const wrong = imports
      .filter(({ specifier }) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
      .filter(({ file, specifier }) => !(homes[packageOf(specifier)] ?? []).some((home) => home.test(file)));
    expect(wrong, "a library in a new place: is it the right one? Then add it to `homes`").toEqual([]);
  });

  test("of outside libraries are declared as dependencies that production installs", () => {
    const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const undeclared = imports
      .map(({ specifier }) => specifier)
      .filter((specifier) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
      .map(packageOf)
      .filter((name) => manifest.dependencies[name] === undefined);
    expect([...new Set(undeclared)]).toEqual([]);
  });
});

test("importing a module neither writes, prints, listens nor keeps the process alive", async () => {
  const modules = files.filter((file) => !entries.has(file));
  const source = modules
    .map((file) => `import ${JSON.stringify(pathToFileURL(path.join(root, "src", file)).href)};`)
    .join("\n");
  // The permission model refuses to write files and to start processes; a listener or a timer would keep the process
  // from ending by itself. No configuration: the environment is empty.
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--permission", "--allow-fs-read=*", "--disable-warning=SecurityWarning", "--input-type=module", "--eval", source],
    { env: {}, timeout: 20_000 },
  );
  expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
});
