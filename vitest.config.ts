import { defineConfig } from "vitest/config";

/** `npm test`: everything that needs no server; databases are PGlite. `vitest.pg.config.ts` has the rest. */
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["test/postgres/**"],
    // The tests' own configuration counts, not the shell's.
    env: { DATABASE_URL: "", LOG_LEVEL: "silent" },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
