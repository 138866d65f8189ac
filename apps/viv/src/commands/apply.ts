// `viv apply`: what manifests say becomes what is stored; all files are read before the first object is written.

import { StatusError, VirtualMachine, type ObjectKey } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print, tell } from "../output/print.ts";
import { qualifiedKind, showObjects } from "../output/show-objects.ts";
import { applyObject, keyOf, type Applied } from "../resources/apply-object.ts";
import { loadManifests, type Manifest } from "../resources/load-manifests.ts";
import { connect, type Session } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { waitForVms } from "../session/wait-for-vms.ts";

interface ApplyCommandOptions extends GlobalOptions {
  readonly filename: readonly string[];
  readonly wait?: boolean;
  readonly timeout: number;
  readonly output?: "json" | "yaml" | "name";
}

export async function apply(options: ApplyCommandOptions): Promise<void> {
  if (options.filename.length === 0) {
    throw new CliUserError("Nothing to apply.", { fix: ["Name a manifest with -f FILE."], exit: "usage" });
  }
  const manifests = await loadManifests(options.filename);
  await using session = await connect(options);
  const applied = await applyManifests(session, manifests);
  if (options.output === undefined) for (const each of applied) print(`${each.label} ${each.result.outcome}`);
  else {
    const objects = applied.map(({ manifest, result }) => ({ kind: manifest.kind, object: result.object }));
    await showObjects(objects, { format: options.output, single: objects.length === 1 });
  }
  if (options.wait !== true) return;
  using signal = interruptSignal();
  await waitForVms(session, vmKeys(applied), { timeoutMs: options.timeout, signal });
}

export interface AppliedManifest {
  readonly manifest: Manifest;
  readonly result: Applied;
  /** `virtualmachine.infra.virtrigaud.io/web-1`. */
  readonly label: string;
}

/** Applies in the order of the manifests; a refused one is named with its place in the file, and nothing after it is applied. */
export async function applyManifests(
  session: Session,
  manifests: readonly Manifest[],
): Promise<readonly AppliedManifest[]> {
  const applied: AppliedManifest[] = [];
  for (const manifest of manifests) {
    const label = `${qualifiedKind(manifest.kind)}/${manifest.object.metadata.name}`;
    try {
      const result = await applyObject(session.client, manifest, {
        namespace: session.namespace,
        onWarning: (message) => tell(`warning: ${message}`),
      });
      applied.push({ manifest, result, label });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      throw new StatusError(error.reason, `${manifest.where}: ${error.message}`, {
        details: error.details,
        cause: error,
      });
    }
  }
  return applied;
}

export function vmKeys(applied: readonly AppliedManifest[]): readonly ObjectKey[] {
  return applied.flatMap(({ manifest, result }) =>
    manifest.kind.kind === VirtualMachine.kind ? [keyOf(result.object)] : [],
  );
}
