import { parentPort } from "node:worker_threads";
import { evaluate, type Task } from "./evaluation.ts";

/** The program of a thread: evaluates one task after the other. Whoever started it ends it when one takes too long. */
parentPort?.on("message", (task: Task) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
  parentPort?.postMessage(evaluate(task));
});
