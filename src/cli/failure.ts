import { Problem, type ValidationError } from "../base/problem.ts";
import { printable } from "./terminal.ts";

/** Something that the user can mend or has to know: it is printed without a stack trace and ends with exit code 1. */
export class Refusal extends Error {
  readonly validationErrors: readonly ValidationError[];

  constructor(message: string, options: { validationErrors?: readonly ValidationError[]; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "Refusal";
    this.validationErrors = options.validationErrors ?? [];
  }
}

/** No registry answered. Apart from other refusals, since trying the next document makes no sense. */
export class Unreachable extends Refusal {
  override readonly name = "Unreachable";
}

/** A command that cannot mean anything: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The exit code that `error` ends the command with: 2 for wrong usage, 1 for all else. */
export function exitCodeOf(error: unknown): 1 | 2 {
  return error instanceof UsageError ? 2 : 1;
}

/** What to tell the user of `error`, in lines without the last line feed. Only our own mistakes show a stack trace. */
export function describeFailure(error: unknown): string {
  if (error instanceof Refusal) return withFaults(error.message, error.validationErrors);
  if (error instanceof Problem) return withFaults(`${error.title}. ${error.message}`, error.validationErrors ?? []);
  if (error instanceof UsageError) return printable(error.message);
  if (isSystemError(error)) return printable(error.message);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Whether the operating system said no: a file that is missing, a right that is lacking. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string";
}

function withFaults(message: string, faults: readonly ValidationError[]): string {
  const lines = faults.map(({ field, description }) => `  ${field === "" ? "(document)" : field}: ${description}`);
  return printable([message, ...lines].join("\n"));
}
