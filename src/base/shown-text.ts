/** Letters of the scripts in which a joiner changes how the letters beside it are written, as in Persian or Hindi. */
const joiningLetter =
  "[[\\p{scx=Arab}\\p{scx=Syrc}\\p{scx=Mong}\\p{scx=Nkoo}\\p{scx=Adlm}\\p{scx=Deva}\\p{scx=Beng}\\p{scx=Guru}\\p{scx=Gujr}" +
  "\\p{scx=Orya}\\p{scx=Taml}\\p{scx=Telu}\\p{scx=Knda}\\p{scx=Mlym}\\p{scx=Sinh}\\p{scx=Khmr}\\p{scx=Mymr}]&&\\p{L}]";

/** The joiners that are part of writing (compare RFC 5892 appendix A) and of emoji such as a family (UTS #51). */
const writtenJoiner =
  `(?<=${joiningLetter}\\p{M}*)[\\u200c\\u200d](?=${joiningLetter})` +
  "|(?<=\\p{Extended_Pictographic}[\\ufe0f\\p{Emoji_Modifier}]?)\\u200d(?=\\p{Extended_Pictographic})";

/** The choice between emoji and text, and the keycaps. */
const writtenSelector = "(?<=\\p{Extended_Pictographic})[\\ufe0e\\ufe0f]|(?<=[0-9#*])\\ufe0f(?=\\u20e3)";

/**
 * Controls other than white space, unpaired surrogates, and whatever Unicode says is not to be seen
 * (Default_Ignorable_Code_Point): bidirectional formatting, zero-width characters, variation selectors and tags.
 */
const hiddenPattern = new RegExp(
  `(?!${writtenJoiner}|${writtenSelector})` +
    "[[\\p{Cc}\\p{Cs}\\p{Default_Ignorable_Code_Point}\\ufff9-\\ufffb]--\\p{White_Space}]",
  "gv",
);

/** U+2800 is an empty cell of Braille. */
const whiteSpacePattern = /[\p{White_Space}\u2800]+/gu;

/** Unicode's own bound is 30 (UAX #15, Stream-Safe Text); no writing in use needs more than a few. */
const piledMarksPattern = /(\p{M}{8})\p{M}+/gu;

const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });

/**
 * `text` without what a reader cannot see, but a terminal, a language model or the order of the line would follow:
 * control characters, bidirectional formatting, zero-width and other invisible characters, tags (U+E0000 to U+E007F),
 * variation selectors, unpaired surrogates. White space stays as it is, line feeds included. Joiners stay between
 * letters whose script needs them and within emoji, selectors only where they tell emoji from text; flags that are
 * spelt with tags become plain ones. Takes time linear in the length of `text`.
 */
export function withoutHidden(text: string): string {
  return text.replaceAll(hiddenPattern, "");
}

/**
 * `text` with at most 8 combining marks in a row. More of them cover the lines around, and normalising a run of marks
 * takes time quadratic in its length: strangers' texts go through here before `normalize`.
 */
export function withoutPiledMarks(text: string): string {
  return text.replaceAll(piledMarksPattern, "$1");
}

/** `text` if it has at most `unitsMax` UTF-16 units, else as many whole graphemes as fit with a "…" behind them. */
export function shortened(text: string, unitsMax: number): string {
  if (text.length <= unitsMax) return text;
  const firstCut = graphemes.segment(text).containing(unitsMax - 1)?.index ?? 0;
  // A joiner joins nothing now.
  return `${text.slice(0, firstCut).replace(/[\p{White_Space}\u200c\u200d]+$/u, "")}…`;
}

/**
 * A text that a stranger wrote, made harmless to show on one line: as `withoutHidden`, in NFC, each run of white space
 * one space, at most 8 marks on a letter, and cut to `charactersMax` UTF-16 units. What it says is not judged. Where
 * right-to-left text may stand, it has to be isolated from the text around it as well, as `<bdi>` does.
 * Idempotent; takes time linear in the length of `text`.
 */
export function snippetOf(text: string, charactersMax: number): string {
  const composed = withoutPiledMarks(withoutHidden(text)).normalize("NFC");
  // Composing joins what stood apart, so that a joiner can have lost its place.
  const shown = withoutPiledMarks(withoutHidden(composed)).replaceAll(whiteSpacePattern, " ").trim();
  return shortened(shown, charactersMax);
}
