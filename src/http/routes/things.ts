import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { requirePass } from "../../admission/authorize.ts";
import type { Receipt } from "../../admission/stages.ts";
import { limits } from "../../base/limits.ts";
import { Problem } from "../../base/problem.ts";
import { isUri } from "../../things/description.ts";
import { type CurrentEntry, type EntryRow, etagOfEntry, type StoredEntry } from "../../things/entry-store.ts";
import { afterWrite } from "../after-write.ts";
import { readBody } from "../body.ts";
import { isNotModified, readPrecondition } from "../conditions.ts";
import type { HttpDeps } from "../deps.ts";
import { registrationOf, versionsOf } from "../entry-facts.ts";
import { entryUrl } from "../entry-url.ts";
import { isSigned, readEvidence, readToken } from "../evidence.ts";
import { answerListing, listQuery } from "../listing.ts";
import { answerJson, descriptionTypes, negotiateType } from "../negotiation.ts";
import { problemResponses } from "../problems.ts";
import { requireOwnerOrReader } from "../read-access.ts";
import { addRoute, readQuery } from "../route.ts";
import { showEntry } from "../show-entry.ts";
import { readThingPath } from "../thing-path.ts";
import { answerVersion, versionSuffix } from "../versions.ts";
import {
  thingSchema,
  collectionSchema,
  tombstoneSchema,
  createdSchema,
  registrationSchema,
  versionsSchema,
  idParam,
  versionParams,
  entryQuery,
  subresourceQuery,
} from "../things-schemas.ts";

const tags = ["Things"];
const documentTypes = [...descriptionTypes, "application/activity+json"] as const;

/** Something about an entry, beside the entry itself. */
interface Subresource {
  /** The end of its path. */
  suffix: RegExp;
  /** @param suffix what of the path has matched. */
  answer(c: Context, entry: EntryRow, suffix: RegExpExecArray): Promise<Response>;
}

type AnswerBeside = (c: Context, entry: EntryRow) => Promise<Response>;

/** The W3C WoT Discovery Things API (§7.3.2.1), with registration and history beside each thing. */
export function addThingsRoutes(app: OpenAPIHono, deps: HttpDeps): void {
  const { admission, entries } = deps;
  const hrefOf = (entry: CurrentEntry) => entryUrl(deps.publicUrl(), entry);

  /** The entry that the path names, also by an alias; null if there is none. */
  async function find(readings: string[], controller?: string): Promise<StoredEntry | null> {
    const now = deps.clock.now();
    const findOne = (id: string) =>
      controller === undefined ? entries.findPrimary(id, now) : entries.findByController(id, controller, now);
    for (const id of readings) {
      const found = await findOne(id);
      if (found !== null) return found;
    }
    for (const alias of readings.filter((reading) => !isUri(reading))) {
      const thingId = await entries.findAlias(alias);
      const found = thingId === null ? null : await findOne(thingId);
      if (found !== null) return found;
    }
    return null;
  }

  async function mustFind(readings: string[], controller?: string): Promise<StoredEntry> {
    const found = await find(readings, controller);
    if (found === null) throw missing(readings[0] ?? "");
    return found;
  }

  async function answerWithEntry(c: Context, stored: StoredEntry, enriched: boolean): Promise<Response> {
    const { entry, document } = stored;
    if (entry.state === "retracted") {
      return new Response(document, { status: 410, headers: { "content-type": "application/activity+json" } });
    }
    const type = negotiateType(c, descriptionTypes);
    const etag = etagOfEntry(entry);
    // A signed entry's tag is its document's digest, which is not what the enriched form is.
    const isTagged = entry.controller === null || !enriched;
    if (isTagged && isNotModified(c, etag))
      return new Response(null, { status: 304, headers: { etag, vary: "accept" } });
    return new Response(showEntry(stored, { enriched, now: deps.clock.now() }), {
      headers: {
        "content-type": type,
        "last-modified": entry.modified.toUTCString(),
        vary: "accept",
        ...(isTagged ? { etag } : {}),
      },
    });
  }

  /**
   * What the path names: an entry, or something beside one. An id may itself end like the path of a sub-resource, so
   * the whole path is looked up first.
   */
  async function findTarget(c: Context): Promise<{ stored: StoredEntry; answerBeside: AnswerBeside | null }> {
    const { controller } = readQuery(c.req.url, entryQuery);
    const beside = findSubresource(new URL(c.req.url).pathname);
    if (beside === null)
      return { stored: await mustFind(readThingPath(c, deps.publicUrl()), controller), answerBeside: null };
    const whole = await find(readThingPath(c, deps.publicUrl()), controller);
    if (whole !== null) return { stored: whole, answerBeside: null };
    const stored = await mustFind(readThingPath(c, deps.publicUrl(), beside.suffix), controller);
    return { stored, answerBeside: beside.answer };
  }

  /** What a path ends with, if it is that of a sub-resource; before it there is an id. */
  function findSubresource(pathname: string): { suffix: string; answer: AnswerBeside } | null {
    for (const { suffix, answer } of subresources) {
      const match = suffix.exec(pathname);
      if (match === null || match.index <= "/things/".length) continue;
      return { suffix: match[0], answer: (c, entry) => answer(c, entry, match) };
    }
    return null;
  }

  const subresources: Subresource[] = [
    { suffix: /\/registration$/, answer: async (c, entry) => answerJson(c, await registrationOf(entry, deps)) },
    { suffix: /\/versions$/, answer: async (c, entry) => answerJson(c, await versionsOf(entry, deps)) },
    { suffix: versionSuffix, answer: (c, entry, [, digest = ""]) => answerVersion(c, entry, digest, deps) },
  ];

  function createdResponse({ entry, repairs, alias }: Receipt): Response {
    const href = hrefOf(entry);
    const body: z.infer<typeof createdSchema> = {
      id: entry.thingId,
      href,
      controller: entry.controller,
      verified: entry.verifiedAt !== null,
      repairs,
      alias,
    };
    return Response.json(body, { status: 201, headers: { location: href, etag: etagOfEntry(entry) } });
  }

  addRoute(app, {
    config: {
      method: "post",
      path: "/things",
      tags,
      summary: "Register a Thing Description without an id",
      description:
        "For unsigned descriptions. The registry mints a `urn:uuid` (WoT Discovery, tdd-things-create-anonymous-td).",
      request: { body: { required: true, content: contentOf(descriptionTypes, thingSchema) } },
      responses: {
        201: {
          description: "Registered; `Location` is the entry's URL.",
          content: { "application/json": { schema: createdSchema } },
        },
        ...problemResponses(
          "invalid-json",
          "invalid-thing-description",
          "invalid-signature",
          "token-required",
          "proof-required",
          "request-replayed",
          "conflict",
          "document-too-large",
          "unsupported-media-type",
        ),
      },
    },
    handler: async (c) => {
      requirePass(deps.admissionMode, await readToken(c, deps));
      const bytes = await readBody(c, descriptionTypes);
      const evidence = await readEvidence(c, deps, bytes);
      const receipt = await admission.publish({ door: "http", evidence, bytes, target: null, origin: null });
      await afterWrite(receipt, deps);
      return createdResponse(receipt);
    },
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/things",
      tags,
      summary: "List things",
      description:
        "Ordered by id (Unicode code points). With `limit` in pages: a `Link` header with rel=next leads on, and one with rel=canonical has an `etag` that changes with the set of things.",
      request: { query: listQuery },
      responses: {
        200: {
          description: "Thing Descriptions: signed ones as signed, unsigned ones enriched.",
          content: {
            "application/ld+json": { schema: z.union([z.array(thingSchema), collectionSchema, z.array(z.string())]) },
          },
        },
        ...problemResponses("invalid-parameter", "not-acceptable", "not-implemented"),
      },
    },
    handler: (c) => answerListing(c, deps),
  });

  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/things/{id}/registration",
    tags,
    summary: "What the registry knows about an entry",
    description: "Registration, verification and provenance of an entry, retracted ones included.",
    request: { params: idParam, query: subresourceQuery },
    responses: {
      200: { description: "The facts.", content: { "application/json": { schema: registrationSchema } } },
      ...problemResponses("not-found", "invalid-parameter"),
    },
  });

  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/things/{id}/versions",
    tags,
    summary: "The history of an entry",
    description: `Its versions, newest first, evidence of equivocation included; the last ${limits.versionsPerEntryMax} are kept.`,
    request: { params: idParam, query: subresourceQuery },
    responses: {
      200: { description: "The versions.", content: { "application/json": { schema: versionsSchema } } },
      ...problemResponses("not-found", "invalid-parameter"),
    },
  });

  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/things/{id}/versions/{digest}",
    tags,
    summary: "Read one version of an entry",
    description:
      "The exact bytes that were submitted, of retracted entries as well: retraction ends a thing and does not erase its history.",
    request: { params: versionParams, query: subresourceQuery },
    responses: {
      200: {
        description: "The document. It never changes.",
        content: {
          "application/td+json": { schema: thingSchema },
          "application/activity+json": { schema: tombstoneSchema },
        },
      },
      304: { description: "`If-None-Match` names it." },
      ...problemResponses("not-found", "invalid-parameter"),
    },
  });

  addRoute(app, {
    config: {
      method: "get",
      path: "/things/{id}",
      tags,
      summary: "Read a Thing Description",
      description: "A signed description comes back byte for byte as it was submitted; an unsigned one enriched.",
      request: { params: idParam, query: entryQuery },
      responses: {
        200: { description: "The Thing Description.", content: { "application/td+json": { schema: thingSchema } } },
        304: { description: "`If-None-Match` names the current entity tag." },
        410: {
          description: "Retracted: the signed Tombstone.",
          content: { "application/activity+json": { schema: tombstoneSchema } },
        },
        ...problemResponses("not-found", "invalid-parameter"),
      },
    },
    // Sub-resources are told apart here, since the id takes the rest of the path.
    handler: async (c) => {
      const { stored, answerBeside } = await findTarget(c);
      if (answerBeside === null)
        return answerWithEntry(c, stored, readQuery(c.req.url, entryQuery).enriched === "true");
      readQuery(c.req.url, subresourceQuery);
      const facts = await entries.readFacts(stored.entry.key);
      if (facts === null) throw missing(stored.entry.thingId);
      return answerBeside(c, facts);
    },
  });

  addRoute(app, {
    config: {
      method: "put",
      path: "/things/{id}",
      tags,
      summary: "Register or replace a Thing Description, or retract one with a Tombstone",
      description:
        "The document's id must be the one in the path. A signed document must be newer than the version known here. `If-Match` and `If-None-Match` are honoured. Repairs of an unsigned description are listed in the answer to its creation, and in `/registration`.",
      request: {
        params: idParam,
        body: {
          required: true,
          content: {
            ...contentOf(descriptionTypes, thingSchema),
            "application/activity+json": { schema: tombstoneSchema },
          },
        },
      },
      responses: {
        201: {
          description: "Registered for the first time.",
          content: { "application/json": { schema: createdSchema } },
        },
        204: { description: "Replaced, retracted, or the same as before." },
        ...problemResponses(
          "invalid-json",
          "invalid-thing-description",
          "invalid-tombstone",
          "invalid-proof",
          "id-mismatch",
          "did-not-found",
          "egress-refused",
          "unsupported-did-method",
          "invalid-signature",
          "token-required",
          "proof-required",
          "not-controller",
          "signed-entry",
          "entry-unlisted",
          "version-not-newer",
          "request-replayed",
          "precondition-failed",
          "document-too-large",
          "unsupported-media-type",
          "did-deactivated",
          "did-unavailable",
        ),
      },
    },
    handler: async (c) => {
      requirePass(deps.admissionMode, await readToken(c, deps));
      const target = readThingPath(c, deps.publicUrl());
      const precondition = readPrecondition(c);
      const bytes = await readBody(c, documentTypes);
      const evidence = await readEvidence(c, deps, bytes);
      const receipt = await admission.publish({ door: "http", evidence, bytes, target, precondition, origin: null });
      await afterWrite(receipt, deps);
      return receipt.outcome === "created"
        ? createdResponse(receipt)
        : new Response(null, { status: 204, headers: { etag: etagOfEntry(receipt.entry) } });
    },
  });

  addRoute(app, {
    config: {
      method: "patch",
      path: "/things/{id}",
      tags,
      summary: "Change an unsigned Thing Description",
      description: "A JSON Merge Patch (RFC 7396). A signed description is changed by PUT of a new signed version.",
      request: {
        params: idParam,
        body: { required: true, content: { "application/merge-patch+json": { schema: z.looseObject({}) } } },
      },
      responses: {
        204: { description: "Changed." },
        ...problemResponses(
          "invalid-json",
          "invalid-patch",
          "invalid-thing-description",
          "id-mismatch",
          "invalid-signature",
          "token-required",
          "proof-required",
          "signed-entry",
          "not-found",
          "request-replayed",
          "gone",
          "precondition-failed",
          "document-too-large",
          "unsupported-media-type",
        ),
      },
    },
    handler: async (c) => {
      requirePass(deps.admissionMode, await readToken(c, deps));
      const { entry } = await mustFind(readThingPath(c, deps.publicUrl()));
      const precondition = readPrecondition(c);
      const patch = await readBody(c, ["application/merge-patch+json"]);
      const evidence = await readEvidence(c, deps, patch);
      const receipt = await admission.patch({
        door: "http",
        evidence,
        thingId: entry.thingId,
        patch,
        ...(Object.keys(precondition).length > 0 ? { precondition } : {}),
      });
      await afterWrite(receipt, deps);
      return new Response(null, { status: 204, headers: { etag: etagOfEntry(receipt.entry) } });
    },
  });

  addRoute(app, {
    config: {
      method: "delete",
      path: "/things/{id}",
      tags,
      summary: "Delete an unsigned entry, or unlist a signed one",
      description:
        "A signed entry is retracted by its controller with a signed Tombstone (PUT). DELETE takes it out of this registry only: by a request that its controller has signed (RFC 9421, docs/requests.md), or with a token of the scope `admin`.",
      request: { params: idParam },
      responses: {
        204: { description: "Gone from this registry." },
        ...problemResponses(
          "invalid-signature",
          "token-required",
          "insufficient-scope",
          "signed-entry",
          "not-controller",
          "not-found",
          "request-replayed",
          "gone",
          "precondition-failed",
          "too-many-requests",
          "did-deactivated",
          "did-unavailable",
        ),
      },
    },
    handler: async (c) => {
      // Only a signature asks what the body of a DELETE is.
      const body = isSigned(c) ? await readBody(c, documentTypes) : new Uint8Array();
      const precondition = readPrecondition(c);
      const evidence = await readEvidence(c, deps, body);
      if (evidence.signer === null) requirePass(deps.admissionMode, evidence);
      const readings = readThingPath(c, deps.publicUrl());
      await requireOwnerOrReader(evidence, readings, deps);
      const { entry } = await mustFind(readings);
      const receipt = await admission.remove({ door: "http", evidence, thingId: entry.thingId, precondition });
      await afterWrite(receipt, deps);
      return new Response(null, { status: 204 });
    },
  });
}

function missing(thingId: string): Problem {
  return new Problem("not-found", `There is no entry ${thingId.slice(0, 300)}.`);
}

function contentOf(types: readonly string[], schema: z.ZodType) {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}
