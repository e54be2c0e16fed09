import { setTimeout as sleep } from "node:timers/promises";
import { limits } from "../base/limits.ts";
import { loggerOf } from "../base/log.ts";
import { deliver, noteFailure } from "./delivery.ts";
import type { Follows } from "./follows.ts";
import type { PeerRow, PeerStore, Task } from "./peer-store.ts";
import { type Shelf, type Wire, WireError } from "./ports.ts";
import { pull, recover } from "./pull.ts";
import type { Receiver } from "./receiver.ts";
import { repair, type RepairDeps } from "./repair.ts";

/** What the tasks need. */
export interface TaskDeps extends Omit<RepairDeps, "peers" | "wire" | "receiver"> {
  peers: PeerStore;
  shelf: Shelf;
  wire: Wire;
  receiver: Receiver;
  forgetIfIdle: Follows["forgetIfIdle"];
  forgetIfSilent: Follows["forgetIfSilent"];
  /** Tells a peer what it is owed: an answer to its Follow, our Follow, or its end. Throws a WireError. */
  sendOwed(peer: PeerRow): Promise<void>;
}

export interface WorkerDeps extends TaskDeps {
  /** Names this process among those that share a database. */
  holder: string;
}

/** The background work of federation. */
export interface Worker {
  /** Says that there may be something to do. */
  wake(): void;
  /** Ends what is under way, and stops. */
  stop(): Promise<void>;
}

/** Does for a peer what it is due for. What it does not answer is noted; rejects only for what is wrong here. */
export async function runTask(task: Task, peer: PeerRow, deps: TaskDeps, signal: AbortSignal): Promise<void> {
  if (task === "delivery") {
    await deliver(peer, deps, signal);
    const now = await deps.peers.find(peer.id);
    if (now !== null) await deps.forgetIfSilent(now);
    return;
  }
  if (task === "verify") return repair(peer, deps, signal);
  if (task === "message") return sendOwed(peer, deps);
  return task === "recover" ? recover(peer, deps, signal) : pull(peer, deps, signal);
}

async function sendOwed(peer: PeerRow, deps: TaskDeps): Promise<void> {
  const { peers } = deps;
  try {
    await deps.sendOwed(peer);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return noteFailure(peer, error, deps);
  }
  const now = await peers.find(peer.id);
  if (now === null) return;
  // Something else may be owed by now.
  const isSaid = now.owedAnswer === peer.owedAnswer && now.owedRequest === peer.owedRequest;
  const said = {
    owedAnswer: null,
    owedRequest: null,
    failures: 0,
    nextDelivery: null,
    lastError: null,
    lastErrorAt: null,
  };
  const changed = isSaid ? await peers.change(peer.id, said) : now;
  if (changed !== null) await deps.forgetIfIdle(changed);
}

/** Milliseconds between two looks for work when nobody says that there is some. */
const lookMs = 1_000;
/** Milliseconds in which more news may come together: each look costs some queries. */
const gatherMs = 25;
/** Milliseconds that the lease lasts without being renewed. */
const leaseMs = 5_000;
/** Documents that are looked at again at once. */
const heldMax = 100;

/** In the order of their haste. */
export const tasks: readonly Task[] = ["message", "delivery", "recover", "pull", "verify"];

/**
 * Starts what goes on by itself: deliveries, reading lists, comparing them, deciding on what was held. Of processes that
 * share a database one at a time does it. Each peer has its own task of each kind, so that one which does not answer holds
 * up no other.
 */
export function startWorker(deps: WorkerDeps): Worker {
  const { peers, clock } = deps;
  const log = loggerOf("federation");
  const stopping = new AbortController();
  const running = new Map<string, Promise<void>>();
  /** Those among them of peers that did not answer the last time. */
  const doubtful = new Set<string>();
  let wakeUp: (() => void) | null = null;
  let news = true;

  const wake = () => {
    news = true;
    wakeUp?.();
  };

  async function pause(): Promise<void> {
    if (!news && !stopping.signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, lookMs);
      wakeUp = resolve;
      await promise;
      clearTimeout(timer);
      wakeUp = null;
    }
    if (!stopping.signal.aborted) await sleep(gatherMs);
  }

  function start(task: Task, peer: PeerRow): void {
    const name = `${task} ${peer.id}`;
    if (running.has(name) || running.size >= limits.deliveriesMax) return;
    // However many peers are silent, there is room for those that answer.
    if (peer.failures > 0 || peer.pullFailures > 0) {
      if (doubtful.size >= limits.deliveriesMax / 2) return;
      doubtful.add(name);
    }
    const done = runTask(task, peer, deps, stopping.signal)
      // What is due by now is not left until the next look; after an error it is.
      .then(wake)
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) log.error("{name} failed: {error}", { name, peer: peer.actor, error });
      })
      .finally(() => {
        running.delete(name);
        doubtful.delete(name);
      });
    running.set(name, done);
  }

  async function look(): Promise<void> {
    const now = clock.now();
    const place = { end: await deps.shelf.end(), epoch: deps.shelf.epoch };
    for (const task of tasks) {
      for (const peer of await peers.due(task, now, place)) start(task, peer);
    }
    if (!running.has("held")) {
      const due = await peers.heldDue(now, heldMax);
      if (due.length > 0) {
        const done = deps.receiver
          .retry(due)
          .catch((error: unknown) => log.error("held documents: {error}", { error }))
          .finally(() => running.delete("held"));
        running.set("held", done);
      }
    }
  }

  let isHolder = false;
  async function work(): Promise<void> {
    while (!stopping.signal.aborted) {
      news = false;
      try {
        const now = clock.now();
        if (await peers.lease("federation", deps.holder, new Date(now.getTime() + leaseMs), now)) {
          // Peers may have been silent because nobody was here to ask; and what they sent meanwhile is to be read.
          if (!isHolder) await peers.retryAll();
          isHolder = true;
          await look();
        } else isHolder = false;
      } catch (error) {
        if (!stopping.signal.aborted) log.error("looking for work failed: {error}", { error });
      }
      await pause();
    }
  }

  const working = work();
  return {
    wake,
    async stop() {
      stopping.abort();
      wakeUp?.();
      await working;
      await Promise.allSettled(running.values());
      await peers.endLease("federation", deps.holder);
    },
  };
}
