-- The index is made from the journal: it is emptied here and built anew as the registry starts.
TRUNCATE "search_entries", "search_details", "search_terms", "search_capabilities";--> statement-breakpoint
DELETE FROM "consumers" WHERE "name" = 'search-postgres';--> statement-breakpoint
ALTER TABLE "search_entries" ADD COLUMN "modified" timestamp (3) with time zone NOT NULL;--> statement-breakpoint
ALTER TABLE "search_entries" ADD COLUMN "latency_ms" integer;--> statement-breakpoint
ALTER TABLE "search_entries" ADD COLUMN "title_key" text COLLATE "C" NOT NULL;--> statement-breakpoint
CREATE INDEX "search_entries_modified" ON "search_entries" USING btree ("modified","sequence");--> statement-breakpoint
CREATE INDEX "search_entries_title" ON "search_entries" USING btree ("title_key","sequence");--> statement-breakpoint
CREATE INDEX "search_entries_latency" ON "search_entries" USING btree ("latency_ms") WHERE "search_entries"."latency_ms" IS NOT NULL;