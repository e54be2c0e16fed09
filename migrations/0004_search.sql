CREATE TABLE "search_capabilities" (
	"key" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"entries" integer NOT NULL,
	CONSTRAINT "search_capabilities_key_name_pk" PRIMARY KEY("key","name")
);
--> statement-breakpoint
CREATE TABLE "search_details" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"affordances" jsonb NOT NULL,
	"facet_keys" text[] NOT NULL,
	"facet_labels" text[] NOT NULL
);
--> statement-breakpoint
CREATE TABLE "search_words" (
	"word" text COLLATE "C" PRIMARY KEY NOT NULL,
	"stubs" text[] NOT NULL
);
--> statement-breakpoint
DROP INDEX "search_entries_filters";--> statement-breakpoint
DROP INDEX "search_terms_trigrams";--> statement-breakpoint
CREATE INDEX "search_words_stubs" ON "search_words" USING gin ("stubs");--> statement-breakpoint
CREATE INDEX "search_entries_expires" ON "search_entries" USING btree ("expires") WHERE "search_entries"."expires" IS NOT NULL;--> statement-breakpoint
ALTER TABLE "search_entries" DROP COLUMN "length_norm";--> statement-breakpoint
ALTER TABLE "search_entries" DROP COLUMN "filters";--> statement-breakpoint
ALTER TABLE "search_entries" DROP COLUMN "affordances";--> statement-breakpoint
ALTER TABLE "search_entries" DROP COLUMN "verified";--> statement-breakpoint
-- Rows that fit a page stay inline and uncompressed: ranking reads hundreds of them for one query.
ALTER TABLE "search_entries" SET (toast_tuple_target = 8160);--> statement-breakpoint
-- Counters change with every batch; with room on their page the index need not.
ALTER TABLE "search_terms" SET (fillfactor = 60);--> statement-breakpoint
ALTER TABLE "search_capabilities" SET (fillfactor = 60);
--> statement-breakpoint
-- The index is made anew from the journal.
TRUNCATE "search_entries", "search_terms";--> statement-breakpoint
DELETE FROM "consumers" WHERE "name" = 'search-postgres';
