import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { EgressSession } from "../base/egress.ts";
import { createKeptSessions, type KeptSessions } from "./kept-sessions.ts";

let opened: EgressSession[];
let closed: EgressSession[];
let sessions: KeptSessions;

beforeEach(() => {
  vi.useFakeTimers();
  opened = [];
  closed = [];
  sessions = createKeptSessions(
    {
      session() {
        const close = async () => void closed.push(session);
        const session: EgressSession = { close, [Symbol.asyncDispose]: close };
        opened.push(session);
        return session;
      },
    },
    1_000,
  );
});
afterEach(() => void vi.useRealTimers());

const same = async (session: EgressSession) => session;

test("a session serves all who use it at once or shortly afterwards, and is each peer's own", async () => {
  const [one, other] = await Promise.all([sessions.use("a", same), sessions.use("a", same)]);
  vi.advanceTimersByTime(999);
  expect(await sessions.use("a", same)).toBe(one);
  expect(other).toBe(one);
  expect(await sessions.use("b", same)).not.toBe(one);
  expect(opened).toHaveLength(2);
  expect(closed).toEqual([]);
});

test("it ends once nobody has used it for a while, and the next one is new", async () => {
  const first = await sessions.use("a", same);
  vi.advanceTimersByTime(1_000);
  expect(closed).toEqual([first]);
  expect(await sessions.use("a", same)).not.toBe(first);
});

test("it does not end under who uses it, however long that takes, or what becomes of others", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await sessions.use("a", same);
  const long = sessions.use("a", async () => promise);
  await expect(sessions.use("a", async () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  vi.advanceTimersByTime(60_000);
  for (let other = 0; other < 200; other += 1) await sessions.use(`other ${other}`, same);
  expect(closed).not.toContain(opened[0]);
  resolve();
  await long;
  vi.advanceTimersByTime(1_000);
  expect(closed).toContain(opened[0]);
});

test("of many, those used longest ago end at once", async () => {
  for (let peer = 0; peer < 65; peer += 1) await sessions.use(String(peer), same);
  expect(closed).toEqual([opened[0]]);
});
