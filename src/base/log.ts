import { configure, getLogger, jsonLinesFormatter, type Logger, type LogLevel, type LogRecord } from "@logtape/logtape";

/** Log categories start with `thingstead`; libraries that log through LogTape keep their own. */
export function loggerOf(...category: string[]): Logger {
  return getLogger(["thingstead", ...category]);
}

/** Sends log records of at least `level` to stderr as JSON lines; stdout is for results only. Call once per process. */
export async function configureLogging(level: LogLevel | "silent"): Promise<void> {
  await configure({
    reset: true,
    sinks: { stderr: writeToStderr },
    loggers: [
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "warning" },
      ...(level === "silent" ? [] : [{ category: ["thingstead"], sinks: ["stderr" as const], lowestLevel: level }]),
    ],
  });
}

function writeToStderr(record: LogRecord): void {
  process.stderr.write(jsonLinesFormatter(record));
}
