import { Pool } from "undici";

export interface Load {
  method: "GET" | "PUT";
  path: string;
  body?: string;
}

export interface Figures {
  perSecond: number;
  /** Milliseconds. */
  p50: number;
  p95: number;
  p99: number;
  failures: number;
}

/**
 * Sends requests from `clients` that each wait for their answer, for `seconds` or until `next` has no more. What
 * comes before the first tenth of the time is warm-up and does not count.
 */
export async function measureHttp(
  origin: string,
  options: { clients: number; seconds: number; next: (index: number) => Load | null },
): Promise<Figures> {
  const pool = new Pool(origin, { connections: options.clients, pipelining: 1 });
  let failures = 0;
  const figures = await measure(options.clients, options.seconds, async (index) => {
    const load = options.next(index);
    if (load === null) return false;
    const { statusCode, body } = await pool.request({
      method: load.method,
      path: load.path,
      ...(load.body === undefined ? {} : { body: load.body, headers: { "content-type": "application/td+json" } }),
    });
    await body.dump();
    if (statusCode >= 300) failures += 1;
    return true;
  });
  await pool.close();
  return { ...figures, failures };
}

/** The same for a function instead of HTTP: `run` answers false when there is nothing more to do. */
export async function measure(
  clients: number,
  seconds: number,
  run: (index: number) => Promise<boolean>,
): Promise<Omit<Figures, "failures">> {
  const start = performance.now();
  const warmUpEnd = start + seconds * 100;
  const end = start + seconds * 1000;
  const latencies: number[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (;;) {
        const begun = performance.now();
        if (begun >= end || !(await run(next++))) return;
        if (begun >= warmUpEnd) latencies.push(performance.now() - begun);
      }
    }),
  );
  const measuredSeconds = (Math.min(performance.now(), end) - warmUpEnd) / 1000;
  latencies.sort((a, b) => a - b);
  const percentile = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
  return {
    perSecond: latencies.length / measuredSeconds,
    p50: percentile(0.5),
    p95: percentile(0.95),
    p99: percentile(0.99),
  };
}
