/** Milliseconds per stage; `performance.now()` measures spans, the injected clock tells instants. */
export class Stopwatch {
  readonly laps: Record<string, number> = {};

  time<Result>(lap: string, run: () => Result): Result {
    const start = performance.now();
    try {
      return run();
    } finally {
      this.#record(lap, start);
    }
  }

  async timeAsync<Result>(lap: string, run: () => Promise<Result>): Promise<Result> {
    const start = performance.now();
    try {
      return await run();
    } finally {
      this.#record(lap, start);
    }
  }

  #record(lap: string, start: number): void {
    this.laps[lap] = Math.round((performance.now() - start) * 1000) / 1000;
  }
}
