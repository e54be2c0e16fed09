import { limits } from "../base/limits.ts";
import { analyse, isStopWord } from "./analyser.ts";
import { meaningsOf } from "./thesaurus.ts";

/** A word of a query before it is looked up. */
export interface TypedWord {
  plain: string;
  /** Plain form and stem; one where they are the same. */
  forms: string[];
  /** Lexemes of what it can mean, beside itself (thesaurus.ts). */
  meanings: readonly string[];
  /** `getweather` beside `get` and `weather`: counts only if an entry has it. */
  joined: boolean;
  /** Typed in quotes: an entry without it is not found. */
  required: boolean;
  /** Typed with a `*` behind it: the beginning of a word. */
  prefix: boolean;
  /** From 0 to 1: what it counts, against a word that was typed as such. */
  weight: number;
}

/** Of the names of folders and files: they say little of who can work on the file. */
const pathWeight = 0.3;
/** Of what an address of the web says without words: that a page is to be read. */
const pageWeight = 0.5;

const quoted = /"([^"]+)"|“([^”]+)”/gu;
const beginning = /(?<![\p{L}\p{M}\p{N}._-])([\p{L}\p{M}\p{N}]{3,})\*(?![\p{L}\p{N}*])/gu;
const webAddress = /\b(?:https?|wss?):\/\/[^\s<>"'`)\]]+/giu;
/** A path from a root, a drive, a home or a place named before; `and/or` is none. */
const path = /(?<![^\s"'`(<[=:])(?:[a-z]:|~|\.{1,2})?[\\/](?:[\p{L}\p{N}_.@~-]+[\\/])*[\p{L}\p{N}_.@~-]*/giu;
const fileName = /(?<![\p{L}\p{N}_./\\])[\p{L}\p{N}_-]+\.(?:[a-z]{2,4}x?|mp[34])(?![\p{L}\p{N}_./\\-])/giu;
const extension = /\.([a-z0-9]{1,8})$/iu;
/** What may be data written out as text, such as Base64: no words, however it is split. */
const encodedData = /(?:data:[\w/+.-]+;base64,)?[A-Za-z0-9+/_-]{80,}={0,2}/gu;
/** Characters between two slashes, on average, from which such a text is no path. */
const encodedPartMin = 16;

/** Words of a query up to which quotes are a condition: in a longer request they only quote. */
const quotedAmongMax = 8;

/** What a file of an extension is, in the words of who describes a tool for it. */
const kinds: Record<string, string> = {
  bib: "bibliography text",
  csv: "csv spreadsheet",
  db: "database",
  doc: "word document",
  docx: "word document",
  epub: "book",
  gif: "image",
  html: "html web page",
  ics: "calendar",
  ipynb: "notebook",
  jpeg: "image",
  jpg: "image",
  json: "json",
  log: "log text",
  md: "markdown",
  mov: "video",
  mp3: "audio",
  mp4: "video",
  odp: "presentation",
  ods: "spreadsheet",
  odt: "document",
  pdf: "pdf document",
  png: "image",
  ppt: "powerpoint presentation",
  pptx: "powerpoint presentation",
  rtf: "document",
  sql: "sql database",
  sqlite: "sqlite database",
  svg: "svg image",
  tar: "archive",
  tex: "latex",
  tsv: "spreadsheet",
  txt: "text",
  wav: "audio",
  webp: "image",
  xls: "excel spreadsheet",
  xlsx: "excel spreadsheet",
  xml: "xml",
  yaml: "yaml",
  yml: "yaml",
  zip: "zip archive",
};

/**
 * The words to search for, each once, without those that say nothing (unless there are no others); at most
 * `limits.searchWordsMax`. Empty where `text` holds neither letters nor digits. Requests are often a person's own words to
 * an agent, so what is no word is read for what it says: a path is a file of some kind, an address is a page. Words in
 * quotes must be there in a query of few words, `weath*` is the beginning of a word.
 */
export function wordsOf(text: string): TypedWord[] {
  const words = new Map<string, TypedWord>();
  for (const { text: part, weight, required = false, prefix = false } of partsOf(
    text.slice(0, limits.queryStringBytesMax),
  )) {
    // A name that is typed as one may be shouted: its language is unknown, so every word has its English stem too.
    for (const { plain, stem, joined } of analyse(part, null)) {
      const had = words.get(plain);
      if (had === undefined) {
        const forms = stem === null ? [plain] : [plain, stem];
        const meanings = required || prefix ? [] : meaningsOf(stem ?? plain);
        words.set(plain, { plain, forms, meanings, joined, required: required && !joined, prefix, weight });
        continue;
      }
      if (!joined) had.joined = false;
      if (required && !joined) had.required = true;
      had.weight = Math.max(had.weight, weight);
    }
  }
  const all = [...words.values()];
  if (all.filter(({ joined }) => !joined).length > quotedAmongMax) for (const word of all) word.required = false;
  const telling = all.filter(({ plain, required }) => required || !isStopWord(plain));
  const kept = telling.some(({ joined }) => !joined) ? telling : all;
  // What weighs less must not take the place of what was said.
  return kept.toSorted((a, b) => b.weight - a.weight).slice(0, limits.searchWordsMax);
}

/** What a request says in words: without data, and with what paths and addresses are of in their place. */
export function saidIn(request: string): string {
  const said = partsOf(request.slice(0, limits.queryStringBytesMax)).filter(({ weight }) => weight === 1);
  return said.map(({ text }) => text).join(" ");
}

interface Part {
  text: string;
  weight: number;
  required?: boolean;
  prefix?: boolean;
}

/** The parts of a request: the words as such first, then what is read for what it says. */
function partsOf(request: string): Part[] {
  const parts: Part[] = [];
  const read = (pattern: RegExp, text: string, found: (match: string) => void) =>
    text.replace(pattern, (match) => {
      found(match);
      return " ";
    });
  let rest = read(webAddress, request, (address) => {
    const url = URL.parse(address);
    parts.push({ text: "url web page", weight: pageWeight });
    if (url === null) return;
    // `www.youtube.com` says youtube.
    parts.push({ text: url.hostname.replace(/^www\./u, "").replace(/\.[a-z]+$/u, ""), weight: 1 });
    parts.push({ text: decoded(url.pathname), weight: pathWeight });
  });
  rest = rest.replace(encodedData, (data) => (data.length / data.split("/").length < encodedPartMin ? data : " "));
  const file = (name: string) => {
    const kind = extension.exec(name)?.[1]?.toLowerCase();
    // `/login` is as likely a part of an address.
    if (kind === undefined && !/[\\/].*[\\/]/u.test(name)) return void parts.push({ text: name, weight: 1 });
    if (kind === undefined) parts.push({ text: "file directory", weight: 1 });
    else parts.push({ text: `file ${kind} ${Object.hasOwn(kinds, kind) ? kinds[kind] : ""}`, weight: 1 });
    parts.push({ text: name.replace(extension, ""), weight: pathWeight });
  };
  rest = read(path, rest, file);
  rest = read(fileName, rest, (name) => {
    const kind = extension.exec(name)?.[1]?.toLowerCase() ?? "";
    // `Next.js` and `example.com` are names.
    if (Object.hasOwn(kinds, kind)) file(name);
    else parts.push({ text: name, weight: 1 });
  });
  rest = read(beginning, rest, (word) => parts.push({ text: word.slice(0, -1), weight: 1, prefix: true }));
  for (const [, straight, curly] of rest.matchAll(quoted)) {
    parts.push({ text: straight ?? curly ?? "", weight: 1, required: true });
  }
  return [{ text: rest.replace(quoted, " "), weight: 1 }, ...parts];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
