// The options that every command has.

import type { Command } from "commander";

export interface GlobalOptions {
  readonly namespace?: string;
  readonly stateDir?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** Adds the options with which a command finds its server. */
export function withServerOptions(command: Command): Command {
  return command
    .option("--kubeconfig <file>", "kubeconfig of the server (default: the one in the state dir)")
    .option("--context <name>", "context of the kubeconfig")
    .option("--state-dir <dir>", "state dir of the server (or VIV_STATE_DIR)");
}

export function withNamespace(command: Command): Command {
  return withServerOptions(command.option("-n, --namespace <name>", "namespace (default: the kubeconfig's)"));
}
