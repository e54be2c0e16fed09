-- The index is made from the journal: it is emptied here and built anew as the registry starts.
TRUNCATE "search_entries", "search_details", "search_terms", "search_capabilities";--> statement-breakpoint
DELETE FROM "consumers" WHERE "name" = 'search-postgres';--> statement-breakpoint
CREATE TABLE "search_labels" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "search_labels_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"value" integer NOT NULL,
	"label" text COLLATE "C" NOT NULL,
	"entries" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "search_samples" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"sequence" bigint NOT NULL,
	"expires" timestamp (3) with time zone,
	"modified" timestamp (3) with time zone NOT NULL,
	"latency_ms" integer,
	"facets" integer[] NOT NULL,
	"lexemes" "tsvector" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "search_values" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "search_values_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"facet" smallint NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	"entries" integer NOT NULL
);
--> statement-breakpoint
DROP TABLE "search_capabilities" CASCADE;--> statement-breakpoint
ALTER TABLE "search_details" ADD COLUMN "labels" integer[] NOT NULL;--> statement-breakpoint
ALTER TABLE "search_entries" ADD COLUMN "facets" integer[] NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "search_labels_label" ON "search_labels" USING btree ("value","label");--> statement-breakpoint
CREATE INDEX "search_samples_lexemes" ON "search_samples" USING gin ("lexemes");--> statement-breakpoint
CREATE INDEX "search_samples_lexemes_169" ON "search_samples" USING gin ("lexemes") WHERE "search_samples"."sequence" % 169 = 0;--> statement-breakpoint
CREATE INDEX "search_samples_lexemes_2197" ON "search_samples" USING gin ("lexemes") WHERE "search_samples"."sequence" % 2197 = 0;--> statement-breakpoint
CREATE UNIQUE INDEX "search_values_key" ON "search_values" USING btree ("facet","key");--> statement-breakpoint
CREATE INDEX "search_values_entries" ON "search_values" USING btree ("facet","entries" DESC NULLS FIRST,"key");--> statement-breakpoint
CREATE INDEX "search_values_squeezed" ON "search_values" USING btree ("facet",replace("key", ' ', ''));--> statement-breakpoint
CREATE INDEX "search_values_words" ON "search_values" USING gin (string_to_array("key", ' ')) WHERE "search_values"."facet" = 0;--> statement-breakpoint
ALTER TABLE "search_details" DROP COLUMN "facet_keys";--> statement-breakpoint
ALTER TABLE "search_details" DROP COLUMN "facet_labels";--> statement-breakpoint
-- Counters change with almost every entry: there is room for their next version beside them.
ALTER TABLE "search_labels" SET (fillfactor = 60);--> statement-breakpoint
-- Long lexemes lie outside of the rows, which are read by the hundred: its indexes find by them, and nothing reads them.
ALTER TABLE "search_samples" ALTER COLUMN "lexemes" SET STORAGE EXTERNAL, SET (toast_tuple_target = 256);