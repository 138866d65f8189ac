// `viv server rotate-keys`: a new key for Secrets, made by the running server.

import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { rotatePath, type RotationReport } from "../server/secret-encryption.ts";
import { connect } from "../session/connect.ts";

export async function rotateKeys(options: GlobalOptions & { readonly newKey: boolean }): Promise<void> {
  await using session = await connect(options);
  const { body } = await session.client.send({
    method: "POST",
    path: rotatePath,
    query: new URLSearchParams({ newKey: String(options.newKey) }),
    headers: {},
    body: new Uint8Array(),
  });
  const chunks: Uint8Array[] = [];
  if (body instanceof Uint8Array) chunks.push(body);
  else for await (const chunk of body) chunks.push(chunk);
  const report = JSON.parse(Buffer.concat(chunks).toString()) as RotationReport;
  print(`Secrets are encrypted with the key ${report.key} now; ${report.rewritten} were written again`);
  print(`  older keys stay in ${report.file} on the server's host: backups from before need them`);
}
