/** What a command may touch of the process that it runs in. */
export interface Terminal {
  /** Results only. */
  stdout: NodeJS.WritableStream;
  /** Everything that is not a result; `isTTY` tells whether somebody watches. */
  stderr: NodeJS.WritableStream & { isTTY?: boolean };
  stdin: AsyncIterable<Uint8Array | string>;
  /** The environment, as the process was given it. */
  env: Record<string, string | undefined>;
}

/** Writes a result. */
export function print(terminal: Terminal, text: string): void {
  terminal.stdout.write(`${text}\n`);
}

/** Tells what happens, beside the results. */
export function say(terminal: Terminal, text: string): void {
  terminal.stderr.write(`${text}\n`);
}

/** C0 and C1 controls but the line feed, and formatting that reorders or hides text (Trojan Source, escape codes). */
const hiddenPattern = /(?!\n)[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;

/** `text` without what could steer a terminal or show something else than is there: for texts that strangers wrote. */
export function printable(text: string): string {
  return text.replaceAll(hiddenPattern, "");
}

/** The same on one line, cut to `unitsMax` UTF-16 units. */
export function printableLine(text: string, unitsMax = 200): string {
  const line = printable(text).replaceAll(/\s+/g, " ").trim();
  return line.length <= unitsMax ? line : `${line.slice(0, unitsMax - 1).trimEnd()}…`;
}
