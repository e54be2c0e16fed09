import { InvalidArgumentError, Option } from "commander";
import { createRegistryClient, type RegistryClient } from "./registry-client.ts";
import type { Terminal } from "./terminal.ts";

/** What commands that talk to a registry have in common. */
export interface RegistryFlags {
  registry?: string;
  token?: string;
}

const registryDefault = "http://localhost:8080";

export function registryOption(): Option {
  return new Option("--registry <url>", `the registry (default: THINGSTEAD_REGISTRY, or ${registryDefault})`).argParser(
    parseRegistry,
  );
}

export function tokenOption(): Option {
  return new Option("--token <token>", "the registry's API token, where it asks for one (default: ADMIN_TOKEN)");
}

/** The registry that the flags or the environment name. */
export function registryOf(flags: RegistryFlags, { env }: Terminal): RegistryClient {
  const registry = flags.registry ?? parseRegistry(env["THINGSTEAD_REGISTRY"] || registryDefault);
  return createRegistryClient({ registry, token: flags.token ?? (env["ADMIN_TOKEN"] || null) });
}

/** For options that may be given several times. */
export function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

/** The URL of a registry without a trailing slash. */
function parseRegistry(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    throw new InvalidArgumentError("A registry is named by its http or https URL, e.g. http://localhost:8080.");
  }
  return url.href.replace(/\/+$/, "");
}
