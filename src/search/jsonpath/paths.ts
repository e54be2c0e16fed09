import { hash } from "node:crypto";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";

/**
 * What is indexed of a document, each as a short hash: the paths in it, whether there is an object at a path, which
 * scalar is at it, and the names of members at any depth. A path has the names of members, and one sign for "any
 * element" of an array. Hashes that collide only make the index find too much.
 */
export type PathTerm = string;

/** A place in a document, as `memberOf` and `elementOf` spell it. */
export type Path = string;

/** The document itself. */
export const rootPath: Path = "";

export function memberOf(path: Path, name: string): Path {
  return path + JSON.stringify(name);
}

export function elementOf(path: Path): Path {
  return `${path}*`;
}

/** The term of every document that has an array, or a scalar, at `path`. */
export function nonObjectTerm(path: Path): PathTerm {
  return termOf(`E${path}`);
}

/** The term of every document that has an object at `path`. */
export function objectTerm(path: Path): PathTerm {
  return termOf(`O${path}`);
}

/** The term of every document that has `value` at `path`; numbers compare as doubles. */
export function valueTerm(path: Path, value: string | number | boolean | null): PathTerm {
  return termOf(`V${path}=${JSON.stringify(value)}`);
}

/** The term of every document that has a member of that name somewhere. */
export function nameTerm(name: string): PathTerm {
  return termOf(`N${name}`);
}

/** The terms of a document, each once. */
export function pathTermsOf(document: JsonObject): PathTerm[] {
  const terms = new Set<PathTerm>();
  const names = new Set<string>();

  function visit(value: JsonValue, path: Path): void {
    if (isJsonObject(value)) {
      terms.add(objectTerm(path));
      for (const [name, member] of Object.entries(value)) {
        names.add(name);
        visit(member, memberOf(path, name));
      }
      return;
    }
    terms.add(nonObjectTerm(path));
    if (!Array.isArray(value)) terms.add(valueTerm(path, value));
    else for (const element of value) visit(element, elementOf(path));
  }

  visit(document, rootPath);
  for (const name of names) terms.add(nameTerm(name));
  return [...terms];
}

/** 32 bits of a hash in letters and digits, so that a term needs no quoting as a lexeme. */
function termOf(text: string): PathTerm {
  return Number.parseInt(hash("sha1", text, "hex").slice(0, 8), 16).toString(36);
}
