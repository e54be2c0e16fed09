import { type Command, InvalidArgumentError, Option } from "commander";
import { limits } from "../base/limits.ts";
import { Refusal } from "./failure.ts";
import { collect, registryOf, registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import type { SearchAnswer, SearchExplanation, SearchItem } from "./registry-client.ts";
import { print, printableLine, say, type Terminal } from "./terminal.ts";

const filterNames = [
  "capability",
  "type",
  "protocol",
  "media",
  "input",
  "output",
  "tag",
  "vendor",
  "lang",
  "badge",
] as const;

interface SearchFlags extends RegistryFlags, Partial<Record<(typeof filterNames)[number], string[]>> {
  controller?: string;
  verified?: boolean;
  maxLatency?: string;
  since?: string;
  /** False for `--no-stale`. */
  stale: boolean;
  order?: string;
  explain?: boolean;
  scope?: string;
  limit?: number;
  cursor?: string;
  json?: boolean;
}

const help = `
Words are looked for in titles, descriptions, names of affordances, tags and vendors; the best answers come first. A
capability is the name, title or @type of something that a thing can do: getWeather, get_weather and "get weather" are
one. All filters must hold; those that may be repeated, each time. Without words, the newest come first.

With --scope peers the registry also asks those that it follows, at that moment, and tells which answered in time.

Exit code 1 says that nothing was found.

Examples:
  npx thingstead search "weather forecast"
  npx thingstead search --capability getWeather --type lmos:Agent --verified
  npx thingstead search router --protocol https --json
  npx thingstead search describe --input "image/*" --max-latency 200ms --explain
  npx thingstead search --since P7D --order modified
  npx thingstead search "weather forecast" --scope peers`;

export function addSearchCommand(program: Command, terminal: Terminal): void {
  program
    .command("search")
    .summary("find agents and tools by words and capability")
    .description("Finds things in a registry. Prints title, id, signer, what matched, and URL.")
    .argument("[words...]", "what it should be about")
    .option("--capability <name>", "what it can do (repeatable)", collect)
    .option("--type <type>", "its @type, e.g. lmos:Agent (repeatable)", collect)
    .option("--protocol <name>", "scheme or subprotocol that it speaks, e.g. mqtt (repeatable)", collect)
    .option("--media <type>", "content type that it handles, e.g. application/json or image/* (repeatable)", collect)
    .option("--input <type>", "content type that it takes (repeatable)", collect)
    .option("--output <type>", "content type that it gives (repeatable)", collect)
    .option("--tag <tag>", "a tag of it (repeatable)", collect)
    .option("--vendor <name>", "who makes it (repeatable)", collect)
    .option("--lang <tag>", "a language in which it is described (repeatable)", collect)
    .option("--badge <name>", "a badge that it holds: self, domain or credential (repeatable)", collect)
    .option("--controller <did>", "who signed it")
    .option("--verified", "only what a verified controller signed")
    .option("--max-latency <duration>", "only what promises to answer within, e.g. 200ms")
    .option("--since <when>", "only what was changed since, e.g. 24h, P7D or 2026-11-01T00:00:00Z")
    .option("--no-stale", "nothing from registries that have not been heard for long")
    .addOption(
      new Option("--order <order>", "without words: newest first, last change first, or by title").choices([
        "newest",
        "modified",
        "title",
      ]),
    )
    .option("--explain", "tell how the scores came about")
    .addOption(new Option("--scope <scope>", "where to look (default: local)").choices(["local", "peers"]))
    .option("--limit <number>", `how many, at most ${limits.searchPageMax}`, parseLimit)
    .option("--cursor <cursor>", "the page after the one that named this cursor")
    .option("--json", "print the registry's answer as it is")
    .addOption(registryOption())
    .addOption(tokenOption())
    .addHelpText("after", help)
    .action((words: string[], flags: SearchFlags) => search(words, flags, terminal));
}

async function search(words: string[], flags: SearchFlags, terminal: Terminal): Promise<void> {
  const query = new URLSearchParams();
  if (words.length > 0) query.set("q", words.join(" "));
  for (const name of filterNames) for (const value of flags[name] ?? []) query.append(name, value);
  if (flags.controller !== undefined) query.set("controller", flags.controller);
  if (flags.verified === true) query.set("verified", "true");
  if (flags.maxLatency !== undefined) query.set("maxLatency", flags.maxLatency);
  if (flags.since !== undefined) query.set("modifiedSince", flags.since);
  if (!flags.stale) query.set("stale", "false");
  if (flags.order !== undefined) query.set("order", flags.order);
  if (flags.explain === true) query.set("explain", "true");
  if (flags.scope !== undefined) query.set("scope", flags.scope);
  if (flags.limit !== undefined) query.set("limit", String(flags.limit));
  if (flags.cursor !== undefined) query.set("cursor", flags.cursor);

  const answer = await registryOf(flags, terminal).search(query);
  if (flags.json === true) print(terminal, JSON.stringify(answer, null, 2));
  else if (answer.items.length > 0) print(terminal, answer.items.map(describe).join("\n\n"));
  if (flags.json !== true) for (const peer of answer.peers ?? []) say(terminal, describePeer(peer));
  if (answer.items.length === 0) throw new Refusal("Nothing was found.");
  if (answer.next !== null && flags.json !== true) {
    say(terminal, `There is more: repeat the search with --cursor ${printableLine(answer.next, 5_000)}`);
  }
}

function describe(item: SearchItem): string {
  const matched = [...new Set(item.matched.map(({ name }) => name))];
  const signer = item.controller === null ? "unsigned" : `${item.verification}, signed by ${item.controller}`;
  const { lookalike } = item;
  const stale = item.stale ? ", which has not been heard for long" : "";
  return [
    item.title ?? "(untitled)",
    `  ${item.id}`,
    `  ${signer}`,
    ...(item.badges.length === 0 ? [] : [`  badges: ${item.badges.join(", ")}`]),
    ...(lookalike === null
      ? []
      : [`  not to be confused by its ${lookalike.field} with ${lookalike.id}, signed by ${lookalike.controller}`]),
    ...(matched.length === 0 ? [] : [`  matched: ${matched.join(", ")}`]),
    ...(typeof item.latency === "number" ? [`  answers within ${item.latency} ms`] : []),
    ...(item.origin === null ? [] : [`  from: ${item.origin}${stale}`]),
    `  ${item.href}`,
    ...(item.explanation === undefined ? [] : describeExplanation(item.explanation)),
  ]
    .map((line) => `${/^ */.exec(line)?.[0] ?? ""}${printableLine(line, 2_500)}`)
    .join("\n");
}

/** A line for each word of the query: what it added, and where the entry has it. */
function describeExplanation({ score, words, rules = [], lists = [] }: SearchExplanation): string[] {
  return [
    `  score ${rounded(score)}`,
    ...lists.map((list) => `    ${list.engine}: place ${list.rank}, score ${rounded(list.score)}`),
    ...rules.map((rule) => `    ${rule.rule}: ${rounded(rule.score)}`),
    ...words.map((word) => {
      const meant = word.forms.filter((form) => form !== word.word);
      const places = word.places.map(({ field, affordance }) =>
        affordance === null ? field : `${field} ${affordance}`,
      );
      return [
        `    ${word.word}: ${rounded(word.score)} (rarity ${rounded(word.rarity)}, impact ${rounded(word.impact)})`,
        ...(meant.length === 0 ? [] : [` as ${meant.join(", ")}`]),
        ...(places.length === 0 ? [] : [` in ${[...new Set(places)].join(", ")}`]),
      ].join("");
    }),
  ];
}

function rounded(value: number): string {
  return String(Math.round(value * 1_000) / 1_000);
}

function describePeer({
  peer,
  state,
  items,
  dropped,
  milliseconds,
}: NonNullable<SearchAnswer["peers"]>[number]): string {
  const counted = `${items} found${dropped === 0 ? "" : `, ${dropped} left out: their proofs do not hold`}`;
  const outcome = {
    answered: `answered in ${Math.round(milliseconds)} ms: ${counted}`,
    timeout: "did not answer in time",
    failed: "could not be asked",
  }[state];
  return `${printableLine(peer)} ${outcome ?? printableLine(state)}`;
}

/** The number of items of a page, as an option has it. */
export function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > limits.searchPageMax) {
    throw new InvalidArgumentError(`Expected a number from 1 to ${limits.searchPageMax}.`);
  }
  return limit;
}
