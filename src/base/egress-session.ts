import { type Connection, type EgressTestSeam, openConnection } from "./egress-connection.ts";
import { abortable, EgressError } from "./egress-error.ts";
import { checkedAddresses, type TargetRules } from "./egress-target.ts";
import { limits } from "./limits.ts";

/** Connections that requests share: one way to each origin. */
export interface ConnectionSession {
  /** Sends a request to a URL that may be asked, once its addresses have been found to be allowed. */
  send: Connection["exchange"];
  end(): Promise<void>;
}

export interface ConnectionSessionSettings extends TargetRules {
  msMax: number;
  /** Milliseconds for which an address that was checked is used. */
  sessionMsMax: number;
  testSeam: EgressTestSeam;
}

/** Connections that are kept until the session is ended, by `end` or `closing`. */
export function createConnectionSession(settings: ConnectionSessionSettings, closing: AbortSignal): ConnectionSession {
  const ending = new AbortController();
  const signal = AbortSignal.any([closing, ending.signal]);
  const current = new Map<string, { openedMs: number; connection: Promise<Connection> }>();
  const opened = new Set<Connection>();

  async function open(url: URL): Promise<Connection> {
    const addresses = await checkedAddresses(url, signal, settings);
    const connection = openConnection(url.origin, addresses, {
      ...settings,
      connectionsMax: limits.deliveriesPerPeerMax,
      signal,
    });
    opened.add(connection);
    return connection;
  }

  function connectionTo(url: URL): Promise<Connection> {
    const known = current.get(url.origin);
    const nowMs = performance.now();
    if (known !== undefined && nowMs - known.openedMs < settings.sessionMsMax) return known.connection;
    // What is under way on the old one may come to its end.
    void known?.connection.then(
      async (old) => {
        await old.finish();
        opened.delete(old);
      },
      () => {},
    );
    const made = { openedMs: nowMs, connection: open(url) };
    current.set(url.origin, made);
    made.connection.catch(() => {
      if (current.get(url.origin) === made) current.delete(url.origin);
    });
    return made.connection;
  }

  return {
    async send(url, request, requestSignal) {
      const both = AbortSignal.any([requestSignal, signal]);
      const connection = await abortable(connectionTo(url), both);
      return connection.exchange(url, request, both);
    },
    async end() {
      ending.abort(new EgressError("unreachable", "The session was closed."));
      await Promise.allSettled([...opened].map((connection) => connection.end()));
    },
  };
}
