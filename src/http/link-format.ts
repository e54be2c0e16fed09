/** A link with its target attributes in the order in which they are written. */
export interface WebLink {
  href: string;
  attributes: Record<string, string>;
}

/** Numeric attributes, which are written without quotes. */
const plainAttributes = new Set(["ct", "sz"]);

/** Attributes whose value is a list of words, one of which is enough for a filter (RFC 6690 §2.3). */
const listAttributes = new Set(["rt", "if", "rel", "rev", "ct"]);

/** `links` in the CoRE Link Format (RFC 6690 §2). Attribute values must not hold quotes or backslashes. */
export function formatLinks(links: readonly WebLink[]): string {
  return links
    .map(({ href, attributes }) => {
      const written = Object.entries(attributes).map(([name, value]) =>
        plainAttributes.has(name) ? `;${name}=${value}` : `;${name}="${value}"`,
      );
      return `<${href}>${written.join("")}`;
    })
    .join(",");
}

/**
 * The links that answer a query (RFC 6690 §4.1): for each parameter, `href` or an attribute has that value, or one
 * that starts with it where it ends with `*`. A link without the attribute is no answer.
 */
export function filterLinks(links: readonly WebLink[], query: URLSearchParams): WebLink[] {
  return links.filter((link) =>
    [...query].every(([name, pattern]) => valuesOf(link, name).some((value) => matches(value, pattern))),
  );
}

function valuesOf({ href, attributes }: WebLink, name: string): string[] {
  if (name === "href") return [href];
  const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  if (value === undefined) return [];
  return listAttributes.has(name) ? value.split(" ") : [value];
}

function matches(value: string, pattern: string): boolean {
  return pattern.endsWith("*") ? value.startsWith(pattern.slice(0, -1)) : value === pattern;
}
