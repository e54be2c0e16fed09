import type { Registry } from "prom-client";
import type { Admission } from "../admission/admission.ts";
import type { AdmissionMode } from "../admission/authorize.ts";
import type { Clock } from "../base/clock.ts";
import type { JsonObject } from "../base/json.ts";
import type { JournalPosition } from "../db/journal.ts";
import type { ApiTokens } from "../identity/api-tokens.ts";
import type { RequestNonces } from "../identity/request-nonces.ts";
import type { DidResolver } from "../identity/resolver.ts";
import type { LogReader } from "../db/public-log.ts";
import type { SigningKey } from "../identity/keys.ts";
import type { CapabilityCatalogue } from "../search/catalogue.ts";
import type { SearchEngine } from "../search/port.ts";
import type { FederationPort } from "./federation-port.ts";
import type { EventStreams } from "./events/event-streams.ts";
import type { JsonPathSearch } from "./jsonpath/jsonpath-search.ts";
import type { AssessmentStore } from "../things/assessment-store.ts";
import type { EntryReader } from "../things/entry-store.ts";
import type { VersionReader } from "../things/version-reader.ts";

/** What is known of the local network, for readers. */
export interface LanReport {
  enabled: boolean;
  /** Why it is enabled, or not. */
  reason: string;
  interfaces: readonly { name: string; address: string | null; announced: boolean; error: string | null }[];
  announced: readonly { instance: string; type: "Thing" | "Directory"; td: string }[];
  services: readonly {
    instance: string;
    type: "Thing" | "Directory";
    host: string | null;
    address: string | null;
    port: number | null;
    url: string | null;
    state: LanServiceState;
    ids: readonly string[];
    title: string | null;
    lastSeen: Date;
    error: string | null;
  }[];
}

export const lanServiceStates = [
  "found",
  "fetching",
  "admitted",
  "neighbour",
  "refused",
  "failing",
  "flapping",
  "not-fetched",
] as const;
export type LanServiceState = (typeof lanServiceStates)[number];

/** What the routes need of the registry behind them. */
export interface HttpDeps {
  /** The origin under which others see the registry, without a trailing slash. */
  publicUrl(): string;
  admission: Admission;
  admissionMode: AdmissionMode;
  /** `token`: reading, too, is only for who has an API token. */
  readAccess: "open" | "token";
  /** The operator's own token, of the scope `admin`. */
  adminToken: string | null;
  apiTokens: ApiTokens;
  requestNonces: RequestNonces;
  resolver: DidResolver;
  entries: EntryReader;
  versions: VersionReader;
  assessments: Pick<AssessmentStore, "find">;
  search: SearchEngine;
  catalogue: CapabilityCatalogue;
  /** Waits until search has what was written at `position`, within limits. */
  searchable(position: JournalPosition): Promise<boolean>;
  jsonPath: JsonPathSearch;
  events: EventStreams;
  log: LogReader;
  lan: { report(): LanReport };
  federation: FederationPort;
  /** The key with which the registry signs; its DID document has it. */
  signingKey(): SigningKey;
  /** The registry's DID document. */
  didDocument(): JsonObject;
  /** Rejects when the registry cannot serve. */
  checkReady(): Promise<void>;
  metrics: Registry;
  clock: Clock;
}
