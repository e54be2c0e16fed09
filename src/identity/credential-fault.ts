import { limits } from "../base/limits.ts";

/** Why a credential is not accepted: one sentence, for people. It may hold what strangers wrote, made printable. */
export class CredentialFault extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(printable(message), options);
    this.name = "CredentialFault";
  }
}

/**
 * A stranger's text as a finding can bear it: at most `limits.credentialTextCharactersMax` characters, and U+FFFD in
 * place of control and format characters and of unpaired surrogates, which tables, terminals and eyes take badly.
 */
export function printable(text: string): string {
  const max = limits.credentialTextCharactersMax;
  return (text.length <= max ? text : `${text.slice(0, max - 1)}…`).replaceAll(/\p{C}/gu, "\uFFFD");
}
