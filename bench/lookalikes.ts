/**
 * `node bench/lookalikes.ts`: how many imitations of names are found and how many names of different things are taken for
 * imitations, by kind, in the corpus of the tests and among 70 real titles (../shared/data/mcp, which is not part of the
 * repository); and how long it takes.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Resemblance, resemblanceOf, skeletonOf, stubsOf } from "../src/things/confusable.ts";
import { imitations, innocents, type Pair } from "../test/fixtures/confusables.ts";

/** What the registry would find: names that have a stub in common are compared in full. */
function found([known, name]: Pair): Resemblance | null {
  const stubs = new Set(stubsOf(skeletonOf(known)));
  return stubsOf(skeletonOf(name)).some((stub) => stubs.has(stub)) ? resemblanceOf(name, known) : null;
}

function report(title: string, corpus: Record<string, readonly Pair[]>): void {
  const row = (kind: string, pairs: readonly Pair[]) => {
    const resemblances = pairs.map(found);
    const count = (sign: Resemblance["signs"][number]) =>
      resemblances.filter((one) => one?.signs.includes(sign)).length;
    const labelled = resemblances.filter((one) => one !== null).length;
    const share = `${((100 * labelled) / pairs.length).toFixed(1)} %`;
    const counts = [count("same-skeleton"), count("near"), labelled].map(String);
    console.log(kind.padEnd(32) + [String(pairs.length), ...counts, share].map((cell) => cell.padStart(9)).join(""));
  };
  console.log(title.padEnd(32) + ["pairs", "same", "near", "labelled", ""].map((cell) => cell.padStart(9)).join(""));
  for (const [kind, pairs] of Object.entries(corpus)) row(kind, pairs);
  row("all", Object.values(corpus).flat());
  console.log("");
}

/** Microseconds of a processor that one call takes, whatever else the machine does: the median of some rounds. */
function microseconds(call: () => unknown): string {
  const rounds = Array.from({ length: 11 }, () => {
    const start = process.cpuUsage();
    for (let index = 0; index < 5_000; index += 1) call();
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 5_000;
  });
  return (rounds.toSorted((a, b) => a - b)[5] ?? 0).toFixed(1);
}

report("imitations", imitations);
report("different things", innocents);

const titlesFile = fileURLToPath(new URL("../../shared/data/mcp/tds.ndjson", import.meta.url));
if (existsSync(titlesFile)) {
  const lines = readFileSync(titlesFile, "utf8").trim().split("\n");
  const titles = lines.map((line) => (JSON.parse(line) as { title: string }).title);
  const pairs = titles.flatMap((known, index) => titles.slice(index + 1).map((name): Pair => [known, name]));
  report("real titles", { [`${titles.length} of different things`]: pairs });
  for (const pair of pairs) if (found(pair) !== null) console.log(`  ${pair.join(" | ")}`);
}

const names = {
  Latin: "Weather forecasts and warnings for the Alps and Northern Italy 2",
  Cyrillic: "Прогнозы погоды и предупреждения для Альп и северной Италии, два",
};
for (const [script, name] of Object.entries(names)) {
  const skeleton = skeletonOf(name);
  console.log(
    `${[...name].length} characters, ${script}: skeletonOf ${microseconds(() => skeletonOf(name))} µs, ` +
      `stubsOf ${microseconds(() => stubsOf(skeleton))} µs, ` +
      `resemblanceOf ${microseconds(() => resemblanceOf(name, `${name.slice(0, 20)}x${name.slice(20)}`))} µs`,
  );
}
