import { expect, test } from "vitest";
import { createPageMemory } from "./page-memory.ts";
import type { ChangePage, View } from "./ports.ts";

const start = { xid: "1", id: 1 };
const viewOf = (to: string): View => ({ filter: null, to });

function reader(atEnd: boolean) {
  let reads = 0;
  const read = async (): Promise<ChangePage> => {
    reads += 1;
    return { changes: [], position: { xid: "2", id: reads }, atEnd };
  };
  return { read, reads: () => reads };
}

test("a page is read once for all who stand at the same place", async () => {
  const { read, reads } = reader(false);
  const pages = createPageMemory(read, { isForAll: true });
  const all = await Promise.all(["a", "b", "c"].map((to) => pages(start, viewOf(to), 10)));
  expect(all.map(({ position }) => position.id)).toEqual([1, 1, 1]);
  await pages(start, viewOf("d"), 10);
  expect(reads()).toBe(1);
  await pages({ xid: "2", id: 1 }, viewOf("a"), 10);
  await pages(start, { ...viewOf("a"), filter: { capability: ["x"], type: [], lang: [] } }, 10);
  await pages(start, viewOf("a"), 20);
  expect(reads()).toBe(4);
});

test("where pages depend on who reads, each has its own", async () => {
  const { read, reads } = reader(false);
  const pages = createPageMemory(read, { isForAll: false });
  await pages(start, viewOf("a"), 10);
  await pages(start, viewOf("b"), 10);
  await pages(start, viewOf("a"), 10);
  expect(reads()).toBe(2);
});

test("a page that leads to the end is read anew, since more may follow", async () => {
  const { read, reads } = reader(true);
  const pages = createPageMemory(read, { isForAll: true });
  await pages(start, viewOf("a"), 10);
  await pages(start, viewOf("a"), 10);
  expect(reads()).toBe(2);
});

test("a failed read is not kept", async () => {
  let reads = 0;
  const pages = createPageMemory(
    async () => {
      reads += 1;
      throw new Error("the database does not answer");
    },
    { isForAll: true },
  );
  await expect(pages(start, viewOf("a"), 10)).rejects.toThrow();
  await expect(pages(start, viewOf("a"), 10)).rejects.toThrow();
  expect(reads).toBe(2);
});
