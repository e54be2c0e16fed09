DROP INDEX "entries_sequence";--> statement-breakpoint
DROP INDEX "entries_controller";--> statement-breakpoint
CREATE INDEX "journal_membership" ON "journal" USING btree ("xid","id") WHERE "journal"."kind" not in ('updated', 'expired');--> statement-breakpoint
CREATE INDEX "journal_expired" ON "journal" USING btree ("at") WHERE "journal"."kind" = 'expired';--> statement-breakpoint
CREATE INDEX "entries_expiring" ON "entries" USING btree ("expires") WHERE "entries"."state" = 'active' and "entries"."expires" is not null;