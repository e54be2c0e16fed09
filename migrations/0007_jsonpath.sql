CREATE TABLE "search_paths" (
	"key" "bytea" PRIMARY KEY NOT NULL,
	"paths" "tsvector" NOT NULL
);
--> statement-breakpoint
CREATE INDEX "search_paths_paths" ON "search_paths" USING gin ("paths");