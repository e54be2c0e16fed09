import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { movableClock, type MovableClock } from "../../../test/support/clock.ts";
import { emptyTables } from "../../../test/support/database.ts";
import {
  answerWith,
  bagOf,
  type EmbeddingServer,
  failWith,
  startEmbeddingServer,
} from "../../../test/support/embedding-server.ts";
import { searchAction, searchDocument, searchFor, searchKey } from "../../../test/support/search.ts";
import { canHaveVectors, createVectorDatabase, dropVectorTables } from "../../../test/support/vectors.ts";
import { limits } from "../../base/limits.ts";
import type { Database } from "../../db/client.ts";
import type { SearchDocument } from "../port.ts";
import { createPostgresSearch } from "../postgres.ts";
import { type Embeddings, openEmbeddings } from "./embeddings.ts";

const hasVectors = await canHaveVectors();
const never = new AbortController().signal;

describe.skipIf(!hasVectors)("embeddings", () => {
  let db: Database;
  let server: EmbeddingServer;
  let embeddings: Embeddings;
  let clock: MovableClock;

  beforeAll(async () => {
    db = await createVectorDatabase();
  });
  beforeEach(async () => {
    await emptyTables(db);
    clock = movableClock(new Date("2026-11-21T12:00:00Z"));
    server = await startEmbeddingServer();
    server.dimension = 512;
    embeddings = await open();
  });
  afterEach(async () => {
    await embeddings.close();
    await server[Symbol.asyncDispose]();
    await dropVectorTables(db);
  });
  afterAll(() => db?.close());

  const open = (tokensPerDay = 0) =>
    openEmbeddings(
      { url: server.url, model: "bags", apiKey: null, tokensPerDay },
      { db: db.orm, clock, queryWaitMsMax: 10_000 },
    );

  async function update(...documents: SearchDocument[]): Promise<void> {
    await createPostgresSearch({ db: db.orm }).apply(
      documents.map((document) => ({ key: document.key, document })),
      db.orm,
    );
    await embeddings.update(
      documents.map((document) => ({ key: document.key, facts: document })),
      never,
    );
  }

  const nearest = async (words: string) =>
    (await embeddings.nearest(searchFor(words), 10, clock.now()))?.map(({ sequence }) => sequence) ?? null;

  const station = searchDocument(1, { title: "Weather station", affordances: [searchAction("getWeather")] });
  const machine = searchDocument(2, {
    title: "Kitchen helper",
    affordances: [searchAction("brewCoffee"), searchAction("descale")],
  });

  test("find what means the same in other words, and the affordance that does it", async () => {
    await update(station, machine);
    expect(await nearest("climate forecast")).toEqual([1]);
    const [near] = (await embeddings.nearest(searchFor("espresso"), 10, clock.now())) ?? [];
    expect(near).toMatchObject({ key: searchKey(2), affordance: "brewCoffee" });
  });

  test("find nothing for words that mean nothing here", async () => {
    await update(station, machine);
    expect(await nearest("xyzzy plugh")).toEqual([]);
  });

  test("cannot tell while there are none, nor while the endpoint is down", async () => {
    expect(await nearest("weather")).toBeNull();
    await update(station);
    server.always = failWith(500, "broken");
    expect(await nearest("espresso")).toBeNull();
  });

  test("ask only for texts that are new", async () => {
    await update(station, machine);
    const before = server.texts().length;
    await update(station, machine);
    expect(server.texts()).toHaveLength(before);
    await update({ ...machine, affordances: [...machine.affordances, searchAction("grind")] });
    // The thing's own text names all of them.
    expect(server.texts().slice(before)).toEqual([
      "Kitchen helper brew coffee, descale, grind",
      "Kitchen helper: grind",
    ]);
  });

  test("forget what is gone from an entry, and the entry", async () => {
    await update(station, machine);
    await update({ ...machine, affordances: [searchAction("descale")] });
    expect(await nearest("brew coffee")).toEqual([]);
    await embeddings.update([{ key: station.key, facts: null }], never);
    expect(await nearest("weather")).toEqual([]);
  });

  test("ask with several texts at once, within the bounds of a request", async () => {
    const affordances = Array.from({ length: 60 }, (_, at) =>
      searchAction(`tool${at}`, { descriptions: [{ language: null, text: `about ${at} `.repeat(100) }] }),
    );
    await update(...[1, 2, 3].map((sequence) => searchDocument(sequence, { affordances })));
    const sizes = server.requests.map(({ body }) => body.input);
    expect(sizes.length).toBeGreaterThan(1);
    for (const texts of sizes) {
      expect(texts.length).toBeLessThanOrEqual(limits.embeddingTextsPerRequestMax);
      expect(texts.join("").length).toBeLessThanOrEqual(limits.embeddingRequestCharactersMax);
    }
  });

  test("keep what was answered before a failure, and do not ask for it again", async () => {
    const affordances = Array.from({ length: 60 }, (_, at) => searchAction(`tool${at}`));
    const documents = [1, 2].map((sequence) => searchDocument(sequence, { affordances }));
    server.next.push(
      (response, texts) =>
        answerWith(
          response,
          texts.map((text) => bagOf(text, 512)),
        ),
      failWith(503, "later"),
    );
    await expect(update(...documents)).rejects.toMatchObject({ kind: "unavailable" });
    await update(...documents);
    const answered = server.requests.filter((_, at) => at !== 1).flatMap(({ body }) => body.input);
    expect(new Set(answered).size).toBe(answered.length);
  });

  test("shorten a text that is too long for the model, and leave it out at last, with no other", async () => {
    const bound = 800;
    server.always = (response, texts) => {
      if (texts.some((text) => text.length > bound || text.includes("unspeakable"))) {
        failWith(400, "the input is too long")(response, texts);
      } else
        answerWith(
          response,
          texts.map((text) => bagOf(text, 512)),
        );
    };
    await update(
      station,
      searchDocument(3, { title: "Long", descriptions: [{ language: null, text: "meadow ".repeat(500) }] }),
      searchDocument(4, { title: "unspeakable" }),
      machine,
    );
    expect(await nearest("weather")).toEqual([1]);
    expect(await nearest("meadow")).toEqual([3]);
    expect(await nearest("brew coffee")).toEqual([2]);
    expect(await nearest("unspeakabl")).toEqual([]);
  });

  test("take nothing for done while the endpoint refuses every text", async () => {
    server.always = failWith(400, "this model does not embed");
    await expect(update(station)).rejects.toMatchObject({ kind: "misconfigured" });
    server.always = null;
    await update(station);
    expect(await nearest("weather")).toEqual([1]);
  });

  test("write nothing any more once another process may have taken over", async () => {
    const taken = new AbortController();
    server.next.push((response, texts) => {
      taken.abort(new Error("taken over"));
      answerWith(
        response,
        texts.map((text) => bagOf(text, 512)),
      );
    });
    const changes = [{ key: station.key, facts: station }];
    await expect(embeddings.update(changes, taken.signal)).rejects.toThrow("taken over");
    expect(await nearest("weather")).toBeNull();
  });

  test("stay within the day's tokens: entries wait, and so do queries when they are used up", async () => {
    await embeddings.close();
    embeddings = await open(100);
    server.always = (response, texts) =>
      answerWith(
        response,
        texts.map((text) => bagOf(text, 512)),
        45,
      );
    await update(station);
    await expect(update(machine))
      .rejects.toMatchObject({ kind: "unavailable" })
      .catch(() => {});
    await expect(update(searchDocument(5, { title: "Another one" }))).rejects.toMatchObject({ kind: "budget-used-up" });
    const asked = server.requests.length;
    expect(await nearest("w".repeat(60))).toBeNull();
    expect(server.requests).toHaveLength(asked);
  });
});
