import { and, eq, sql } from "drizzle-orm";
import type { Queryable } from "./client.ts";
import { leases } from "./schema/index.ts";

/** Takes or keeps the lease `name` until `until`; false while another node has it. */
export async function takeLease(
  db: Queryable,
  name: string,
  holder: string,
  { until, now }: { until: Date; now: Date },
): Promise<boolean> {
  const taken = await db
    .insert(leases)
    .values({ name, holder, until })
    .onConflictDoUpdate({
      target: leases.name,
      set: { holder, until },
      setWhere: sql`${leases.holder} = ${holder} or ${leases.until} <= ${now.toISOString()}`,
    })
    .returning({ holder: leases.holder });
  return taken.length > 0;
}

/** Gives the lease back, so that another node need not wait. */
export async function endLease(db: Queryable, name: string, holder: string): Promise<void> {
  await db.delete(leases).where(and(eq(leases.name, name), eq(leases.holder, holder)));
}
