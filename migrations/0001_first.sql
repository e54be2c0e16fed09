CREATE TABLE "consumers" (
	"name" text PRIMARY KEY NOT NULL,
	"xid" "xid8" NOT NULL,
	"id" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "journal" (
	"xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "journal_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp (3) with time zone NOT NULL,
	"kind" text NOT NULL,
	"entry_key" "bytea" NOT NULL,
	"thing_id" text COLLATE "C" NOT NULL,
	"controller" text,
	"version_id" bigint,
	"digest" "bytea",
	"door" text NOT NULL,
	"origin" text,
	CONSTRAINT "journal_xid_id_pk" PRIMARY KEY("xid","id")
);
--> statement-breakpoint
CREATE TABLE "registry" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"epoch" uuid DEFAULT gen_random_uuid() NOT NULL,
	"lineage" text NOT NULL,
	"created" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "registry_keys" (
	"purpose" text PRIMARY KEY NOT NULL,
	"key" jsonb NOT NULL,
	"created" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "search_entries" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"sequence" bigint NOT NULL,
	"expires" timestamp (3) with time zone,
	"lexemes" "tsvector" NOT NULL,
	"length_norm" real NOT NULL,
	"filters" text[] NOT NULL,
	"affordances" jsonb NOT NULL,
	"verified" boolean NOT NULL
);
--> statement-breakpoint
CREATE TABLE "search_terms" (
	"term" text COLLATE "C" PRIMARY KEY NOT NULL,
	"entries" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "aliases" (
	"alias" text COLLATE "C" PRIMARY KEY NOT NULL,
	"entry_key" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "entries" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"sequence" bigint GENERATED ALWAYS AS IDENTITY (sequence name "entries_sequence_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"thing_id" text COLLATE "C" NOT NULL,
	"controller" text,
	"is_primary" boolean NOT NULL,
	"state" text NOT NULL,
	"version_id" bigint NOT NULL,
	"version_count" integer DEFAULT 1 NOT NULL,
	"digest" "bytea" NOT NULL,
	"version_created" text COLLATE "C",
	"equivocal" boolean DEFAULT false NOT NULL,
	"created" timestamp (3) with time zone NOT NULL,
	"modified" timestamp (3) with time zone NOT NULL,
	"expires" timestamp (3) with time zone,
	"ttl_seconds" integer,
	"door" text NOT NULL,
	"origin" text,
	"verification_method" text,
	"cryptosuite" text,
	"verified_at" timestamp (3) with time zone,
	"repairs" jsonb
);
--> statement-breakpoint
CREATE TABLE "versions" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "versions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"entry_key" "bytea" NOT NULL,
	"digest" "bytea" NOT NULL,
	"kind" text NOT NULL,
	"document" text NOT NULL,
	"version_created" text COLLATE "C",
	"verification_method" text,
	"accepted" timestamp (3) with time zone NOT NULL,
	"door" text NOT NULL,
	"origin" text
);
--> statement-breakpoint
ALTER TABLE "aliases" ADD CONSTRAINT "aliases_entry_key_entries_key_fk" FOREIGN KEY ("entry_key") REFERENCES "public"."entries"("key") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "search_entries_lexemes" ON "search_entries" USING gin ("lexemes");--> statement-breakpoint
CREATE INDEX "search_entries_filters" ON "search_entries" USING gin ("filters");--> statement-breakpoint
CREATE INDEX "search_entries_sequence" ON "search_entries" USING btree ("sequence");--> statement-breakpoint
CREATE INDEX "search_terms_trigrams" ON "search_terms" USING gin ("term" gin_trgm_ops);--> statement-breakpoint
CREATE UNIQUE INDEX "entries_primary" ON "entries" USING btree ("thing_id") WHERE "entries"."is_primary";--> statement-breakpoint
CREATE INDEX "entries_thing_id" ON "entries" USING btree ("thing_id");--> statement-breakpoint
CREATE UNIQUE INDEX "entries_sequence" ON "entries" USING btree ("sequence");--> statement-breakpoint
CREATE INDEX "entries_controller" ON "entries" USING btree ("controller");--> statement-breakpoint
CREATE INDEX "versions_entry" ON "versions" USING btree ("entry_key","id");