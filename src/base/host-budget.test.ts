import { beforeEach, describe, expect, test } from "vitest";
import { createHostBudget, withHostBudget } from "./host-budget.ts";
import { limits } from "./limits.ts";

let now = new Date("2026-11-21T09:00:00Z");
const clock = { now: (): Date => now };
const pass = (ms: number): void => {
  now = new Date(now.getTime() + ms);
};
beforeEach(() => {
  now = new Date("2026-11-21T09:00:00Z");
});

describe("the budget of a host", () => {
  test("is used up at once, fills with time, and is no larger after a long time", () => {
    const budget = createHostBudget(clock);
    const takeAll = (): number => {
      let taken = 0;
      while (budget.take("example.org") === 0) taken += 1;
      return taken;
    };
    expect(takeAll()).toBe(limits.hostRequestsMax);
    const waitMs = 1_000 / limits.hostRequestsPerSecondMax;
    expect(budget.take("example.org")).toBe(waitMs);
    pass(waitMs - 1);
    expect(budget.take("example.org")).toBe(1);
    pass(1);
    expect(budget.take("example.org")).toBe(0);
    expect(budget.take("example.org")).toBe(waitMs);
    pass(60 * 60 * 1000);
    expect(takeAll()).toBe(limits.hostRequestsMax);
    pass(-60 * 60 * 1000);
    expect(budget.take("example.org")).toBe(waitMs);
  });

  test("is each host's own, for so many hosts", () => {
    const budget = createHostBudget(clock);
    while (budget.take("busy.example") === 0);
    expect(budget.take("other.example")).toBe(0);
    for (let at = 0; at < limits.hostsMax - 2; at += 1) budget.take(`h${at}.example`);
    expect(budget.take("busy.example")).toBeGreaterThan(0);
    for (let at = 0; at < limits.hostsMax; at += 1) budget.take(`more${at}.example`);
    expect(budget.take("busy.example")).toBe(0);
  });
});

test("a client within a budget leaves a host alone that it has asked too often, and asks others", async () => {
  const asked: string[] = [];
  const answer = { status: 200, headers: new Headers(), body: new Uint8Array(), url: "" };
  const egress = withHostBudget(
    {
      async get(url) {
        asked.push(new URL(url).hostname);
        return answer;
      },
      close: async () => {},
    },
    createHostBudget(clock),
  );
  for (let count = 0; count < limits.hostRequestsMax; count += 1) await egress.get(`https://victim.example/${count}`);
  await expect(egress.get("https://victim.example/more")).rejects.toMatchObject({ kind: "unreachable" });
  expect(asked).toHaveLength(limits.hostRequestsMax);
  expect(await egress.get("https://other.example/")).toBe(answer);
  pass(1_000 / limits.hostRequestsPerSecondMax);
  expect(await egress.get("https://victim.example/")).toBe(answer);
});

test("a budget covers what is posted as well", async () => {
  const answer = { status: 202, headers: new Headers(), body: new Uint8Array(), url: "" };
  const session = { close: async () => {}, [Symbol.asyncDispose]: async () => {} };
  const egress = withHostBudget(
    { get: async () => answer, post: async () => answer, session: () => session, close: async () => {} },
    createHostBudget(clock),
  );
  const body = new Uint8Array();
  for (let count = 0; count < limits.hostRequestsMax; count += 1) {
    await egress.post(`https://victim.example/${count}`, { body, session: egress.session() });
  }
  await expect(egress.post("https://victim.example/", { body })).rejects.toMatchObject({ kind: "unreachable" });
  await expect(egress.get("https://victim.example/")).rejects.toMatchObject({ kind: "unreachable" });
  expect(await egress.post("https://other.example/", { body })).toBe(answer);
});
