import { describe, expect, test } from "vitest";
import { journalStart } from "../../db/journal.ts";
import { type Interest, Subscription } from "./subscription.ts";

const at = (id: number) => ({ xid: "7", id });
const bytes = (length: number) => Buffer.alloc(length, "x");

function subscribe(options: { bytesMax?: number; type?: Interest["type"] } = {}): Subscription {
  const { bytesMax = 1_000, type = null } = options;
  return new Subscription({ type, diff: false }, journalStart, bytesMax);
}

describe("a subscription", () => {
  test("gives its events in order, small ones together, and knows how far the reader is", async () => {
    const subscription = subscribe({ bytesMax: 100_000 });
    subscription.push("thing_created", at(1), Buffer.from("a"));
    subscription.push("thing_deleted", at(2), Buffer.from("b"));
    subscription.push("thing_created", at(3), bytes(20_000));
    expect(subscription.position).toEqual(journalStart);
    expect(subscription.take()?.toString()).toBe("ab");
    expect(subscription.position).toEqual(at(2));
    expect(subscription.take()?.length).toBe(20_000);
    expect(subscription.position).toEqual(at(3));
    expect(subscription.take()).toBeNull();
    expect(subscription.waitingBytes).toBe(0);
  });

  test("takes no event twice, none from before its position, and only those of its type", () => {
    const subscription = subscribe({ type: "thing_updated" });
    subscription.advanceTo(at(5));
    subscription.push("thing_updated", at(5), Buffer.from("old"));
    subscription.push("thing_created", at(6), Buffer.from("other"));
    subscription.push("thing_updated", at(7), Buffer.from("new"));
    subscription.push("thing_updated", at(7), Buffer.from("twice"));
    expect(subscription.take()?.toString()).toBe("new");
  });

  test("holds exactly its limit, and is dropped with nothing left in memory at one byte more", async () => {
    const subscription = subscribe();
    subscription.push("thing_created", at(1), bytes(400));
    expect(subscription.take()?.length).toBe(400);
    subscription.push("thing_created", at(2), bytes(600));
    subscription.push("thing_created", at(3), bytes(400));
    expect(subscription.isDropped).toBe(false);
    subscription.push("thing_created", at(4), bytes(1));
    expect(subscription.isDropped).toBe(true);
    expect(subscription.waitingBytes).toBe(0);
    expect(subscription.position, "where the reader resumes").toEqual(at(1));
    expect(await subscription.wait(1_000)).toBe(true);
    subscription.push("thing_created", at(5), bytes(1));
    expect(subscription.take()).toBeNull();
  });

  test("takes one event of any size", () => {
    const subscription = subscribe();
    subscription.push("thing_created", at(1), bytes(5_000));
    expect(subscription.isDropped).toBe(false);
    expect(subscription.take()?.length).toBe(5_000);
  });

  test("wakes whoever waits for an event or the end, and nobody for events of other types", async () => {
    const subscription = subscribe({ type: "thing_deleted" });
    let waiting = subscription.wait(50);
    subscription.push("thing_created", at(1), bytes(1));
    expect(await waiting).toBe(false);
    waiting = subscription.wait(5_000);
    subscription.push("thing_deleted", at(2), bytes(1));
    expect(await waiting).toBe(true);
    subscription.take();
    waiting = subscription.wait(5_000);
    subscription.end();
    expect(await waiting).toBe(true);
  });
});
