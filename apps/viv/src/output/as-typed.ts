// Advice that can be copied: `viv` is often not in the PATH, and the launcher knows how it was called.

/** `viv stop web` as it must be typed here, for example `./viv stop web`. */
export function asTyped(command: string, env: Readonly<Record<string, string | undefined>> = process.env): string {
  const called = env["VIV_COMMAND"];
  return called === undefined || called === "" ? command : command.replace(/^viv(?= |$)/, called);
}
