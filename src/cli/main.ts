import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { describeFailure, exitCodeOf } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

/*
 * The `thingstead` program. Results go to standard output, all else to standard error. Exit codes: 0 done, 1 refused or
 * not found, 2 wrong usage. This module is where the process starts, so unlike all others it acts when it is imported.
 */

type AddCommand = (program: Command, terminal: Terminal) => void;

/** Each command by its name, in the order of the help. Loading takes most of the time that a short command does. */
const commands = {
  serve: async () => (await import("./serve.ts")).addServeCommand,
  keygen: async () => (await import("./keygen.ts")).addKeygenCommand,
  sign: async () => (await import("./sign.ts")).addSignCommand,
  verify: async () => (await import("./verify.ts")).addVerifyCommand,
  register: async () => (await import("./register.ts")).addRegisterCommand,
  search: async () => (await import("./search.ts")).addSearchCommand,
  capabilities: async () => (await import("./capabilities.ts")).addCapabilitiesCommand,
  lan: async () => (await import("./lan.ts")).addLanCommand,
  retract: async () => (await import("./retract.ts")).addRetractCommand,
  heartbeat: async () => (await import("./heartbeat.ts")).addHeartbeatCommand,
  visibility: async () => (await import("./visibility.ts")).addVisibilityCommand,
  unlist: async () => (await import("./unlist.ts")).addUnlistCommand,
  peers: async () => (await import("./peers.ts")).addPeersCommand,
  tokens: async () => (await import("./tokens.ts")).addTokensCommand,
  reindex: async () => (await import("./reindex.ts")).addReindexCommand,
  audit: async () => (await import("./audit.ts")).addAuditCommand,
} satisfies Record<string, () => Promise<AddCommand>>;

type CommandName = keyof typeof commands;

const examples = `
Start here:
  npx thingstead serve
  npx thingstead keygen --out me.json
  npx thingstead register examples/weather-agent.td.json --key me.json
  npx thingstead search "weather forecast"

\`npx thingstead COMMAND --help\` tells more.
Exit codes: 0 done, 1 refused or not found, 2 wrong usage.`;

/** The command that `args` name, alone; all of them for who has not named one, or names one that there is not. */
function commandsFor(args: readonly string[]): CommandName[] {
  if (args.length === 1 && ["--version", "-V"].includes(args[0] ?? "")) return [];
  const [first, second] = args.filter((arg) => !arg.startsWith("-"));
  const name = first === "help" ? second : first;
  const names = Object.keys(commands) as CommandName[];
  const named = names.find((one) => one === name);
  return named === undefined ? names : [named];
}

/** Runs the command that `args` name and returns the exit code. */
async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command("thingstead")
    .description("A registry where AI agents and tools are published, verified and found.")
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
    })
    .showHelpAfterError("`npx thingstead --help` shows the commands; COMMAND --help shows one.")
    .addHelpText("after", examples);

  for (const name of commandsFor(args)) {
    const addCommand = await commands[name]();
    addCommand(program, terminal);
  }

  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    // Commander has already told the user what was wrong with the arguments.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    terminal.stderr.write(`${describeFailure(error)}\n`);
    return exitCodeOf(error);
  }
}

// A reader that has seen enough (`| head`) closes the pipe: no fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

// Set rather than exit: what was written has to leave the process first.
process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  // oxlint-disable-next-line node/no-process-env -- where the process starts, the environment comes in
  env: process.env,
});
