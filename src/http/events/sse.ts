/** An event as it goes over the wire (WHATWG HTML, "Server-sent events"). */
export interface WireEvent {
  type: string;
  /** Where a reader that has had it goes on; without line breaks and NUL. */
  id: string;
  /** An object that JSON can express. */
  data: object;
}

/** The block of one event: JSON has no line breaks outside its white space, so the data is one line. */
export function formatEvent({ type, id, data }: WireEvent): Buffer {
  return Buffer.from(`event: ${type}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
}

/**
 * A comment, for keeping a connection awake or for people who look at it. It is a line and not a block: clients that
 * split the stream at empty lines would take a block for an event.
 */
export function formatComment(text = ""): Buffer {
  return Buffer.from(text === "" ? ":\n" : `: ${text.replaceAll(/[\r\n]+/g, " ")}\n`);
}
