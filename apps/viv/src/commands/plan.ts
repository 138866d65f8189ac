// `viv plan`: what `viv apply` would do with the same files, field by field, without doing it. The server tries each object as a dry run and says
// what would become of the machines; the controllers' own judges say it.

import { StatusError } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { qualifiedKind } from "../output/show-objects.ts";
import { applyObject, type Applied } from "../resources/apply-object.ts";
import { loadManifests } from "../resources/load-manifests.ts";
import { connect } from "../session/connect.ts";

export async function plan(options: GlobalOptions & { readonly filename: readonly string[] }): Promise<void> {
  if (options.filename.length === 0) {
    throw new CliUserError("Nothing to plan.", { fix: ["Name a manifest with -f FILE."], exit: "usage" });
  }
  const manifests = await loadManifests(options.filename);
  await using session = await connect(options);
  for (const manifest of manifests) {
    const label = `${qualifiedKind(manifest.kind)}/${manifest.object.metadata.name}`;
    const effects: string[] = [];
    try {
      const { outcome } = await applyObject(session.client, manifest, {
        namespace: session.namespace,
        dryRun: true,
        onWarning: (line) => effects.push(line),
      });
      print(`${label}: ${words[outcome]}`);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      throw new StatusError(error.reason, `${manifest.where}: ${error.message}`, {
        details: error.details,
        cause: error,
      });
    }
    for (const line of effects) print(`  ${line}`);
  }
}

const words: Readonly<Record<Applied["outcome"], string>> = {
  created: "would be created",
  configured: "would be changed",
  unchanged: "stays as it is",
};
