// What `viv check` says of the installation beyond the host: configuration, clock, and what the server knows of hypervisors and images. Pure;
// each finding that needs something says how to mend it.

import type { Provider, VirtualMachine, VMImage } from "@vivarium/api";
import type { Finding } from "./host-checks.ts";

export interface CheckedInstallation {
  /** Undefined where there is no state dir yet. */
  readonly stateDir: { readonly path: string; readonly isOpenToOthers: boolean } | undefined;
  readonly clock: {
    readonly nowMs: number;
    /** When something was last written to the state dir. */
    readonly lastWriteMs: number | undefined;
    /** Whether the host keeps time by the network; undefined where it does not tell. */
    readonly isSynchronized: boolean | undefined;
  };
  /** Undefined where no server answers. */
  readonly objects:
    | {
        readonly providers: readonly Provider[];
        readonly images: readonly VMImage[];
        readonly machines: readonly VirtualMachine[];
      }
    | { readonly error: string }
    | undefined;
}

/** Time that lies this far ahead is not a matter of rounding. */
const toleratedMs = 60_000;

export function installationFindings({ stateDir, clock, objects }: CheckedInstallation): readonly Finding[] {
  return [configFinding(stateDir), clockFinding(clock), ...objectFindings(objects)];
}

function configFinding(stateDir: CheckedInstallation["stateDir"]): Finding {
  const name = "config";
  if (stateDir === undefined) return { name, state: "ok", found: "no state dir yet: the first start makes it" };
  return stateDir.isOpenToOthers
    ? {
        name,
        state: "missing",
        found: `others may read ${stateDir.path}, which has the server's keys`,
        fix: `chmod 700 ${stateDir.path}`,
      }
    : { name, state: "ok", found: `${stateDir.path}, closed to others` };
}

function clockFinding({ nowMs, lastWriteMs, isSynchronized }: CheckedInstallation["clock"]): Finding {
  const name = "clock";
  if (lastWriteMs !== undefined && lastWriteMs > nowMs + toleratedMs) {
    const behind = Math.round((lastWriteMs - nowMs) / 1000);
    return {
      name,
      state: "missing",
      found: `${behind} s behind what the server has written already: certificates, time-outs and schedules go wrong`,
      fix: "set the clock, for example with chronyc makestep or timedatectl set-ntp true",
    };
  }
  if (isSynchronized === false) {
    return { name, state: "warning", found: "not kept by the network", fix: "timedatectl set-ntp true" };
  }
  const found =
    isSynchronized === undefined
      ? "plausible; the host does not tell whether the network keeps it"
      : "kept by the network";
  return { name, state: "ok", found };
}

function objectFindings(objects: CheckedInstallation["objects"]): readonly Finding[] {
  if (objects === undefined) return [];
  if ("error" in objects) {
    return [{ name: "objects", state: "missing", found: objects.error, fix: "viv server stop; viv server --detach" }];
  }
  const { providers, images, machines } = objects;
  const findings: Finding[] = [];
  for (const { metadata, status } of providers) {
    if (status?.healthy !== false) continue;
    const where = `-n ${metadata.namespace ?? "default"}`;
    findings.push({
      name: `provider ${metadata.name}`,
      state: "missing",
      found: status.conditions?.find(({ type }) => type === "Ready")?.message ?? "not healthy",
      fix: `viv describe provider ${metadata.name} ${where}`,
    });
  }
  for (const { metadata, status } of images) {
    if (status?.phase !== "Failed") continue;
    findings.push({
      name: `image ${metadata.name}`,
      state: "warning",
      found: status.message ?? "it could not be made",
      fix: `viv describe vmimage ${metadata.name} -n ${metadata.namespace ?? "default"}`,
    });
  }
  const known = new Set(images.map(({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name}`));
  for (const { metadata, spec } of machines) {
    const { namespace = "", name } = metadata;
    const image = spec.imageRef;
    if (image === undefined || known.has(`${image.namespace ?? namespace}/${image.name}`)) continue;
    findings.push({
      name: `vm ${name}`,
      state: "warning",
      found: `its VMImage "${image.name}" does not exist`,
      fix: `viv get vmimage -n ${image.namespace ?? namespace}`,
    });
  }
  if (findings.length > 0) return findings;
  const counts = `${providers.length} Providers, ${images.length} images, ${machines.length} VMs`;
  return [{ name: "objects", state: "ok", found: `${counts}: nothing is wrong with them` }];
}
