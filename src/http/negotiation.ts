import type { Context } from "hono";
import Negotiator from "negotiator";
import { Problem } from "../base/problem.ts";

/** Types in which a description is served; the first one is preferred (WoT Discovery §7.2). */
export const descriptionTypes = ["application/td+json", "application/ld+json", "application/json"] as const;

/** Types in which the listing is served (WoT Discovery §7.3.2.1.5). */
export const listingTypes = ["application/ld+json", "application/json"] as const;

/**
 * The type among `available` that the client likes best (RFC 9110 §12.5.1), the first one if it does not say.
 * Throws `not-acceptable` where it takes none.
 */
export function negotiateType(c: Context, available: readonly string[]): string {
  const accept = c.req.header("accept");
  if (accept === undefined) return available[0] ?? "";
  const type = new Negotiator({ headers: { accept } }).mediaType([...available]);
  if (type === undefined) {
    throw new Problem(
      "not-acceptable",
      `Available here: ${available.join(", ")}. The Accept header takes none of them.`,
      {
        extensions: { available },
      },
    );
  }
  return type;
}

/** A JSON answer, for clients that take JSON. */
export function answerJson(c: Context, body: object): Response {
  return c.json(body, 200, { "content-type": negotiateType(c, ["application/json"]), vary: "accept" });
}
