import { distance } from "fastest-levenshtein";

/** Words outside these bounds are taken as they are typed. */
const correctedUnits = { min: 4, max: 40 };

/** Whether `word` can be a mistyped one: letters of an alphabet, neither short nor endless. */
export function isCorrectable(word: string): boolean {
  return word.length >= correctedUnits.min && word.length <= correctedUnits.max && /^\p{L}+$/u.test(word);
}

/** Edits that a word may differ by from what was meant. */
export function editsMax(word: string): number {
  return word.length <= 5 ? 1 : 2;
}

/** `word` and all that is left of it when `letters` letters or fewer go. Two words one edit apart have one in common. */
export function stubsOf(word: string, letters: number): string[] {
  const stubs = new Set([word]);
  let latest = [word];
  for (let round = 0; round < letters; round += 1) {
    latest = latest.flatMap((stub) =>
      Array.from({ length: stub.length }, (_, index) => stub.slice(0, index) + stub.slice(index + 1)),
    );
    for (const stub of latest) if (stub !== "") stubs.add(stub);
    latest = [...new Set(latest)];
  }
  return [...stubs].map((stub) => stub.toWellFormed());
}

/** How many edits lie between two words; letters that have changed places count as one. */
export function editsBetween(typed: string, word: string): number {
  const edits = distance(typed, word);
  return edits === 2 && isSwap(typed, word) ? 1 : edits;
}

function isSwap(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let index = 0;
  while (a[index] === b[index]) index += 1;
  return a[index] === b[index + 1] && a[index + 1] === b[index] && a.slice(index + 2) === b.slice(index + 2);
}
