import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { addAuditCommand } from "./audit.ts";
import { describeFailure, exitCodeOf } from "./failure.ts";
import { addHeartbeatCommand } from "./heartbeat.ts";
import { addKeygenCommand } from "./keygen.ts";
import { addLanCommand } from "./lan.ts";
import { addRegisterCommand } from "./register.ts";
import { addRetractCommand } from "./retract.ts";
import { addSearchCommand } from "./search.ts";
import { addServeCommand } from "./serve.ts";
import { addSignCommand } from "./sign.ts";
import type { Terminal } from "./terminal.ts";
import { addTokensCommand } from "./tokens.ts";
import { addUnlistCommand } from "./unlist.ts";
import { addVerifyCommand } from "./verify.ts";
import { addVisibilityCommand } from "./visibility.ts";

/*
 * The `thingstead` program. Results go to standard output, all else to standard error. Exit codes: 0 done, 1 refused or
 * not found, 2 wrong usage. This module is where the process starts, so unlike all others it acts when it is imported.
 */

const examples = `
Start here:
  npx thingstead serve
  npx thingstead keygen --out me.json
  npx thingstead register examples/weather-agent.td.json --key me.json
  npx thingstead search "weather forecast"

\`npx thingstead COMMAND --help\` tells more.
Exit codes: 0 done, 1 refused or not found, 2 wrong usage.`;

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

  addServeCommand(program, terminal);
  addKeygenCommand(program, terminal);
  addSignCommand(program, terminal);
  addVerifyCommand(program, terminal);
  addRegisterCommand(program, terminal);
  addSearchCommand(program, terminal);
  addLanCommand(program, terminal);
  addRetractCommand(program, terminal);
  addHeartbeatCommand(program, terminal);
  addVisibilityCommand(program, terminal);
  addUnlistCommand(program, terminal);
  addTokensCommand(program, terminal);
  addAuditCommand(program, terminal);

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
