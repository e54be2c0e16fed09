import { z } from "@hono/zod-openapi";
import { badgeNames, verificationStates } from "../admission/trust.ts";
import { limits } from "../base/limits.ts";

export const thingSchema = z
  .looseObject({ "@context": z.unknown(), id: z.string().optional(), title: z.string() })
  .openapi("ThingDescription", { description: "A W3C WoT Thing Description 1.1 (or 1.0)." });

export const collectionSchema = z
  .object({
    "@context": z.string(),
    "@type": z.literal("ThingCollection"),
    "@id": z.string(),
    total: z.int(),
    next: z.string().optional(),
    members: z.array(z.unknown()),
  })
  .openapi("ThingCollection");

export const tombstoneSchema = z
  .looseObject({
    "@context": z.unknown(),
    id: z.string(),
    type: z.literal("Tombstone"),
    formerType: z.unknown(),
    deleted: z.string(),
  })
  .openapi("Tombstone", { description: "An ActivityStreams Tombstone with a proof by the entry's controller." });

export const repairSchema = z.object({ field: z.string(), description: z.string() }).openapi("Repair");

export const createdSchema = z
  .object({
    id: z.string(),
    href: z.url(),
    controller: z.string().nullable(),
    verified: z.boolean(),
    repairs: z.array(repairSchema).openapi({ description: "What was mended in an unsigned description." }),
    alias: z
      .string()
      .nullable()
      .openapi({ description: "The original id, where it was no URI; it names the entry too." }),
  })
  .openapi("Created");

export const lookalikeSchema = z
  .object({
    id: z.string(),
    controller: z.string().nullable(),
    href: z.url(),
    field: z.enum(["title", "vendor"]),
    explanation: z.string(),
  })
  .openapi("Lookalike", {
    description: "An entry of another controller, with a stronger badge, that this one could be taken for.",
  });

export const badgeSchema = z
  .object({
    badge: z.enum(badgeNames),
    explanation: z.string(),
    since: z.iso.datetime(),
    checked: z.iso.datetime().openapi({ description: "When that was last found to be so." }),
  })
  .openapi("Badge");

export const registrationSchema = z
  .object({
    id: z.string(),
    href: z.url(),
    state: z.enum(["active", "retracted"]),
    controller: z.string().nullable(),
    digest: z.string().openapi({ description: "SHA-256 of the document, lower-case hex." }),
    registration: z.object({
      created: z.iso.datetime(),
      modified: z.iso.datetime(),
      expires: z.iso.datetime().optional(),
      ttl: z.number().optional(),
    }),
    visibility: z.enum(["public", "by-id"]),
    verification: z.object({
      verified: z.boolean().openapi({ description: "Whether the state is `verified`." }),
      state: z.enum(verificationStates),
      reason: z.string().nullable(),
      since: z.iso.datetime().openapi({ description: "Since when the state is what it is." }),
      verificationMethod: z.string().nullable(),
      cryptosuite: z.string().nullable(),
      verifiedAt: z.iso.datetime().nullable(),
      created: z.string().nullable().openapi({ description: "The proof's `created`, normalised." }),
      expires: z.iso.datetime().nullable().openapi({ description: "The proof's `expires`." }),
      didDocumentRetrieved: z.iso
        .datetime()
        .nullable()
        .openapi({ description: "The age of the controller's DID document that the state is founded on." }),
      stale: z.boolean().openapi({ description: "The controller's host has not been heard for hours." }),
      assessed: z.iso
        .datetime()
        .nullable()
        .openapi({ description: "When proof and badges were last looked at again." }),
    }),
    badges: z.array(badgeSchema),
    findings: z.array(z.string()).openapi({ description: "Why other badges are not held." }),
    lookalike: lookalikeSchema.nullable(),
    provenance: z.object({
      door: z.string(),
      origin: z.string().nullable(),
      stale: z.boolean().openapi({
        description: "The registry that the entry came from has not been heard for long: it may have changed there.",
      }),
    }),
    equivocal: z.boolean().openapi({ description: "Two documents with one `created` were seen." }),
    repairs: z.array(repairSchema),
    alias: z.string().nullable(),
  })
  .openapi("Registration");

export const versionsSchema = z
  .object({
    id: z.string(),
    versions: z.array(
      z.object({
        digest: z.string().openapi({ description: "SHA-256 of the document, lower-case hex." }),
        href: z.url().openapi({ description: "Where its exact bytes are." }),
        kind: z.enum(["description", "tombstone"]),
        current: z.boolean(),
        created: z.string().nullable(),
        accepted: z.iso.datetime(),
        verificationMethod: z.string().nullable(),
        door: z.string(),
        origin: z.string().nullable(),
      }),
    ),
  })
  .openapi("Versions");

export const idParam = z.object({
  id: z.string().openapi({ param: { name: "id", in: "path" }, description: "The thing's id, percent-encoded or not." }),
});

export const versionParams = idParam.extend({
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .openapi({ param: { name: "digest", in: "path" }, description: "SHA-256 of its bytes, lower-case hex." }),
});

export const entryQuery = z.object({
  enriched: z
    .enum(["true", "false"])
    .optional()
    .openapi({ description: "`true` adds `registration` to a signed description, which breaks its proof." }),
  controller: z
    .string()
    .max(limits.didBytesMax)
    .optional()
    .openapi({ description: "Which controller's entry, where several have one of this id. Default: the first one's." }),
});

export const subresourceQuery = entryQuery.pick({ controller: true });
