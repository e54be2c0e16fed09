import { setTimeout as sleep } from "node:timers/promises";
import { SingleBar } from "cli-progress";
import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import type { AuditReport, Progress } from "./audit/audit-registry.ts";
import type { Finding, Findings } from "./audit/findings.ts";
import { Refusal, UsageError } from "./failure.ts";
import { registryOption, type RegistryFlags, tokenOption } from "./options.ts";
import { print, printableLine, type Terminal } from "./terminal.ts";

/** So many steps are worth a progress bar. */
const barStepsMin = 200;

interface AuditFlags extends RegistryFlags {
  state?: string;
  entries: boolean;
  json: boolean;
  allowPrivateAddresses: boolean;
}

const help = `
Trusts nothing that the registry says without a proof: its DID is resolved here, and every hash of its log is computed
here. A state file makes the audit one of the past as well: it holds the head that the registry signed at the last audit
that found nothing wrong, and whatever was changed or taken away since then shows. Run it regularly, with a state file.

--entries also looks at every entry that there is or was: whether its bytes are those of the log, and its proof holds.
Without it, and with a state file, only what was added to the log since is read.

Exit code 1 says that something is wrong, or that the registry cannot be audited now.

Examples:
  npx thingstead audit --registry https://registry.example --state registry.example.json
  npx thingstead audit --registry https://registry.example --state registry.example.json --entries
  npx thingstead audit --allow-private-addresses --json`;

export function addAuditCommand(program: Command, terminal: Terminal): void {
  program
    .command("audit")
    .summary("check a registry's log, and what it serves, from outside")
    .description(
      "Checks that a registry's log is whole and signed, that it goes on from earlier audits, and is kept to.",
    )
    .option("--state <file>", "where the last audit ended; written after one that finds nothing wrong")
    .option("--entries", "check every entry against the log, and its proof", false)
    .option("--json", "print the report as JSON", false)
    .option("--allow-private-addresses", "let DIDs lead to private addresses, and over http", false)
    .addOption(registryOption())
    .addOption(tokenOption())
    .addHelpText("after", help)
    .action((flags: AuditFlags) => audit(flags, terminal));
}

async function audit(flags: AuditFlags, terminal: Terminal): Promise<void> {
  const { allowPrivateAddresses, state, entries } = flags;
  const registry = registryUrlOf(flags, terminal);
  // Loaded now, so that the help comes at once.
  const [{ createEgress }, { createDidResolver }, { auditRegistry }, { readState, writeState }, { createLogClient }] =
    await Promise.all([
      import("../base/egress.ts"),
      import("../identity/resolver.ts"),
      import("./audit/audit-registry.ts"),
      import("./audit/audit-state.ts"),
      import("./audit/log-client.ts"),
    ]);
  const client = createLogClient({
    registry,
    token: flags.token ?? (terminal.env["ADMIN_TOKEN"] || null),
    pause: sleep,
  });
  const known = state === undefined ? null : await readState(state);
  const egress = createEgress({ allowPrivateAddresses });
  try {
    const resolver = createDidResolver({ egress, clock: systemClock, allowPrivateAddresses });
    const progress = createProgress(terminal);
    const deps = { resolver, clock: systemClock, pause: sleep, progress };
    const report = await auditRegistry({ client, known, entries }, deps);
    if (flags.json) print(terminal, JSON.stringify(jsonOf(report, registry), null, 2));
    else printReport(report, registry, terminal);
    if (report.findings.count > 0) {
      throw new Refusal(
        `The registry at ${registry} is not as it must be: ${counted(report.findings.count, "finding")}.`,
      );
    }
    if (state !== undefined && report.head !== null) await writeState(state, report.head);
  } finally {
    await egress.close();
  }
}

/** The registry's URL without a trailing slash. Throws a UsageError. */
function registryUrlOf(flags: RegistryFlags, { env }: Terminal): string {
  const text = flags.registry ?? (env["THINGSTEAD_REGISTRY"] || "http://localhost:8080");
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`THINGSTEAD_REGISTRY is ${text}. A registry is named by its http or https URL.`);
  }
  return url.href.replace(/\/+$/, "");
}

function printReport(
  { head, from, entries, findings, unproven }: AuditReport,
  registry: string,
  terminal: Terminal,
): void {
  const facts: [string, string][] = [["registry", head === null ? registry : `${head.registry} at ${registry}`]];
  if (head !== null) {
    const read = from > head.seq ? "nothing to read" : `${from} to ${head.seq} were read`;
    facts.push(["head", `entry ${head.seq}, signed ${head.time}`], ["hash", head.hash], ["log", read]);
  }
  if (entries !== null) {
    const { listed, retracted, unlisted, absent } = entries;
    facts.push(["entries", `${listed} listed, ${retracted} retracted, ${unlisted} unlisted, ${absent} gone`]);
  }
  facts.push(["wrong", String(findings.count)]);
  if (unproven.count > 0) facts.push(["unproven", String(unproven.count)]);
  for (const [label, value] of facts) print(terminal, `${`${label}:`.padEnd(10)} ${printableLine(value, 2_000)}`);
  printFindings("wrong", findings, terminal);
  printFindings("unproven", unproven, terminal);
}

function printFindings(label: string, findings: Findings, terminal: Terminal): void {
  for (const finding of findings.list) print(terminal, `\n${label}: ${describe(finding)}`);
  const rest = findings.count - findings.list.length;
  if (rest > 0) print(terminal, `\n${label}: and ${rest} more`);
}

function describe({ check, seq, controller, id, detail }: Finding): string {
  const place = seq === null ? check : `${check}, entry ${seq} of the log`;
  const lines = [place, ...(id === null ? [] : [`${id}, ${controller ?? "unsigned"}`]), detail];
  return lines.map((line) => printableLine(line, 3_000)).join("\n  ");
}

function jsonOf({ head, from, entries, findings, unproven }: AuditReport, url: string): object {
  return {
    url,
    head: head?.document ?? null,
    from,
    entries,
    wrong: findings.count,
    findings: findings.list,
    unproven: unproven.list,
  };
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A bar on the terminal for what takes long, and nothing for the rest. */
function createProgress({ stderr }: Terminal): Progress {
  let bar: SingleBar | null = null;
  return {
    start(total) {
      if (stderr.isTTY !== true || total < barStepsMin) return;
      bar = new SingleBar({ stream: stderr, format: "{bar} {value} of {total}, {eta_formatted} left" });
      bar.start(total, 0);
    },
    step: () => bar?.increment(),
    end() {
      bar?.stop();
      bar = null;
    },
  };
}
