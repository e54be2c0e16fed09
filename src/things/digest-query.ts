import { type SQL, type SQLWrapper, sql } from "drizzle-orm";
import type { Digest, EntryKey } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { type Queryable, rowsOf } from "../db/client.ts";
import {
  type DigestNode,
  digestNodeOf,
  digestOfRoot,
  digestsByDigit,
  type DigestSummary,
  hexDigits,
  type ListedDigest,
} from "./entry-digests.ts";

/**
 * The node of `prefix` (lower-case hex) over the rows of `source`: a query with the columns `key` and `digest`, of which
 * an index on the key gives a range. Equal to `digestNodeOf` of these rows. The whole of a large list is read in sixteen
 * parts, so that each of them stays well below the time that a statement may take.
 */
export async function readDigestNode(db: Queryable, source: SQL, prefix: string): Promise<DigestNode> {
  const few = await readListed(db, source, prefix, null, limits.digestEntriesMax + 1);
  if (few.length <= limits.digestEntriesMax) return digestNodeOf(few, prefix);
  if (prefix === "") {
    const children: DigestSummary[] = [];
    for (const digit of hexDigits) {
      const child = await readSummary(db, source, digit);
      if (child.count > 0) children.push(child);
    }
    return { ...summaryOf(prefix, children, digestOfRoot(digestsByDigit(children))), entries: null, children };
  }
  const whole = await readSummary(db, source, prefix);
  const children = await readChildren(db, source, prefix);
  return { ...summaryOf(prefix, children, whole.digest), entries: null, children };
}

/** `listedDigestOf` for a row: of a document's `digest`, and an array of origins `through`. */
export function listedDigest(digest: SQLWrapper, through: SQL): SQL {
  return sql`case when cardinality(${through}) = 0 then ${digest}
             else sha256(${digest} || convert_to(array_to_string(${through}, chr(10)), 'UTF8')) end`;
}

/** The first `limit` rows of `source` under `prefix` after the key `after` (null: from the first), in the order of their keys. */
export async function readListed(
  db: Queryable,
  source: SQL,
  prefix: string,
  after: EntryKey | null,
  limit: number,
): Promise<ListedDigest[]> {
  const from = after === null ? sql`true` : sql`key > ${bytesOf(after)}`;
  return rowsOf<{ key: EntryKey; digest: Digest }>(
    db,
    sql`select encode(key, 'hex') as key, encode(digest, 'hex') as digest from (${source}) as listed
        where ${under(prefix)} and ${from} order by listed.key limit ${limit}::integer`,
  );
}

async function readSummary(db: Queryable, source: SQL, prefix: string): Promise<DigestSummary> {
  const [summary] = await rowsOf<{ count: number; digest: string }>(
    db,
    sql`select count(*)::integer as count, ${digestOfRows} as digest from (${source}) as listed where ${under(prefix)}`,
  );
  return { prefix, count: summary?.count ?? 0, digest: summary?.digest ?? "" };
}

async function readChildren(db: Queryable, source: SQL, prefix: string): Promise<DigestSummary[]> {
  const byte = sql`get_byte(key, ${prefix.length >> 1}::integer)`;
  const digit = prefix.length % 2 === 0 ? sql`${byte} >> 4` : sql`${byte} & 15`;
  const rows = await rowsOf<{ digit: number; count: number; digest: string }>(
    db,
    sql`select digit, count(*)::integer as count, ${digestOfRows} as digest
        from (select key, digest, ${digit} as digit from (${source}) as all_listed where ${under(prefix)}) as listed
        group by digit order by digit`,
  );
  return rows.map(({ count, digest, ...row }) => ({ prefix: prefix + row.digit.toString(16), count, digest }));
}

function summaryOf(prefix: string, children: readonly DigestSummary[], digest: string): DigestSummary {
  return { prefix, count: children.reduce((sum, { count }) => sum + count, 0), digest };
}

const digestOfRows = sql.raw(
  "encode(sha256(coalesce(string_agg(key || digest, ''::bytea order by key), ''::bytea)), 'hex')",
);

/** The keys that start with `prefix`, as a range. */
function under(prefix: string): SQL {
  if (prefix === "") return sql`true`;
  const end = (BigInt(`0x${prefix}`) + 1n).toString(16).padStart(prefix.length, "0");
  const from = sql`key >= ${bytesOf(prefix)}`;
  return end.length > prefix.length ? from : sql`${from} and key < ${bytesOf(end)}`;
}

function bytesOf(hex: string): SQL {
  return sql`decode(${hex.length % 2 === 0 ? hex : `${hex}0`}, 'hex')`;
}
