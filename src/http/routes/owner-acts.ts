import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { requirePass } from "../../admission/authorize.ts";
import type { Act } from "../../admission/registration.ts";
import type { ThingId } from "../../base/ids.ts";
import { limits } from "../../base/limits.ts";
import { Problem } from "../../base/problem.ts";
import { isUri } from "../../things/description.ts";
import { afterWrite } from "../after-write.ts";
import { readBody } from "../body.ts";
import type { HttpDeps } from "../deps.ts";
import { entryUrl } from "../entry-url.ts";
import { readEvidence } from "../evidence.ts";
import { readFields } from "../json-fields.ts";
import { problemResponses } from "../problems.ts";
import { requireOwnerOrReader } from "../read-access.ts";
import { readThingPath } from "../thing-path.ts";
import { idParam } from "../things-schemas.ts";

const tags = ["Owner acts"];
const jsonType = "application/json";

const signatureHeaders = z.object({
  "signature-input": z.string().optional().openapi({
    description: "What the signature covers (RFC 9421); docs/requests.md tells how a request is signed.",
  }),
  signature: z.string().optional().openapi({ description: "The signature by a key of the entry's controller." }),
  "content-digest": z.string().optional().openapi({ description: "SHA-256 or SHA-512 of the body (RFC 9530)." }),
});

const heartbeatFields = z
  .strictObject({
    ttl: z
      .int("must be a whole number of seconds")
      .min(1, "must be at least 1")
      .max(limits.registrationTtlSecondsMax, `must be at most ${limits.registrationTtlSecondsMax}`)
      .optional()
      .openapi({ description: "Seconds from now on, instead of those that the entry asked for." }),
  })
  .openapi("Heartbeat");

const renewedSchema = z
  .object({
    id: z.string(),
    href: z.url(),
    expires: z.iso.datetime().openapi({ description: "Until when the entry is listed now." }),
    ttl: z.int(),
  })
  .openapi("Renewed");

const visibilityFields = z
  .strictObject({ visibility: z.enum(["public", "by-id"], "must be public or by-id") })
  .openapi("VisibilityChoice");

const visibilitySchema = z
  .object({ id: z.string(), href: z.url(), visibility: z.enum(["public", "by-id"]) })
  .openapi("Visibility");

/** Refusals that all acts of owners share. */
const refusals = [
  "invalid-json",
  "invalid-parameter",
  "invalid-signature",
  "token-required",
  "signed-entry",
  "not-controller",
  "entry-unlisted",
  "insufficient-scope",
  "not-found",
  "request-replayed",
  "gone",
  "too-many-requests",
  "unsupported-media-type",
  "did-unavailable",
] as const;

/**
 * What controllers do to the registration of their entries without a new document; they show themselves by a signature of
 * the request. Works in every admission mode, since it brings nothing new in. Of an entry that nobody signed, whoever may
 * change it does the same with a token.
 */
export function addOwnerActRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  /** The id under which an entry stands here, be it listed or not. */
  async function findThingId(readings: readonly string[]): Promise<ThingId> {
    for (const id of readings) {
      const [row] = await deps.entries.findAllOfThing(id as ThingId);
      if (row !== undefined) return row.thingId;
    }
    for (const alias of readings.filter((reading) => !isUri(reading))) {
      const thingId = await deps.entries.findAlias(alias);
      if (thingId !== null) return thingId;
    }
    throw new Problem("not-found", `There is no entry ${readings[0]?.slice(0, 300)}.`);
  }

  /** What the body says, and the act that it is part of. */
  async function readAct<Schema extends z.ZodType>(
    c: Context,
    suffix: string,
    schema: Schema,
  ): Promise<{ act: Act; fields: z.infer<Schema> }> {
    const readings = readThingPath(c, deps.publicUrl(), suffix);
    const body = await readBody(c, [jsonType]);
    const fields = readFields(body, schema);
    const evidence = await readEvidence(c, deps, body);
    if (evidence.signer === null) requirePass(deps.admissionMode, evidence);
    await requireOwnerOrReader(evidence, readings, deps);
    const thingId = await findThingId(readings);
    return { act: { door: "http", evidence, thingId }, fields };
  }

  app.openAPIRegistry.registerPath({
    method: "post",
    path: "/things/{id}/heartbeat",
    tags,
    summary: "Renew the registration of an entry",
    description:
      "Lists the entry for its ttl from now on, also if that had run out. Signed by the entry's controller (RFC 9421, docs/requests.md); an unsigned entry is renewed by whoever may change it.",
    request: {
      params: idParam,
      headers: signatureHeaders,
      body: { required: false, content: { [jsonType]: { schema: heartbeatFields } } },
    },
    responses: {
      200: { description: "Renewed.", content: { [jsonType]: { schema: renewedSchema } } },
      ...problemResponses(...refusals),
    },
  });
  // The id takes the rest of the path, slashes included, but for the name of the act.
  app.post("/things/:id{.+/heartbeat}", async (c) => {
    const { act, fields } = await readAct(c, "/heartbeat", heartbeatFields);
    const receipt = await deps.admission.renew({ ...act, ttlSeconds: fields.ttl ?? null });
    await afterWrite(receipt, deps);
    const { thingId, expires, ttlSeconds } = receipt.entry;
    if (expires === null || ttlSeconds === null) throw new Error("a renewed entry without an expiry");
    const body: z.infer<typeof renewedSchema> = {
      id: thingId,
      href: entryUrl(deps.publicUrl(), receipt.entry),
      expires: expires.toISOString(),
      ttl: ttlSeconds,
    };
    return c.json(body);
  });

  app.openAPIRegistry.registerPath({
    method: "post",
    path: "/things/{id}/visibility",
    tags,
    summary: "Choose who finds an entry",
    description:
      "`by-id` takes the entry out of listings, searches and events; whoever knows its id still reads it. Signed by the entry's controller (RFC 9421, docs/requests.md).",
    request: {
      params: idParam,
      headers: signatureHeaders,
      body: { required: true, content: { [jsonType]: { schema: visibilityFields } } },
    },
    responses: {
      200: { description: "Chosen.", content: { [jsonType]: { schema: visibilitySchema } } },
      ...problemResponses(...refusals),
    },
  });
  app.post("/things/:id{.+/visibility}", async (c) => {
    const { act, fields } = await readAct(c, "/visibility", visibilityFields);
    const receipt = await deps.admission.chooseVisibility({ ...act, visibility: fields.visibility });
    await afterWrite(receipt, deps);
    const { thingId, visibility } = receipt.entry;
    const body: z.infer<typeof visibilitySchema> = {
      id: thingId,
      href: entryUrl(deps.publicUrl(), receipt.entry),
      visibility,
    };
    return c.json(body);
  });
}
