import { customType } from "drizzle-orm/pg-core";

/** Bytes in the database, lower-case hex in the code: half the size of text in rows and indexes. */
export const hex = customType<{ data: string; driverData: Uint8Array }>({
  dataType: () => "bytea",
  toDriver: (value) => Buffer.from(value, "hex"),
  fromDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex"),
});

/** Text that compares by Unicode code point on every server, whatever its locale (WoT Discovery lists so). */
export const codePointText = customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' });

/** A 64-bit transaction id, as a decimal string: JavaScript numbers end at 2^53. */
export const xid8 = customType<{ data: string }>({ dataType: () => "xid8" });

export const tsvector = customType<{ data: string }>({ dataType: () => "tsvector" });
