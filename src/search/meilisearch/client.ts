import { setTimeout as delay } from "node:timers/promises";
import { type EnqueuedTask, Meilisearch, MeilisearchApiError, type Task } from "meilisearch";

/** Where a Meilisearch server is. */
export interface MeilisearchServer {
  /** Its URL, http or https. */
  url: string;
  /** A key that may do everything with our indexes, or the server's master key; null where it asks for none. */
  apiKey: string | null;
}

/** Milliseconds for one search. */
const searchMsMax = 2_000;
/** Milliseconds for one request that changes something. */
const writeMsMax = 10_000;
/** Milliseconds between two looks at a task. */
const pollMsMax = 250;
/** Milliseconds until a task that the server has taken is given up. It is idempotent, and handed over again. */
const taskMsMax = 300_000;

/** A task that the server has refused for good: the same request would be refused again. */
export class RefusedTask extends Error {
  override readonly name = "RefusedTask";
}

/** Two clients of one server: searches must not wait as long as writes may. */
export function createClients({ url, apiKey }: MeilisearchServer): { searching: Meilisearch; writing: Meilisearch } {
  const server = { host: url, ...(apiKey === null ? {} : { apiKey }), requestInit: { redirect: "error" as const } };
  return {
    searching: new Meilisearch({ ...server, timeout: searchMsMax }),
    writing: new Meilisearch({ ...server, timeout: writeMsMax }),
  };
}

/**
 * Waits until the server has done what it has taken on, or `signal` is aborted. Throws RefusedTask where the request was at
 * fault, and an Error where the server could not do it now.
 */
export async function finished(
  client: Meilisearch,
  enqueued: Promise<EnqueuedTask>,
  signal?: AbortSignal,
): Promise<void> {
  const { taskUid } = await enqueued;
  const lastMs = performance.now() + taskMsMax;
  for (let pauseMs = 10; ; pauseMs = Math.min(2 * pauseMs, pollMsMax)) {
    const soon = AbortSignal.timeout(writeMsMax);
    const task = await client.tasks.getTask(taskUid, {
      signal: signal === undefined ? soon : AbortSignal.any([soon, signal]),
    });
    if (task.status !== "enqueued" && task.status !== "processing") return requireSuccess(task);
    if (performance.now() > lastMs) throw new Error(`Meilisearch did not do task ${taskUid} within ${taskMsMax} ms`);
    await delay(pauseMs, undefined, { signal });
  }
}

function requireSuccess({ uid, type, status, error }: Task): void {
  if (status === "succeeded") return;
  const reason = `Meilisearch did not do task ${uid} (${type}): ${error?.code ?? status}, ${error?.message ?? "no reason given"}`;
  throw error?.type === "invalid_request" ? new RefusedTask(reason) : new Error(reason);
}

/** Whether the server said that there is no such index, document or task. */
export function isMissing(error: unknown): boolean {
  return error instanceof MeilisearchApiError && error.response.status === 404;
}

/** Whether the server has refused what was sent, and would refuse it again. Not for want of rights, which can change. */
export function isRefused(error: unknown): boolean {
  if (error instanceof RefusedTask) return true;
  return error instanceof MeilisearchApiError && [400, 413, 422].includes(error.response.status);
}
