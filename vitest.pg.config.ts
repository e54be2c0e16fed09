import { defineConfig } from "vitest/config";

/** `npm run test:pg`: the same suite on the Postgres server of DATABASE_URL, and what only such a server can show. */
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // The simulation has no database.
    exclude: ["test/simulation/**"],
    globalSetup: ["test/support/postgres-setup.ts"],
    env: { LOG_LEVEL: "silent" },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
