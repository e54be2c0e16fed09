ALTER TABLE "entries" ADD COLUMN "version_digest" "bytea" NOT NULL;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "version_digest" "bytea" NOT NULL;