// `viv images flatten`: an image with all that it is built upon as one file that needs no other: copied as a whole on its host, then compressed,
// compared and read again here, as an exported disk is.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { VMImage } from "@vivarium/api";
import { providerOfStatusKey } from "@vivarium/controllers";
import { createImageExports, ImageError } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import type { VmIdentity } from "@vivarium/provider";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { openImageHosts, requireOwnServer } from "../image-backup/image-hosts.ts";
import { openBoard } from "../output/board.ts";
import { formatBytes } from "../output/byte-size.ts";
import { print } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";

interface FlattenOptions extends GlobalOptions {
  readonly provider?: string;
}

const formats = ["qcow2", "raw", "vmdk"] as const;

export async function flattenImage(name: string, file: string, options: FlattenOptions): Promise<void> {
  const target = resolve(file);
  const format = formats.find((each) => extname(target) === `.${each}`);
  if (format === undefined) {
    throw new CliUserError(`${file} ends with none of ${formats.map((each) => `.${each}`).join(", ")}.`, {
      exit: "usage",
    });
  }
  if (existsSync(target)) throw new CliUserError(`${file} is there already.`, { exit: "conflict" });
  await using session = await connect(options);
  await requireOwnServer(session);
  using signal = interruptSignal();
  const { namespace } = session;
  const image = await session.client.get(VMImage, { namespace, name });
  const { key, id, digest } = placeOf(image, options.provider);
  await using hosts = openImageHosts(session);
  const host = await hosts.open(providerOfStatusKey(image, key));
  if ("why" in host) throw new CliUserError(`Cannot flatten image "${name}": ${host.why}.`);
  const { clones, disks } = host.provider;
  if (clones === undefined) throw new CliUserError(`Cannot flatten image "${name}": ${key} makes no copies of images.`);
  const owner = ownerOf(digest, { namespace, name: `flatten-${name}` });
  using board = openBoard();
  try {
    await clones.create(
      owner,
      { source: { kind: "image", imageId: id }, method: "full" },
      {
        signal,
        onProgress: ({ diskDoneBytes, diskTotalBytes }) =>
          board.set(name, `copying on ${key}: ${percentOf(diskDoneBytes, diskTotalBytes)} %`),
      },
    );
    const made = await createImageExports({ directory: dirname(target) }).write(
      basename(target, extname(target)),
      await clones.read(owner, "root", { signal }),
      {
        format,
        machine: { name, cpus: 1, memoryMiB: 1024, firmware: "BIOS", nics: [] },
        signal,
        onProgress: ({ step, percentage }) => board.set(name, `${step}: ${percentage} %`),
      },
    );
    board.remove(name);
    print(`${file}: ${formatBytes(made.sizeBytes)}, disk of ${formatBytes(made.virtualSizeBytes)}; ${made.digest}`);
  } catch (error) {
    if (signal.aborted) throw new CliUserError("Interrupted: nothing was made.", { exit: "detached" });
    if (!(error instanceof ImageError) && !isProviderError(error)) throw error;
    throw new CliUserError(`Cannot flatten image "${name}": ${error.message}`, { cause: error });
  } finally {
    await disks.remove(owner);
  }
}

function placeOf({ metadata: { name }, status }: VMImage, provider: string | undefined) {
  const there = Object.entries(status?.providerStatus ?? {}).filter(([, { available }]) => available);
  const [found] = provider === undefined ? there : there.filter(([key]) => key === provider);
  const id = found?.[1].id;
  if (found !== undefined && id !== undefined) return { key: found[0], id, digest: status?.digest ?? "" };
  const where = provider === undefined ? "on no provider" : `not on ${provider}`;
  throw new CliUserError(`Image "${name}" is ${where}: there is nothing to flatten.`, {
    fix: [`viv images why image/${name}`],
    exit: "notFound",
  });
}

/** The same each time, so that what a killed run left is found by the next one. */
function ownerOf(digest: string, of: { readonly namespace: string; readonly name: string }): VmIdentity {
  const hex = createHash("sha256").update(`flatten ${digest}`).digest("hex");
  const uid = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)];
  return { ...of, uid: uid.join("-") };
}

function percentOf(done: number, total: number): number {
  return total === 0 ? 100 : Math.floor((done / total) * 100);
}
