import { type SQL, sql } from "drizzle-orm";
import { type Queryable, rowsOf } from "../db/client.ts";
import { conditionsOf } from "./conditions.ts";
import { facetNumbers } from "./facet-codes.ts";
import { capabilityName, countFacets, nameKey } from "./facets.ts";
import { guessWords } from "./guess.ts";
import { anyOf, filterLexeme } from "./lexemes.ts";
import { matching } from "./matches.ts";
import type { CapabilityCount } from "./port.ts";

/** What the catalogue knows of a name. Lists are at most ten long, the most frequent first. */
export interface RelatedCapabilities {
  /** The name as most entries write it; as asked for where none has it. */
  capability: string;
  /** Entries that have it, under whatever spelling. */
  count: number;
  spellings: CapabilityCount[];
  /** Names that have some of its words, those with more and rarer ones first. */
  similar: CapabilityCount[];
  /** Names of the same entries, and in how many of them. */
  together: CapabilityCount[];
  /** True when `together` was counted over a part of the entries, and scaled. */
  approximate: boolean;
}

/** The catalogue of capabilities, for people and for completing what they type. Its index is the Postgres engine's. */
export interface CapabilityCatalogue {
  related(name: string, now: Date): Promise<RelatedCapabilities>;
  /** Names whose words `text` can have meant, where it is mistyped; most likely first. */
  nearest(text: string, limit: number): Promise<CapabilityCount[]>;
}

/** Names in one list of what is related. */
const relatedMax = 10;
/** Words of a name that are looked at, and names that are looked at for each. */
const wordsMax = 8;
const namesPerWordMax = 1_000;

const capabilities = sql.raw(String(facetNumbers.capability));

export function createCapabilityCatalogue({ db }: { db: Queryable }): CapabilityCatalogue {
  return {
    async related(name, now) {
      const key = nameKey(name);
      const spellings = await spellingsOf(db, key);
      const words = wordsIn(key).map((word) => [word]);
      const similar = (await namesSharing(db, words, relatedMax + 1)).filter(
        (other) => nameKey(other.capability) !== key,
      );
      const anything = { latencyMsMax: null, modifiedSince: null, withoutOrigins: [] };
      const own = matching([anyOf([filterLexeme("capability", key)])]);
      const facets = await countFacets(db, sql`(${own} and ${conditionsOf(anything, now)})`, ["capability"], now);
      const { values, approximate } = facets.capability ?? { values: [], approximate: false };
      return {
        capability: spellings[0]?.capability ?? name,
        count: spellings.reduce((sum, { count }) => sum + count, 0),
        spellings: spellings.slice(0, relatedMax),
        similar: similar.slice(0, relatedMax),
        together: values
          .filter(({ value }) => nameKey(value) !== key)
          .slice(0, relatedMax)
          .map(({ value, count }) => ({ capability: value, count })),
        approximate,
      };
    },

    async nearest(text, limit) {
      const words = wordsIn(nameKey(text));
      const known = await wordsOfNames(db, words);
      const guesses = await guessWords(
        db,
        words.filter((word) => !known.has(word)),
      );
      const meant = words.flatMap((word) => (known.has(word) ? [[word]] : [guesses.get(word)?.words ?? []]));
      return namesSharing(
        db,
        meant.filter((forms) => forms.length > 0),
        limit,
      );
    },
  };
}

function wordsIn(key: string): string[] {
  return [...new Set(key.split(" "))].filter((word) => word !== "").slice(0, wordsMax);
}

/** Those of `words` that some name has. */
async function wordsOfNames(db: Queryable, words: string[]): Promise<Set<string>> {
  const rows = await rowsOf<{ word: string }>(
    db,
    sql`select w.word from json_array_elements_text(${JSON.stringify(words)}::text::json) as w(word)
        where exists (select from search_values v where ${hasWord(sql`w.word`)})`,
  );
  return new Set(rows.map(({ word }) => word));
}

/** Names with a word of any of `words`, each of which may have several forms. A word counts the more, the rarer it is. */
async function namesSharing(db: Queryable, words: string[][], limit: number): Promise<CapabilityCount[]> {
  const forms = words.flatMap((ofWord, place) => ofWord.map((form) => [place, form]));
  const rows = await rowsOf<{ key: string; label: string; entries: number }>(
    db,
    sql`with forms as (
          select (f->>0)::integer as word, f->>1 as form from json_array_elements(${JSON.stringify(forms)}::text::json) f
        ), found as (
          select f.word, n.id, count(*) over (partition by f.word) as names
          from forms f cross join lateral (
            select v.id from search_values v where ${hasWord(sql`f.form`)} limit ${namesPerWordMax}
          ) n
        ), best as (
          select v.key, v.id, v.entries, sum(distinct_words.worth) as worth
          from (select id, word, max(1.0 / names) as worth from found group by id, word) distinct_words
          join search_values v using (id)
          group by v.key, v.id, v.entries order by worth desc, v.entries desc, v.key limit ${limit}
        )
        select b.key, b.entries, (
            select l.label from search_labels l where l.value = b.id and l.entries > 0
            order by l.entries desc, l.label limit 1
          ) as label
        from best b order by b.worth desc, b.entries desc, b.key`,
  );
  return rows.map(({ key, label, entries }) => ({ capability: capabilityName(key, label), count: entries }));
}

/** The condition that a value `v` is a name of a capability with this word. */
function hasWord(word: SQL): SQL {
  return sql`v.facet = ${capabilities} and v.entries > 0
    and string_to_array(v.key, ' ') @> array[${word} collate "C"]`;
}

/** How a name is written, the most frequent first. */
async function spellingsOf(db: Queryable, key: string): Promise<CapabilityCount[]> {
  return rowsOf<{ capability: string; count: number }>(
    db,
    sql`select l.label as capability, l.entries as count
        from search_values v join search_labels l on l.value = v.id
        where v.facet = ${capabilities} and v.key = ${key}::text and l.entries > 0
        order by l.entries desc, l.label`,
  );
}
