CREATE TABLE "assessments" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"version_digest" "bytea" NOT NULL,
	"state" text NOT NULL,
	"reason" text,
	"since" timestamp (3) with time zone NOT NULL,
	"absent_since" timestamp (3) with time zone,
	"did_document_retrieved" timestamp (3) with time zone,
	"badges" jsonb NOT NULL,
	"findings" jsonb NOT NULL,
	"lookalike" jsonb,
	"assessed" timestamp (3) with time zone,
	"due" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "entry_names" (
	"key" "bytea" NOT NULL,
	"field" text NOT NULL,
	"name" text NOT NULL,
	"skeleton" text COLLATE "C" NOT NULL,
	"stubs" text[],
	"strength" integer NOT NULL,
	CONSTRAINT "entry_names_key_field_skeleton_pk" PRIMARY KEY("key","field","skeleton")
);
--> statement-breakpoint
CREATE TABLE "api_tokens" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"scope" text NOT NULL,
	"created" timestamp (3) with time zone NOT NULL,
	"expires" timestamp (3) with time zone,
	"revoked" timestamp (3) with time zone,
	CONSTRAINT "api_tokens_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "request_nonces" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"controller" text NOT NULL,
	"expires" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "log_entries" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"xid" "xid8" NOT NULL,
	"journal_id" bigint NOT NULL,
	"hash" "bytea" NOT NULL
);
--> statement-breakpoint
DROP INDEX "journal_membership";--> statement-breakpoint
ALTER TABLE "entries" ADD COLUMN "unlisted_by" text;--> statement-breakpoint
ALTER TABLE "entries" ADD COLUMN "visibility" text DEFAULT 'public' NOT NULL;--> statement-breakpoint
ALTER TABLE "entries" ADD COLUMN "proof_expires" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "assessments_due" ON "assessments" USING btree ("due") WHERE "assessments"."due" is not null;--> statement-breakpoint
CREATE INDEX "entry_names_skeleton" ON "entry_names" USING btree ("skeleton");--> statement-breakpoint
CREATE INDEX "entry_names_known" ON "entry_names" USING btree ("strength") WHERE "entry_names"."strength" > 1;--> statement-breakpoint
CREATE INDEX "entry_names_stubs" ON "entry_names" USING gin ("stubs") WHERE "entry_names"."strength" > 1;--> statement-breakpoint
CREATE INDEX "request_nonces_controller" ON "request_nonces" USING btree ("controller");--> statement-breakpoint
CREATE INDEX "request_nonces_expires" ON "request_nonces" USING btree ("expires");--> statement-breakpoint
CREATE INDEX "journal_membership" ON "journal" USING btree ("xid","id") WHERE "journal"."kind" not in ('updated', 'expired', 'verification');--> statement-breakpoint
UPDATE "entries" SET "unlisted_by" = 'operator' WHERE "state" = 'unlisted';
