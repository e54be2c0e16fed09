import type { z } from "@hono/zod-openapi";
import { type Trust, type TrustFacts, trustOf } from "../admission/trust.ts";
import type { EntryKey } from "../base/ids.ts";
import type { EntrySummary, StoredEntry } from "../things/entry-store.ts";
import type { HttpDeps } from "./deps.ts";
import { entryUrl } from "./entry-url.ts";
import type { lookalikeSchema } from "./things-schemas.ts";

type Deps = Pick<HttpDeps, "entries" | "assessments" | "publicUrl">;
type Lookalike = z.infer<typeof lookalikeSchema>;
type Links = ReadonlyMap<EntryKey, Pick<Lookalike, "id" | "controller" | "href">>;

/** What can be relied on about an entry, with a link to the one that it could be taken for. */
export interface ShownTrust {
  trust: Trust;
  lookalike: Lookalike | null;
}

export interface TrustedEntry extends ShownTrust {
  stored: StoredEntry;
}

/** `stored` with what can be relied on at `now`. */
export async function withTrust(
  stored: readonly StoredEntry[],
  deps: Deps,
  now: Date,
): Promise<Map<EntryKey, TrustedEntry>> {
  const assessments = await deps.assessments.find(stored.map(({ entry }) => entry.key));
  const trusted = stored.map((one) => ({
    stored: one,
    trust: trustOf(one.entry, assessments.get(one.entry.key), now),
  }));
  const links = await linksFor(
    trusted.map(({ trust }) => trust),
    deps,
    now,
  );
  return new Map(trusted.map((one) => [one.stored.entry.key, { ...one, lookalike: lookalikeIn(one.trust, links) }]));
}

/** What can be relied on at `now` about one entry. */
export async function trustIn(
  entry: TrustFacts & Pick<EntrySummary, "key">,
  deps: Deps,
  now: Date,
): Promise<ShownTrust> {
  const assessments = await deps.assessments.find([entry.key]);
  const trust = trustOf(entry, assessments.get(entry.key), now);
  return { trust, lookalike: lookalikeIn(trust, await linksFor([trust], deps, now)) };
}

/** Links to the entries that are resembled, as far as anybody may find them. */
async function linksFor(trusts: readonly Trust[], { entries, publicUrl }: Deps, now: Date): Promise<Links> {
  const keys = new Set(trusts.flatMap(({ lookalike }) => lookalike?.of ?? []));
  const found = await entries.findActive([...keys], now);
  return new Map(
    found.map(({ entry }) => {
      const { key, thingId: id, controller } = entry;
      return [key, { id, controller, href: entryUrl(publicUrl(), entry) }];
    }),
  );
}

function lookalikeIn({ lookalike }: Trust, links: Links): Lookalike | null {
  const link = lookalike === null ? undefined : links.get(lookalike.of);
  if (lookalike === null || link === undefined) return null;
  return { ...link, field: lookalike.field, explanation: lookalike.explanation };
}
