import { InvalidArgumentError, Option } from "commander";
import { UsageError } from "./failure.ts";
import { createRegistryClient, type RegistryClient } from "./registry-client.ts";
import type { Terminal } from "./terminal.ts";

/** What commands that talk to a registry have in common. */
export interface RegistryFlags {
  registry?: string;
  token?: string;
}

const registryDefault = "http://localhost:8080";
const registryExpected = `A registry is named by its http or https URL, e.g. ${registryDefault}.`;

export function registryOption(): Option {
  const description = `the registry (default: THINGSTEAD_REGISTRY, or ${registryDefault})`;
  return new Option("--registry <url>", description).argParser((text) => {
    const registry = parseRegistry(text);
    if (registry === null) throw new InvalidArgumentError(registryExpected);
    return registry;
  });
}

export function tokenOption(): Option {
  return new Option("--token <token>", "the registry's API token, where it asks for one (default: ADMIN_TOKEN)");
}

/** The registry that the flags or the environment name. Throws a UsageError. */
export function registryOf(flags: RegistryFlags, { env }: Terminal): RegistryClient {
  const registry = flags.registry ?? parseRegistry(env["THINGSTEAD_REGISTRY"] || registryDefault);
  if (registry === null)
    throw new UsageError(`THINGSTEAD_REGISTRY is ${env["THINGSTEAD_REGISTRY"]}. ${registryExpected}`);
  return createRegistryClient({ registry, token: flags.token ?? (env["ADMIN_TOKEN"] || null) });
}

/** For options that may be given several times. */
export function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

/** The URL of a registry without a trailing slash; null for all else. */
function parseRegistry(text: string): string | null {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") return null;
  return url.href.replace(/\/+$/, "");
}
