// `viv screenshot`: what a VM's screen shows, as a PNG file.

import { writeFile } from "node:fs/promises";
import { VirtualMachine } from "@vivarium/api";
import type { GlobalOptions } from "../global-options.ts";
import { tell } from "../output/print.ts";
import { connect } from "../session/connect.ts";

interface ScreenshotOptions extends GlobalOptions {
  readonly output: string;
}

export async function screenshot(name: string, options: ScreenshotOptions): Promise<void> {
  await using session = await connect(options);
  const png = await session.client.screenshot(VirtualMachine, { namespace: session.namespace, name });
  if (options.output === "-") {
    process.stdout.write(png);
    return;
  }
  await writeFile(options.output, png);
  tell(`Wrote ${options.output}`);
}
