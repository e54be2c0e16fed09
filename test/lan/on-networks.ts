import { setTimeout as sleep } from "node:timers/promises";
import { describe } from "vitest";
import { obstacleToNetworks } from "../support/network.ts";

const obstacle = obstacleToNetworks();

/** A group of tests that need networks of their own. Where none can be made they are skipped, and say why. */
export function describeOnNetworks(name: string, tests: () => void): void {
  if (obstacle === null) describe(name, tests);
  else {
    process.stderr.write(`${name}: skipped, since ${obstacle}.\n`);
    describe.skip(`${name} (skipped: ${obstacle})`, tests);
  }
}

/** Asks again until the answer is neither null nor undefined; rejects with the last one after `msMax`. */
export async function eventually<Answer>(
  ask: () => Promise<Answer | null | undefined>,
  what: string,
  msMax = 20_000,
): Promise<Answer> {
  const deadline = performance.now() + msMax;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== null && answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${msMax} ms`, { cause: last });
    await sleep(100);
  }
}
