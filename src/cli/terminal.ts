import { shortened, withoutHidden } from "../base/shown-text.ts";

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

/** White space that moves the cursor elsewhere than to the next line. */
const cursorPattern = /(?!\n)[\p{Cc}\u2028\u2029]/gu;

/** `text` without what could steer a terminal or show something else than is there: for texts that strangers wrote. */
export function printable(text: string): string {
  return withoutHidden(text).replaceAll(cursorPattern, "");
}

/** The same on one line, cut to `unitsMax` UTF-16 units. Not normalised: ids are copied from here. */
export function printableLine(text: string, unitsMax = 200): string {
  return shortened(printable(text).replaceAll(/\s+/g, " ").trim(), unitsMax);
}

/** A table as lines, each column as wide as its widest cell; the first row has the headings. */
export function linesOfTable(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
