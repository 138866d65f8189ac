// `viv images backup`: copies of the files of all images, named by their bytes, with the VMImages and roles that they are of. A file that is
// damaged does not replace its copy.

import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { VMImage, VMRole } from "@vivarium/api";
import { ImageError, openImageBackupFolder } from "@vivarium/images";
import type { ImageBackupFolder } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { filesOf, isSameFile, parentsFirst, withFormer } from "../image-backup/backup-content.ts";
import type { ImageBackupContent, ImageFileRecord, WantedFile } from "../image-backup/backup-content.ts";
import { openImageHosts, requireOwnServer } from "../image-backup/image-hosts.ts";
import type { ImageHosts } from "../image-backup/image-hosts.ts";
import { formatBytes } from "../output/byte-size.ts";
import { print, tell } from "../output/print.ts";
import { showValue } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";

interface BackupOptions extends GlobalOptions {
  readonly prune?: boolean;
  readonly output?: "json" | "yaml";
}

type Outcome = "Copied" | "AlreadyThere" | "Damaged" | "Missing" | "Failed";

interface Result {
  readonly namespace: string;
  readonly image: string;
  readonly provider: string;
  readonly outcome: Outcome;
  readonly message: string;
  readonly record?: ImageFileRecord;
}

export async function backUpImages(directory: string, options: BackupOptions): Promise<void> {
  await using session = await connect(options);
  await requireOwnServer(session);
  using signal = interruptSignal();
  const folder = await openImageBackupFolder<ImageBackupContent>(resolve(directory));
  const former = await folder.readIndex();
  const [images, roles] = await Promise.all([session.client.list(VMImage), session.client.list(VMRole)]);
  await using hosts = openImageHosts(session);
  const results: Result[] = [];
  for (const file of filesOf(images.items)) {
    const before = former?.files.find((each) => isSameFile(each, file));
    results.push(await backUp(file, { folder, before, hosts, signal }));
  }
  const now: ImageBackupContent = {
    createdAt: new Date().toISOString(),
    images: parentsFirst(images.items),
    roles: roles.items,
    files: results.flatMap(({ record }) => (record === undefined ? [] : [record])),
  };
  const content = withFormer(now, options.prune === true ? former && stillMeant(former, now) : former);
  await folder.writeIndex(content);
  if (options.prune === true) {
    const removed = await folder.keepOnly(new Set(content.files.map(({ contentDigest }) => contentDigest)));
    if (removed > 0) tell(`removed ${removed} files that no VMImage means any more`);
  }
  const shown = results.map(({ namespace, image, provider, outcome, message }) => ({
    namespace,
    image,
    provider,
    outcome,
    message,
  }));
  if (options.output !== undefined) await showValue(shown, options.output);
  else if (shown.length === 0) tell("No image lies on any host: only the objects were kept.");
  else print(resultsTable(results));
  const bad = results.filter(({ outcome }) => outcome !== "Copied" && outcome !== "AlreadyThere");
  if (bad.length === 0) return;
  throw new CliUserError(`${counted(bad.length)} could not be copied; what the folder had of them was kept.`, {
    fix: [`viv images restore ${directory}, where a file is damaged or missing`],
    exit: bad.length < results.length ? "partial" : "failure",
  });
}

async function backUp(
  file: WantedFile,
  {
    folder,
    before,
    hosts,
    signal,
  }: {
    readonly folder: ImageBackupFolder<ImageBackupContent>;
    readonly before: ImageFileRecord | undefined;
    readonly hosts: ImageHosts;
    readonly signal: AbortSignal;
  },
): Promise<Result> {
  const { expected, ...meant } = file;
  const { namespace, image, provider, digest } = file;
  const of = { namespace, image, provider };
  const backedUpAt = new Date().toISOString();
  const known = expected ?? before?.contentDigest;
  const there = known === undefined ? undefined : await folder.find(known, { signal });
  if (known !== undefined && there !== undefined) {
    const { size: sizeBytes } = await stat(there);
    const record = { ...meant, contentDigest: known, sizeBytes, backedUpAt: before?.backedUpAt ?? backedUpAt };
    return { ...of, outcome: "AlreadyThere", message: formatBytes(sizeBytes), record };
  }
  const host = await hosts.open(file.host);
  if ("why" in host) return { ...of, outcome: "Failed", message: host.why };
  tell(`copying ${image} from ${provider}`);
  try {
    const wanted = expected === undefined ? {} : { wanted: expected };
    const copied = await folder.add(host.backups.read(digest, { signal }), { ...wanted, signal });
    return {
      ...of,
      outcome: "Copied",
      message: formatBytes(copied.sizeBytes),
      record: { ...meant, ...copied, backedUpAt },
    };
  } catch (error) {
    if (signal.aborted) {
      throw new CliUserError("Interrupted: what was copied stays, and the next run goes on from there.", {
        exit: "detached",
      });
    }
    if (error instanceof ImageError && error.code === "ChecksumMismatch") {
      return { ...of, outcome: "Damaged", message: `${file.path}: ${error.message}` };
    }
    if (isProviderError(error)) {
      return { ...of, outcome: error.code === "NotFound" ? "Missing" : "Failed", message: error.message };
    }
    throw error;
  }
}

/** Files of VMImages that there are, as they are now. */
function stillMeant(former: ImageBackupContent, { images }: ImageBackupContent): ImageBackupContent {
  const files = former.files.filter(({ namespace, image, digest }) =>
    images.some(
      ({ metadata, status }) =>
        metadata.namespace === namespace && metadata.name === image && status?.digest === digest,
    ),
  );
  return { ...former, images: [], roles: [], files };
}

function resultsTable(results: readonly Result[]): string {
  return textTable(
    ["namespace", "image", "provider", "outcome", "message"],
    results.map(({ namespace, image, provider, outcome, message }) => [namespace, image, provider, outcome, message]),
  );
}

function counted(files: number): string {
  return files === 1 ? "1 file" : `${files} files`;
}
