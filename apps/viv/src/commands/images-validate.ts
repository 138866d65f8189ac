// `viv images validate`: asks for the files of images to be read again, by the annotation that anybody can write, and tells what was found.

import { validateImageAnnotation, VMImage } from "@vivarium/api";
import type { ObjectKey } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print, tell } from "../output/print.ts";
import { showValue } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { connect } from "../session/connect.ts";
import type { Session } from "../session/connect.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { waitForObject } from "../session/wait.ts";

interface ValidateOptions extends GlobalOptions {
  readonly timeout: number;
  readonly output?: "json" | "yaml";
}

interface Finding {
  readonly image: string;
  readonly provider: string;
  readonly outcome: "Intact" | "Damaged" | "Missing" | "Unknown" | "NotThere";
  readonly message: string;
}

export async function validateImages(names: readonly string[], options: ValidateOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const wanted = names.length === 0 ? await allNames(session) : names;
  if (wanted.length === 0) {
    tell("There are no images.");
    return;
  }
  const keys = wanted.map((name) => ({ namespace: session.namespace, name }));
  const images = await readAgain(session.client, keys, { signal, timeoutMs: options.timeout });
  const findings = images.flatMap(findingsOf);
  if (options.output === undefined) print(findingsTable(findings));
  else await showValue(findings, options.output);
  const bad = findings.filter(({ outcome }) => outcome === "Damaged" || outcome === "Missing");
  if (bad.length === 0) return;
  const files = bad.length === 1 ? "1 file is" : `${bad.length} files are`;
  throw new CliUserError(`${files} damaged or missing.`, {
    fix: ["viv images", "kubectl get events --field-selector type=Warning"],
  });
}

/** Has the server read the files of these VMImages, and gives them as they are then. */
export async function readAgain(
  client: Client,
  keys: readonly ObjectKey[],
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<readonly VMImage[]> {
  const request = new Date().toISOString();
  const annotations = { [validateImageAnnotation]: request };
  for (const key of keys) await client.mergePatch(VMImage, key, { metadata: { annotations } });
  return Promise.all(keys.map((key) => answer(client, key, { ...options, request })));
}

async function allNames({ client, namespace }: Session): Promise<readonly string[]> {
  return (await client.list(VMImage, { namespace })).items.map(({ metadata }) => metadata.name);
}

/** Pure. */
export function findingsOf({ metadata, status }: VMImage): readonly Finding[] {
  const found = Object.entries(status?.verification ?? {});
  const image = metadata.name;
  if (found.length === 0) {
    return [{ image, provider: "-", outcome: "NotThere", message: "On no provider: there is nothing to read" }];
  }
  return found.map(([provider, { outcome, message }]) => ({ image, provider, outcome, message }));
}

function findingsTable(findings: readonly Finding[]): string {
  return textTable(
    ["image", "provider", "outcome", "message"],
    findings.map(({ image, provider, outcome, message }) => [image, provider, outcome, message]),
  );
}

async function answer(
  client: Client,
  key: ObjectKey,
  {
    request,
    signal,
    timeoutMs,
  }: { readonly request: string; readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<VMImage> {
  const { name } = key;
  const result = await waitForObject(
    client,
    { type: VMImage, key },
    {
      until: (object) => object === undefined || object.status?.lastValidationRequest === request,
      timeoutMs,
      signal,
    },
  );
  switch (result.kind) {
    case "done":
      if (result.object !== undefined) return result.object;
      throw new CliUserError(`VMImage "${name}" was deleted meanwhile.`, { exit: "notFound" });
    case "detached":
      throw detachedError(`the validation of VMImage "${name}"`, [`viv describe vmimage ${name}`]);
    case "timeout":
      throw new CliUserError(`VMImage "${name}" was not read within ${formatDuration(timeoutMs)}; it goes on`, {
        fix: [`viv describe vmimage ${name}`],
        exit: "timeout",
      });
  }
}
