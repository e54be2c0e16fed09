import type { TestProject } from "vitest/node";
import { openDatabase } from "../../src/db/client.ts";
import { databaseUrlOf, onServer } from "./database.ts";

/** Migrates a template database on the server of DATABASE_URL for the tests to clone; drops it at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const serverUrl = process.env.DATABASE_URL;
  if (serverUrl === undefined || serverUrl === "") {
    throw new Error(
      "`npm run test:pg` needs a Postgres server (15 or later) on which it may create databases: set DATABASE_URL, for instance to postgres://postgres@127.0.0.1:5432/postgres.",
    );
  }
  const template = `thingstead_test_${process.pid}_${Date.now().toString(36)}`;
  await onServer(serverUrl, `create database ${template}`);
  const drop = () => onServer(serverUrl, `drop database if exists ${template} with (force)`);
  try {
    const db = await openDatabase({ databaseUrl: databaseUrlOf(serverUrl, template) });
    await db.close();
  } catch (error) {
    await drop();
    throw error;
  }
  project.provide("postgres", { serverUrl, template });
  return drop;
}
