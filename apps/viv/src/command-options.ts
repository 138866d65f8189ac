// What the declarations of commands are written with: options that several have, and how their values are read.

import { InvalidArgumentError, Option, type Command } from "commander";
import { parseDurationMs } from "./duration.ts";

type Action<A extends readonly unknown[]> = (...args: A) => Promise<void>;

/** Loads the command's module when it runs. */
export function lazy<A extends readonly unknown[]>(load: () => Promise<Action<A>>): Action<A> {
  return async (...args) => (await load())(...args);
}

export function withTimeout(command: Command, fallback: string): Command {
  const milliseconds = parseDurationMs(fallback);
  return command.addOption(
    new Option("--timeout <duration>", "how long to wait, for example 90s or 10m")
      .default(milliseconds, fallback)
      .argParser(parseTimeout),
  );
}

export function outputOption(formats: readonly string[]): Option {
  return new Option("-o, --output <format>", "output format").choices(formats);
}

export function parseTimeout(text: string): number {
  const milliseconds = parseDurationMs(text);
  if (milliseconds === undefined) throw new InvalidArgumentError("Expected a duration such as 90s, 10m or 1h30m.");
  return milliseconds;
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new InvalidArgumentError("Expected 0 to 65535.");
  return port;
}

export function parseCount(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Expected a whole number.");
  return Number(text);
}

export function parsePositive(text: string): number {
  const count = parseCount(text);
  if (count < 1) throw new InvalidArgumentError("Expected 1 at least.");
  return count;
}

export function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}
