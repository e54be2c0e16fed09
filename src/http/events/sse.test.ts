import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSseParser } from "../../../test/support/sse-client.ts";
import { formatComment, formatEvent } from "./sse.ts";

describe("an event", () => {
  test("is one block", () => {
    const text = formatEvent({ type: "thing_created", id: "e.1.2", data: { id: "urn:a" } }).toString();
    expect(text).toBe('event: thing_created\nid: e.1.2\ndata: {"id":"urn:a"}\n\n');
  });

  test("comes out as it went in, whatever its strings hold, and with comments around it", () => {
    const text = fc.string({
      unit: fc.oneof(fc.constantFrom("\n", "\r", "\f", "\u0085", "\u2028", "\u2029", ":", "\0", "é"), fc.string()),
    });
    fc.assert(
      fc.property(fc.array(fc.dictionary(text, fc.oneof(text, fc.array(text)))), text, (objects, comment) => {
        const parser = createSseParser();
        for (const [index, data] of objects.entries()) {
          parser.push(formatComment(comment.replaceAll("\u0085", "")).toString());
          parser.push(formatEvent({ type: "thing_updated", id: `e.1.${index}`, data }).toString());
        }
        expect(parser.events.map(({ data }) => JSON.stringify(data))).toEqual(
          objects.map((data) => JSON.stringify(data)),
        );
        expect(parser.comments).toHaveLength(objects.length);
      }),
    );
  });
});

test("a comment is a line and not a block", () => {
  expect(formatComment().toString()).toBe(":\n");
  expect(formatComment("a\r\n\nevent: b").toString()).toBe(": a event: b\n");
});
