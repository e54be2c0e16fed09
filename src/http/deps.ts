import type { Registry } from "prom-client";
import type { Admission } from "../admission/admission.ts";
import type { AdmissionMode } from "../admission/authorize.ts";
import type { Clock } from "../base/clock.ts";
import type { JsonObject } from "../base/json.ts";
import type { JournalPosition } from "../db/journal.ts";
import type { SearchEngine } from "../search/port.ts";
import type { EventStreams } from "./events/event-streams.ts";
import type { JsonPathSearch } from "./jsonpath/jsonpath-search.ts";
import type { EntryReader } from "../things/entry-store.ts";

/** What the routes need of the registry behind them. */
export interface HttpDeps {
  /** The origin under which others see the registry, without a trailing slash. */
  publicUrl(): string;
  admission: Admission;
  admissionMode: AdmissionMode;
  /** `token`: reading, too, is only for who has the operator's token. */
  readAccess: "open" | "token";
  adminToken: string | null;
  entries: EntryReader;
  search: SearchEngine;
  /** Waits until search has what was written at `position`, within limits. */
  searchable(position: JournalPosition): Promise<boolean>;
  jsonPath: JsonPathSearch;
  events: EventStreams;
  /** The registry's DID document. */
  didDocument(): JsonObject;
  /** Rejects when the registry cannot serve. */
  checkReady(): Promise<void>;
  metrics: Registry;
  clock: Clock;
}
