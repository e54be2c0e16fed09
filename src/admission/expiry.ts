import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { loggerOf } from "../base/log.ts";
import { pause } from "../base/pause.ts";
import type { Database } from "../db/client.ts";
import type { JournalPosition } from "../db/journal.ts";
import { createEntryReader } from "../things/entry-store.ts";
import { purgeEntry } from "./registration.ts";

/** Milliseconds between two looks for what has run out. Readers do not depend on it: they ask for the instant. */
const intervalMs = 5_000;

/**
 * Purges entries whose registration has run out (WoT Discovery, tdd-registrationinfo-expiry-purge), with a row in the
 * journal for each, so that whoever follows it learns of their end. Nodes that share a database may do so at once.
 */
export function startExpiry(deps: { db: Database; clock: Clock; onAppend(position: JournalPosition): void }): {
  stop(): Promise<void>;
} {
  const log = loggerOf("expiry");
  const reader = createEntryReader(deps.db.orm);
  const stopping = new AbortController();

  async function purge(): Promise<void> {
    for (;;) {
      const expired = await reader.listExpired(deps.clock.now(), limits.journalBatchMax);
      for (const entry of expired) {
        if (stopping.signal.aborted) return;
        const position = await purgeEntry(entry, deps.db.orm);
        if (position !== null) deps.onAppend(position);
      }
      if (expired.length < limits.journalBatchMax) return;
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await purge().catch((error: unknown) => log.error("purge failed: {error}", { error }));
      await pause(intervalMs, stopping.signal);
    }
  }

  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
