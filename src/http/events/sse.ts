/** An event as it goes over the wire (WHATWG HTML, "Server-sent events"). */
export interface WireEvent {
  type: string;
  /** Where a reader that has had it goes on; without line breaks and NUL. */
  id: string;
  /** An object that JSON can express. */
  data: object;
}

/**
 * The block of one event. Its data is one line for everybody: JSON escapes the line breaks of the format, and what is a
 * line break to Unicode alone, at which some clients split as well, is escaped here.
 */
export function formatEvent({ type, id, data }: WireEvent): Buffer {
  const json = JSON.stringify(data).replaceAll(
    /[\u0085\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return Buffer.from(`event: ${type}\nid: ${id}\ndata: ${json}\n\n`);
}

/**
 * A comment, for keeping a connection awake or for people who look at it. It is a line and not a block: clients that
 * split the stream at empty lines would take a block for an event.
 */
export function formatComment(text = ""): Buffer {
  return Buffer.from(text === "" ? ":\n" : `: ${text.replaceAll(/\s+/g, " ")}\n`);
}
