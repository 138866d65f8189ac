// `viv adopt`: domains that were there before become VirtualMachines, or, with --dry-run, it is told which would. The same is done by the
// annotations of the Provider that this writes.

import {
  adoptAnnotation,
  adoptFilterAnnotation,
  adoptRequestAnnotation,
  Provider,
  type ObjectKey,
  type ProviderStatus,
} from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import { formatDuration } from "../duration.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print, tell } from "../output/print.ts";
import { showValue } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { connect, type Session } from "../session/connect.ts";
import { detachedError, interruptSignal } from "../session/interrupt.ts";
import { waitForObject } from "../session/wait.ts";

interface AdoptOptions extends GlobalOptions {
  readonly dryRun?: boolean;
  readonly keep?: boolean;
  readonly name?: string;
  readonly power?: string;
  readonly host?: string;
  readonly metadata: readonly string[];
  readonly timeout: number;
  readonly output?: "json" | "yaml";
}

type Adoption = NonNullable<ProviderStatus["adoption"]>;

export async function adopt(provider: string | undefined, options: AdoptOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const key = { namespace: session.namespace, name: provider ?? (await onlyProvider(session)) };
  const annotations = {
    [adoptAnnotation]: options.dryRun === true ? "dry-run" : "true",
    [adoptFilterAnnotation]: JSON.stringify(filterOf(options)),
    [adoptRequestAnnotation]: new Date().toISOString(),
  };
  await annotate(session, key, annotations);
  const wanted = JSON.stringify([
    annotations[adoptAnnotation],
    annotations[adoptFilterAnnotation],
    annotations[adoptRequestAnnotation],
  ]);
  const adoption = await answer(session, key, { wanted, signal, timeoutMs: options.timeout });
  // Without the annotation the wish is over: domains that come later are left alone.
  if (options.keep !== true) await annotate(session, key, { [adoptAnnotation]: null });
  if (adoption.lastDiscoveryTime === undefined) {
    throw new CliUserError(adoption.message ?? "The filter was refused.", { exit: "usage" });
  }
  if (options.output !== undefined) {
    await showValue(adoption, options.output);
    return;
  }
  show(adoption);
  if (options.dryRun === true && adoption.candidates?.some(({ verdict }) => verdict === "Adoptable") === true) {
    tell("Nothing was changed. Without --dry-run these are adopted; domains and disks stay as they are.");
  }
}

async function onlyProvider(session: Session): Promise<string> {
  const { items } = await session.client.list(Provider, { namespace: session.namespace });
  const [first] = items;
  if (first !== undefined && items.length === 1) return first.metadata.name;
  const names = items.map(({ metadata }) => metadata.name);
  throw new CliUserError(
    names.length === 0
      ? `Namespace "${session.namespace}" has no Provider.`
      : `Which Provider? There are ${names.join(", ")}.`,
    { fix: names.map((name) => `viv adopt ${name} --dry-run`), exit: "usage" },
  );
}

function filterOf({ name, power, host, metadata }: AdoptOptions): object {
  const entries = metadata.map((each) => {
    // A namespace may hold an equals sign; a pattern that does is written after the last one.
    const at = each.lastIndexOf("=");
    return at === -1 ? [each, ""] : [each.slice(0, at), each.slice(at + 1)];
  });
  return {
    ...(name === undefined ? {} : { namePattern: name }),
    ...(power === undefined ? {} : { powerState: power }),
    ...(host === undefined ? {} : { host }),
    ...(entries.length === 0 ? {} : { metadata: Object.fromEntries(entries) }),
  };
}

async function annotate(session: Session, key: ObjectKey, annotations: Record<string, string | null>): Promise<void> {
  await session.client.mergePatch(Provider, key, { metadata: { annotations } }, { fieldManager: "viv" });
}

async function answer(
  session: Session,
  key: ObjectKey,
  { wanted, signal, timeoutMs }: { readonly wanted: string; readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<Adoption> {
  const result = await waitForObject(
    session.client,
    { type: Provider, key },
    { until: (object) => object?.status?.adoption?.request === wanted, timeoutMs, signal },
  );
  const adoption = result.object?.status?.adoption;
  switch (result.kind) {
    case "done":
      if (adoption !== undefined) return adoption;
      throw new CliUserError(`Provider "${key.name}" was deleted meanwhile.`, { exit: "notFound" });
    case "detached":
      throw detachedError(`the adoption on Provider "${key.name}"`, [`viv describe provider ${key.name}`]);
    case "timeout":
      throw new CliUserError(
        `Provider "${key.name}" has no answer after ${formatDuration(timeoutMs)}: ${adoption?.message ?? "nothing was said"}`,
        { fix: [`viv describe provider ${key.name}`], exit: "timeout" },
      );
  }
}

function show({ candidates = [], message }: Adoption): void {
  if (candidates.length > 0) {
    const hasHosts = candidates.some(({ host }) => host !== undefined);
    const header = [
      "domain",
      ...(hasHosts ? ["host"] : []),
      "power",
      "cpu",
      "memory",
      "disks",
      "nics",
      "verdict",
      "vm",
    ];
    const rows = candidates.map((each) => [
      each.domain,
      ...(hasHosts ? [each.host ?? ""] : []),
      each.powerState ?? "",
      String(each.cpu ?? ""),
      `${each.memoryMiB ?? ""}Mi`,
      String(each.disks ?? ""),
      String(each.nics ?? ""),
      each.verdict,
      each.virtualMachine ?? each.reason ?? "",
    ]);
    print(textTable(header, rows));
  }
  if (message !== undefined) tell(message);
}
