// `viv images restore`: puts back what `viv images backup` kept. Every file is read where it lies first: one that is whole is left alone, one
// from which a guest that is on reads is not touched. Then come the objects that are gone, and the server reads what was put back.

import { resolve } from "node:path";
import { openImageBackupFolder } from "@vivarium/images";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import type { ImageBackupContent } from "../image-backup/backup-content.ts";
import { openImageHosts, requireOwnServer } from "../image-backup/image-hosts.ts";
import { restoreFiles } from "../image-backup/restore-files.ts";
import type { RestoredFile } from "../image-backup/restore-files.ts";
import { restoreObjects } from "../image-backup/restore-objects.ts";
import { print, tell } from "../output/print.ts";
import { showValue } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { findingsOf, readAgain } from "./images-validate.ts";

interface RestoreOptions extends GlobalOptions {
  readonly dryRun?: boolean;
  readonly timeout: number;
  readonly output?: "json" | "yaml";
}

export async function restoreImages(directory: string, options: RestoreOptions): Promise<void> {
  await using session = await connect(options);
  await requireOwnServer(session);
  using signal = interruptSignal();
  const folder = await openImageBackupFolder<ImageBackupContent>(resolve(directory));
  const content = await folder.readIndex();
  if (content === undefined) {
    throw new CliUserError(`There is no backup of images in ${directory}.`, {
      fix: [`viv images backup ${directory}`],
      exit: "notFound",
    });
  }
  await using hosts = openImageHosts(session);
  const isDryRun = options.dryRun === true;
  const files = await restoreFiles(content, { client: session.client, folder, hosts, signal, isDryRun });
  const made = await restoreObjects(content, { client: session.client, files, isDryRun });
  for (const each of made) tell(isDryRun ? `would be made: ${each}` : `made: ${each}`);
  if (options.output !== undefined) await showValue(files.map(shownOf), options.output);
  else print(filesTable(files));
  const failed = files.filter(({ outcome }) => outcome === "Failed");
  const restored = files.filter(({ outcome }) => outcome === "Restored");
  const keys = [...new Map(restored.map(({ record }) => [`${record.namespace}/${record.image}`, record])).values()];
  const read = await readAgain(
    session.client,
    keys.map(({ namespace, image }) => ({ namespace, name: image })),
    { signal, timeoutMs: options.timeout },
  );
  const bad = read.flatMap(findingsOf).filter(({ outcome }) => outcome !== "Intact");
  for (const { image, message } of bad) tell(`${image}: ${message}`);
  const count = failed.length + bad.length;
  if (count === 0) return;
  throw new CliUserError(`${count === 1 ? "1 file is" : `${count} files are`} not what they have to be.`, {
    fix: ["viv images validate"],
    exit: count < files.length ? "partial" : "failure",
  });
}

function shownOf({ record: { namespace, image, provider }, outcome, message }: RestoredFile) {
  return { namespace, image, provider, outcome, message };
}

function filesTable(files: readonly RestoredFile[]): string {
  return textTable(
    ["namespace", "image", "provider", "outcome", "message"],
    files.map(shownOf).map((each) => [each.namespace, each.image, each.provider, each.outcome, each.message]),
  );
}
