import { html } from "hono/html";
import { limits } from "../base/limits.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { snippetOf } from "../base/shown-text.ts";
import { descriptionOf } from "../things/entry-store.ts";
import { type AffordanceFacts, factsOf } from "../things/facts.ts";
import type { HttpDeps } from "./deps.ts";
import { isStale } from "./entry-facts.ts";
import { entryUrl } from "./entry-url.ts";
import type { TrustedEntry } from "./trusted-entries.ts";

/*
 * Pages for people who follow a link out of a timeline. `html` escapes whatever is put into it. Texts of strangers go
 * through `shown` as well: no characters that cannot be seen, and isolated from the text around them.
 */

export type Page = ReturnType<typeof html>;

/** Nothing is loaded or run, nobody frames the page, and nobody else is told who reads it. */
export const pageHeaders = {
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
};

/** An entry: what it says of itself, and what the registry has found out about it. */
export function entryPage(
  { stored, trust, lookalike }: TrustedEntry,
  deps: Pick<HttpDeps, "publicUrl" | "federation">,
): Page {
  const { entry } = stored;
  const facts = factsOf(descriptionOf(stored));
  const title = snippetOf(facts.title ?? "", limits.snippetTitleCharactersMax) || "(untitled)";
  const description = facts.descriptions[0]?.text ?? "";
  const url = new URL(entryUrl(deps.publicUrl(), entry));
  const beside = (suffix: string) => Object.assign(new URL(url), { pathname: url.pathname + suffix }).href;
  const stale = isStale(entry, deps) ? " It has not been heard for long: the entry may have changed there." : "";
  return pageOf(
    title,
    html`<h1><bdi>${title}</bdi></h1>
      <p class="note">The texts on this page were written by whoever published the entry.</p>
      <p dir="auto">${snippetOf(description, limits.snippetCharactersMax)}</p>
      ${
        lookalike === null
          ? ""
          : html`<p class="warning">
              Not to be confused by its ${lookalike.field} with ${link(lookalike.href, lookalike.id)}.
              ${lookalike.explanation}
            </p>`
      }
      <h2>What it can do</h2>
      ${
        facts.affordances.length === 0
          ? html`<p>It names nothing.</p>`
          : html`<ul>
              ${facts.affordances.map(capability)}
            </ul>`
      }
      <h2>Who it is</h2>
      <dl>
        <dt>Id</dt>
        <dd>${shown(entry.thingId)}</dd>
        <dt>Signed by</dt>
        <dd>${shown(entry.controller ?? "nobody")}</dd>
        <dt>Proof</dt>
        <dd>${trust.state} since ${trust.since.toISOString()}. ${trust.reason === null ? "" : shown(trust.reason)}</dd>
        <dt>Badges</dt>
        <dd>
          ${
            trust.badges.length === 0
              ? "none"
              : html`<ul>
                  ${trust.badges.map(({ badge, explanation }) => html`<li>${badge}: ${shown(explanation)}</li> `)}
                </ul>`
          }
        </dd>
        ${
          facts.types.length === 0
            ? ""
            : html`<dt>Types</dt>
                <dd>${facts.types.map((type) => html`${shown(type)} `)}</dd>`
        }
        <dt>Came from</dt>
        <dd>${entry.origin === null ? "this registry" : link(entry.origin, entry.origin)}.${stale}</dd>
        <dt>Changed</dt>
        <dd>${entry.modified.toISOString()}</dd>
      </dl>
      <h2>For programs</h2>
      <ul>
        <li>${link(url.href, "The signed description")}</li>
        <li>${link(beside("/registration"), "What this registry knows about it")}</li>
        <li>${link(beside("/versions"), "Its history")}</li>
      </ul>`,
  );
}

/** Instead of an entry that is not here any more. */
export function gonePage(tombstone: JsonObject): Page {
  const { deleted } = tombstone;
  return pageOf(
    "Gone",
    html`<h1>Gone</h1>
      <p>
        This entry is not listed here any more.${typeof deleted === "string" ? html` Since ${shown(deleted)}.` : ""}
      </p>`,
  );
}

/** The registry itself. */
export function actorPage({ actor, publicUrl }: { actor: JsonObject; publicUrl: string }): Page {
  const handle = `@${textOf(actor["preferredUsername"])}@${new URL(publicUrl).host}`;
  return pageOf(
    textOf(actor["name"]) || handle,
    html`<h1><bdi>${textOf(actor["name"]) || handle}</bdi></h1>
      <p>A registry where AI agents and tools are published, verified and found.</p>
      <p>
        To hear of what is published here, follow <strong>${handle}</strong> from a registry of your own (<code
          >npx thingstead peers follow ${handle}</code
        >), or from any server of the fediverse.
      </p>
      <ul>
        <li>${link(`${publicUrl}/`, "Search")}</li>
        <li>${link(`${publicUrl}/docs`, "API documentation")}</li>
        <li>${link(`${publicUrl}/.well-known/wot`, "This directory's Thing Description")}</li>
      </ul>`,
  );
}

function pageOf(title: string, content: Page): Page {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <style>
          body {
            font-family: system-ui, sans-serif;
            line-height: 1.5;
            margin: 2rem auto;
            max-width: 42rem;
            overflow-wrap: anywhere;
            padding: 0 1rem;
          }
          .note {
            color: #666;
          }
          .warning {
            border: 2px solid #b30;
            padding: 0.5rem;
          }
        </style>
      </head>
      <body>
        ${content}
      </body>
    </html>`;
}

function capability({ kind, name, titles, descriptions }: AffordanceFacts): Page {
  const title = titles[0]?.text ?? name;
  const description = descriptions[0]?.text;
  return html`<li>
    ${shown(title)}
    (${kind}${title === name ? "" : html` ${shown(name)}`})${
      description === undefined ? "" : html`: ${shown(description, limits.snippetCharactersMax)}`
    }
  </li> `;
}

/** A stranger's text on one line. */
function shown(text: string, charactersMax: number = limits.snippetTitleCharactersMax): Page {
  return html`<bdi>${snippetOf(text, charactersMax)}</bdi>`;
}

/** A link to the web; what leads elsewhere, such as `javascript:`, is only a text. */
function link(href: string, text: string): Page {
  const url = URL.parse(href);
  if (url === null || !/^https?:$/.test(url.protocol)) return shown(text);
  return html`<a href="${url.href}" rel="nofollow noopener">${shown(text)}</a>`;
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? snippetOf(value, limits.snippetTitleCharactersMax) : "";
}
