// The trial of an exported file: it is imported as any image is, and a throw-away machine of it, with no network, has to come up. What the
// guest writes goes into a disk of its own, upon the image.
//
// Both objects have names of the export's, so that they are found again, and removed, by a server that was killed meanwhile.

import { pathToFileURL } from "node:url";
import { apiVersionOf, VirtualMachine, VMExport, VMImage } from "@vivarium/api";
import type { ExportedFile, ImageSource } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import type { Provider } from "@vivarium/provider";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { formatOf } from "./vm-export-status.ts";
import type { ExportRecord } from "./vm-export-record.ts";

export type TrialState =
  | { readonly kind: "none" }
  /** The image without the machine. */
  | { readonly kind: "image"; readonly isGoing: boolean }
  | { readonly kind: "machine"; readonly is: TrialMachine };

export type TrialMachine =
  | { readonly kind: "going" }
  | { readonly kind: "starting"; readonly message: string; readonly startedMs?: number }
  /** `sign`: how that is known. */
  | { readonly kind: "up"; readonly sign: string }
  | { readonly kind: "failed"; readonly message: string };

const logLookBytes = 262_144;

export function trialName({ metadata }: VMExport): string {
  return `verify-${(metadata.uid ?? "").slice(0, 8)}`;
}

function headOf(object: VMExport) {
  const { name, namespace = "default", uid = "" } = object.metadata;
  return {
    name: trialName(object),
    namespace,
    ownerReferences: [{ apiVersion: apiVersionOf(VMExport), kind: VMExport.kind, name, uid, controller: true }],
  };
}

export function trialImageOf(object: VMExport, file: ExportedFile): VMImage {
  return {
    apiVersion: apiVersionOf(VMImage),
    kind: VMImage.kind,
    metadata: headOf(object),
    spec: {
      source: { libvirt: { url: pathToFileURL(file.path).href, format: formatOf(object), checksum: file.digest } },
      metadata: {
        description: `What VMExport "${object.metadata.name}" made, while it is verified; it goes by itself.`,
      },
    },
  };
}

/** Under which the image cache keeps it. */
export function trialSourceOf(file: ExportedFile): ImageSource {
  const hex = file.digest.slice("sha256:".length);
  return { kind: "url", url: pathToFileURL(file.path).href, checksum: { algorithm: "sha256", hex } };
}

export function trialMachineOf(object: VMExport, { hardware, classRef, on }: ExportRecord): VirtualMachine {
  return {
    apiVersion: apiVersionOf(VirtualMachine),
    kind: VirtualMachine.kind,
    metadata: headOf(object),
    spec: {
      ...(on === undefined ? {} : { providerRef: { name: on.name, namespace: on.namespace } }),
      ...(on?.host === undefined ? {} : { placement: { host: on.host } }),
      // For its firmware.
      ...(classRef === undefined ? {} : { classRef }),
      ...(hardware === undefined ? {} : { resources: { cpu: hardware.cpus, memoryMiB: hardware.memoryMiB } }),
      imageRef: { name: trialName(object) },
      networks: [],
      powerState: "On",
    },
  };
}

/** Whether its guest has come up is asked of the guest agent, and read from the serial line. */
export async function viewTrial(
  object: VMExport,
  found: {
    readonly image: VMImage | undefined;
    readonly machine: VirtualMachine | undefined;
    readonly provider: Provider | undefined;
  },
  { signal }: { readonly signal: AbortSignal },
): Promise<TrialState> {
  const { image, machine, provider } = found;
  if (machine !== undefined) return { kind: "machine", is: await viewMachine(object, { machine, provider, signal }) };
  if (image === undefined) return { kind: "none" };
  return { kind: "image", isGoing: image.metadata.deletionTimestamp !== undefined };
}

async function viewMachine(
  object: VMExport,
  {
    machine,
    provider,
    signal,
  }: { readonly machine: VirtualMachine; readonly provider: Provider | undefined; readonly signal: AbortSignal },
): Promise<TrialMachine> {
  const { metadata, status } = machine;
  if (metadata.deletionTimestamp !== undefined) return { kind: "going" };
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const message = ready?.message ?? status?.message ?? "Its machine is being made";
  if (status?.phase === "Failed") return { kind: "failed", message: `A machine of it cannot be made: ${message}` };
  if (status?.lastStop !== undefined) {
    const how = status.lastStop.message ?? status.lastStop.method;
    return { kind: "failed", message: `A machine of it went off before it was up: ${how}` };
  }
  const startedMs = status?.startedAt === undefined ? undefined : Date.parse(status.startedAt);
  if (status?.powerState !== "On" || startedMs === undefined) return { kind: "starting", message };
  const sign = provider && (await signOf(object, { machine, provider, signal }));
  return sign === undefined
    ? { kind: "starting", startedMs, message: "A machine of it boots, with no network" }
    : { kind: "up", sign };
}

async function signOf(
  { spec: { verify } }: VMExport,
  {
    machine,
    provider: { guest, console },
    signal,
  }: { readonly machine: VirtualMachine; readonly provider: Provider; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const vm = identityOf(machine);
  const { consoleText = "login:" } = verify ?? {};
  const isAnswering = await orUndefined(
    guest?.ping(vm, { signal }).then(() => true),
    signal,
  );
  if (isAnswering === true) return "its guest agent answered";
  const log = await orUndefined(console?.readLog(vm, { tailBytes: logLookBytes, signal }), signal);
  return log !== undefined && new TextDecoder().decode(log).includes(consoleText)
    ? `its serial line said "${consoleText}"`
    : undefined;
}

/** What cannot be asked now is asked later. */
async function orUndefined<T>(asked: Promise<T> | undefined, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    signal.throwIfAborted();
    if (!isProviderError(error)) throw error;
    return undefined;
  }
}
