import { bin } from "../support/cli.ts";
import type { Fetched, FetchOptions, Host, HostProcess } from "../support/network.ts";

/** A registry that runs as a process of its own on a host of a network. */
export interface LanRegistry {
  readonly process: HostProcess;
  readonly host: Host;
  /** Sends a request to it from its own host. `path` starts with a slash. */
  fetch(path: string, options?: FetchOptions): Promise<Fetched>;
  /** Registers or updates a document; rejects with the registry's own words if it is refused. */
  put(id: string, document: string, contentType?: string): Promise<void>;
  /** The ids that a search finds; `query` is in the form of a URL's. */
  search(query: string): Promise<string[]>;
  /** What `GET /lan` says. */
  lan(): Promise<LanReport>;
  /** What `/things/{id}/registration` says. */
  registration(id: string): Promise<Registration>;
}

export interface LanReport {
  enabled: boolean;
  reason: string | null;
  interfaces: { name: string; address: string; announced: boolean; error: string | null }[];
  announced: unknown[];
  services: LanService[];
}

export interface LanService {
  instance: string;
  type: string;
  host: string;
  address: string;
  port: number;
  url: string;
  state: string;
  ids: string[];
  title: string | null;
  lastSeen: string;
  error: string | null;
}

interface Registration {
  provenance: { door: string; origin: string | null };
  verification: { verified: boolean; state: string };
}

export const registryPort = 8080;

/** Starts `thingstead serve` on a host, open to its network, and waits until it is ready. */
export async function startRegistry(host: Host, env: Record<string, string>): Promise<LanRegistry> {
  const running = host.start(process.execPath, [bin, "serve"], {
    HOST: "0.0.0.0",
    PORT: String(registryPort),
    LOG_LEVEL: "info",
    ...env,
  });
  await running.wrote("Thingstead runs at", 60_000);

  const fetchFrom = (path: string, options?: FetchOptions) =>
    host.fetch(`http://127.0.0.1:${registryPort}${path}`, options);
  async function readJson<Body>(path: string): Promise<Body> {
    const { status, text } = await fetchFrom(path);
    if (status !== 200) throw new Error(`GET ${path} was answered ${status}: ${text}`);
    return JSON.parse(text) as Body;
  }

  return {
    process: running,
    host,
    fetch: fetchFrom,
    async put(id, document, contentType = "application/td+json") {
      const headers = { "content-type": contentType };
      const { status, text } = await fetchFrom(thingPath(id), { method: "PUT", headers, body: document });
      if (status >= 300) throw new Error(`PUT ${id} was answered ${status}: ${text}\n${running.stderr()}`);
    },
    async search(query) {
      const { items } = await readJson<{ items: { id: string }[] }>(`/search?${query}`);
      return items.map(({ id }) => id);
    },
    lan: () => readJson("/lan"),
    registration: (id) => readJson(`${thingPath(id)}/registration`),
  };
}

/** The path of an entry. */
export function thingPath(id: string): string {
  return `/things/${encodeURIComponent(id)}`;
}
