/**
 * The scripts of everyday use (UAX #31 table 5), by their ISO 15924 codes, and one or another that may be in a word
 * together: Japanese, Chinese and Korean, each also with Latin (UTS #39 §5.1 and §5.2, "Highly Restrictive").
 */
const coveringSets = [
  ["Latn", "Hani", "Hira", "Kana"],
  ["Latn", "Hani", "Bopo"],
  ["Latn", "Hani", "Hang"],
  ...(
    "Cyrl Grek Arab Hebr Deva Thai Armn Geor Ethi Beng Guru Gujr Orya Taml Telu Knda Mlym Sinh Laoo Tibt Mymr Khmr " +
    "Thaa Mong Cher Cans Tfng Copt"
  )
    .split(" ")
    .map((script) => [script]),
];

/** What belongs to every script: digits, and characters whose Script_Extensions are Common or Inherited. */
const neutral = String.raw`\p{N}\p{scx=Zyyy}\p{scx=Zinh}`;

const classes = coveringSets.map((scripts) => scripts.map((script) => `\\p{scx=${script}}`).join(""));
/** The words that are written in one set of scripts; the last is for scripts that are not listed. */
const coveringPatterns = [...classes, `[^${classes.join("")}]`].map(
  (letters) => new RegExp(`^[${letters}${neutral}]*$`, "v"),
);

const wordPattern = /[\p{L}\p{M}\p{N}]+/gu;
const ignorablePattern = /\p{Default_Ignorable_Code_Point}/gu;
const asciiPattern = /^[\0-\x7f]*$/;

/**
 * Whether a word in `text` has letters of scripts that are not written together: Latin and Cyrillic in "pаypal", but
 * not Latin and Han in "AI助手", nor Cyrillic beside a Latin word. A word is a run of letters, marks and digits, without
 * the invisible characters in it. Scripts out of use count as one script. Takes time linear in the length of `text`.
 *
 * UTS #39 §5, by the Script_Extensions of the running Node.js.
 */
export function hasMixedScripts(text: string): boolean {
  if (asciiPattern.test(text)) return false;
  const words = text.replaceAll(ignorablePattern, "").match(wordPattern) ?? [];
  return words.some((word) => !coveringPatterns.some((pattern) => pattern.test(word)));
}
