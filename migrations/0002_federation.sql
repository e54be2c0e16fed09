CREATE TABLE "held_documents" (
	"peer" uuid NOT NULL,
	"object_id" text NOT NULL,
	"document" text NOT NULL,
	"path" text[] NOT NULL,
	"received" timestamp (3) with time zone NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_attempt" timestamp (3) with time zone NOT NULL,
	"reason" text NOT NULL,
	CONSTRAINT "held_documents_peer_object_id_pk" PRIMARY KEY("peer","object_id")
);
--> statement-breakpoint
CREATE TABLE "leases" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" uuid NOT NULL,
	"until" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "listings" (
	"peer" uuid NOT NULL,
	"key" "bytea" NOT NULL,
	"digest" "bytea" NOT NULL,
	"object_id" text NOT NULL,
	"path" text[] NOT NULL,
	"refused" text,
	"modified" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "listings_peer_key_pk" PRIMARY KEY("peer","key")
);
--> statement-breakpoint
CREATE TABLE "peers" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"actor" text NOT NULL,
	"origin" text NOT NULL,
	"handle" text,
	"name" text,
	"inbox" text NOT NULL,
	"entries_url" text,
	"batch_max" integer DEFAULT 1 NOT NULL,
	"blocked" boolean DEFAULT false NOT NULL,
	"created" timestamp (3) with time zone NOT NULL,
	"last_heard" timestamp (3) with time zone,
	"follower" text DEFAULT 'none' NOT NULL,
	"follower_activity" text,
	"follower_filter" jsonb,
	"owed_answer" text,
	"sent_xid" "xid8",
	"sent_id" bigint,
	"failures" integer DEFAULT 0 NOT NULL,
	"next_delivery" timestamp (3) with time zone,
	"last_error" text,
	"last_error_at" timestamp (3) with time zone,
	"following" text DEFAULT 'none' NOT NULL,
	"following_activity" text,
	"following_filter" jsonb,
	"owed_request" text,
	"pulled_cursor" text,
	"pulled_at" timestamp (3) with time zone,
	"pull_failures" integer DEFAULT 0 NOT NULL,
	"next_pull" timestamp (3) with time zone,
	"pull_error" text,
	"epoch" text,
	"epoch_since" timestamp (3) with time zone,
	"recovered_epoch" text,
	"verified_at" timestamp (3) with time zone,
	"next_verify" timestamp (3) with time zone,
	CONSTRAINT "peers_actor_unique" UNIQUE("actor")
);
--> statement-breakpoint
ALTER TABLE "held_documents" ADD CONSTRAINT "held_documents_peer_peers_id_fk" FOREIGN KEY ("peer") REFERENCES "public"."peers"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "listings" ADD CONSTRAINT "listings_peer_peers_id_fk" FOREIGN KEY ("peer") REFERENCES "public"."peers"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "held_documents_next" ON "held_documents" USING btree ("next_attempt");--> statement-breakpoint
CREATE INDEX "listings_key" ON "listings" USING btree ("key");--> statement-breakpoint
CREATE INDEX "listings_object" ON "listings" USING btree ("peer","object_id");--> statement-breakpoint
CREATE INDEX "peers_origin" ON "peers" USING btree ("origin");--> statement-breakpoint
CREATE INDEX "journal_entry" ON "journal" USING btree ("entry_key","xid","id");