// `viv server user NAME`: a kubeconfig with a client certificate, signed by the server's own authority. What the user may do is said by
// role bindings.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CliUserError } from "../cli-error.ts";
import { userKubeconfig } from "../server/kubeconfig.ts";
import { readServerInfo } from "../server/server-lock.ts";
import { currentStateDir } from "../state-dir.ts";
import { writePrivateFile } from "../write-private-file.ts";

interface UserOptions {
  readonly stateDir?: string;
  readonly group: readonly string[];
  readonly days: number;
  readonly server?: string;
  readonly output?: string;
}

export async function serverUser(name: string, options: UserOptions): Promise<void> {
  const stateDir = currentStateDir(options.stateDir);
  const url = options.server ?? readServerInfo(stateDir)?.url;
  if (url === undefined)
    throw new CliUserError("It is not known where the server is: none runs on this state dir.", {
      fix: ["viv server --detach", "or name it: --server https://HOST:7443"],
    });
  const ca = { cert: read(join(stateDir.pki, "ca.crt")), key: read(join(stateDir.pki, "ca.key")) };
  const { makeClientCertificate } = await import("../server/certificates.ts");
  const pair = await makeClientCertificate(ca, { name, groups: options.group, days: options.days, now: new Date() });
  const text = userKubeconfig({ url, caPem: ca.cert, name, ...pair });
  if (options.output === undefined) writeFileSync(process.stdout.fd, text);
  else writePrivateFile(options.output, text);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CliUserError(`Cannot read ${path}: only who runs the server makes users.`, {
      fix: ["Start the server once, and run this as the user that it runs as."],
      cause: error,
    });
  }
}
