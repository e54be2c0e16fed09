import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";

/**
 * What is indexed of a document, each as a short hash: the paths in it, whether there is an object at a path, which
 * scalar is at it, and the names of members at any depth. A path has the names of members, and one sign for "any
 * element" of an array. Hashes that collide only make the index find too much.
 */
export type PathTerm = string;

/** A place in a document: the state of a hash (FNV-1a, 32 bits) of the steps that lead there. */
export type Path = number;

/** The document itself. */
export const rootPath: Path = 0x811c9dc5;

/** Steps and kinds of terms, beyond the units of which texts consist. */
const signs = { member: 0x10000, element: 0x20000, object: 0x30000, nonObject: 0x40000, value: 0x50000, name: 0x60000 };

export function memberOf(path: Path, name: string): Path {
  return withText(withSign(path, signs.member + name.length), name);
}

export function elementOf(path: Path): Path {
  return withSign(path, signs.element);
}

/** The term of every document that has an array, or a scalar, at `path`. */
export function nonObjectTerm(path: Path): PathTerm {
  return termOf(withSign(path, signs.nonObject));
}

/** The term of every document that has an object at `path`. */
export function objectTerm(path: Path): PathTerm {
  return termOf(withSign(path, signs.object));
}

/** The term of every document that has `value` at `path`; numbers compare as doubles. */
export function valueTerm(path: Path, value: string | number | boolean | null): PathTerm {
  return termOf(withText(withSign(path, signs.value), JSON.stringify(value)));
}

/** The term of every document that has a member of that name somewhere. */
export function nameTerm(name: string): PathTerm {
  return termOf(withText(withSign(rootPath, signs.name), name));
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

function withSign(state: number, sign: number): number {
  return Math.imul(state ^ sign, 0x01000193);
}

function withText(state: number, text: string): number {
  for (let at = 0; at < text.length; at += 1) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193);
  return state;
}

/** The state, its bits mixed, in letters and digits, so that the term needs no quoting as a lexeme. */
function termOf(state: number): PathTerm {
  let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0).toString(36);
}
