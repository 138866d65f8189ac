// `viv images validate`: asks for the files of images to be read again, by the annotation that anybody can write, and tells what was found.

import { validateImageAnnotation, VMImage } from "@vivarium/api";
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
  const request = new Date().toISOString();
  const annotations = { [validateImageAnnotation]: request };
  for (const name of wanted) {
    await session.client.mergePatch(VMImage, { namespace: session.namespace, name }, { metadata: { annotations } });
  }
  const images = await Promise.all(
    wanted.map((name) => answer(session, { name, request, signal, timeoutMs: options.timeout })),
  );
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
  session: Session,
  {
    name,
    request,
    signal,
    timeoutMs,
  }: { readonly name: string; readonly request: string; readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<VMImage> {
  const result = await waitForObject(
    session.client,
    { type: VMImage, key: { namespace: session.namespace, name } },
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
