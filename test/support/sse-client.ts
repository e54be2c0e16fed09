import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";

export interface SseEvent {
  type: string;
  id: string;
  data: Record<string, unknown>;
}

/** A client of an event stream, on a connection of its own, that takes nothing but what the format allows. */
export interface SseClient extends AsyncDisposable {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What has come so far. */
  readonly events: SseEvent[];
  readonly comments: string[];
  /** Resolves once there are `count` events; rejects when they do not come in time, or the stream breaks a rule. */
  received(count: number, msMax?: number): Promise<SseEvent[]>;
  /** Resolves once the stream has ended: true if the server did so in good order. */
  readonly ended: Promise<boolean>;
  /** Stops reading from the socket, and starts again. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** Opens an event stream. Resolves with the response's headers; whatever the status. */
export async function openEvents(
  url: string,
  options: { lastEventId?: string; accept?: string; isPaused?: boolean } = {},
): Promise<SseClient> {
  const { lastEventId, accept = "text/event-stream", isPaused = false } = options;
  const outgoing = request(url, {
    agent: false,
    headers: { accept, ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }) },
  });
  outgoing.end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  outgoing.on("error", () => {});

  const parser = createSseParser();
  const { promise: ended, resolve: end } = Promise.withResolvers<boolean>();
  let fault: Error | null = null;
  let changed: (() => void) | null = null;
  response.on("error", () => {});
  response.on("close", () => {
    end(response.complete);
    changed?.();
  });
  response.setEncoding("utf8");
  const onData = (chunk: string) => {
    try {
      if (response.statusCode === 200) parser.push(chunk);
    } catch (error) {
      fault = error as Error;
    }
    changed?.();
  };
  if (isPaused) response.pause();
  else response.on("data", onData);

  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    events: parser.events,
    comments: parser.comments,
    ended,
    async received(count, msMax = 10_000) {
      const deadline = performance.now() + msMax;
      for (;;) {
        if (fault !== null) throw fault;
        if (parser.events.length >= count) return parser.events;
        const left = deadline - performance.now();
        if (left <= 0 || response.closed) {
          throw new Error(
            `${parser.events.length} events instead of ${count}${response.closed ? ", and the end" : ""}`,
          );
        }
        const { promise, resolve } = Promise.withResolvers<void>();
        changed = resolve;
        const timer = setTimeout(resolve, left);
        await promise;
        clearTimeout(timer);
      }
    },
    pause: () => void response.pause(),
    resume() {
      if (response.listenerCount("data") === 0) response.on("data", onData);
      response.resume();
    },
    close: () => void response.destroy(),
    async [Symbol.asyncDispose]() {
      response.destroy();
      await ended;
    },
  };
}

/**
 * Reads an event stream strictly: of the format (WHATWG HTML, "Server-sent events") only what needs no guessing, and
 * of what the registry promises, that every block is an event with type, id and an object. Throws at anything else.
 */
export function createSseParser() {
  const events: SseEvent[] = [];
  const comments: string[] = [];
  let rest = "";
  let fields = new Map<string, string>();

  function endBlock(): void {
    const [type, id, data] = [fields.get("event"), fields.get("id"), fields.get("data")];
    if (type === undefined || id === undefined || data === undefined) {
      throw new Error(`a block without event, id or data: ${JSON.stringify([...fields])}`);
    }
    if (/[\0\s]/.test(id)) throw new Error(`an id with white space: ${JSON.stringify(id)}`);
    const value = JSON.parse(data) as unknown;
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`no object: ${data}`);
    events.push({ type, id, data: value as Record<string, unknown> });
    fields = new Map();
  }

  function readLine(line: string): void {
    if (line.startsWith(":")) {
      comments.push(line.slice(1).trim());
      return;
    }
    const match = /^(event|id|data): (.*)$/s.exec(line);
    if (match === null) throw new Error(`not a line of an event: ${JSON.stringify(line)}`);
    const [, name = "", value = ""] = match;
    if (fields.has(name)) throw new Error(`${name} twice in a block`);
    fields.set(name, value);
  }

  return {
    events,
    comments,
    push(text: string): void {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (/[\r\v\f\u0085\u2028\u2029]/.test(line)) throw new Error(`a line break: ${JSON.stringify(line)}`);
        if (line === "") endBlock();
        else readLine(line);
      }
    },
  };
}
