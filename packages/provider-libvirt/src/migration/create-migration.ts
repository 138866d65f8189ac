// The role `migration` on libvirt: see judge.ts for what a crash in the middle leaves, and how it is put right.

import { DomainXmlFlags } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, MigrationRole, Move, MoveProgress, MoveReport, VmIdentity } from "@vivarium/provider";
import { nvramPathOf } from "../domain/nvram-path.ts";
import { findOwnDomain, requireOwnDomain } from "../domain/lookup.ts";
import type { OwnDomain } from "../domain/lookup.ts";
import { isVolumeOf } from "../names.ts";
import { reachOf } from "./address.ts";
import { bringFiles } from "./bring-files.ts";
import { exportDisks } from "./export-disks.ts";
import { checkMove } from "./check.ts";
import { filesOf } from "./files.ts";
import type { VmFiles } from "./files.ts";
import { moveLive } from "./live.ts";
import { bringNvram, removeNvramCopy } from "./nvram.ts";
import { settleDomains } from "./settle.ts";
import { isSharedPool } from "./shared-storage.ts";
import { LibvirtTarget, partsOf } from "./target.ts";
import type { MigrationParts } from "./target.ts";

export function createMigration(here: MigrationParts): MigrationRole {
  return {
    target: new LibvirtTarget(here),
    check: (vm, wish, options) => checkMove(vm, wish, { here, options }),

    move: (vm, move, { onProgress = () => undefined, ...options } = {}) =>
      // Nobody else writes the definition meanwhile.
      here.host.definitions.take(vm.uid, () => begin(vm, move, { here, there: partsOf(move.to), onProgress, options })),

    exportDisks: (owner, { target, vm, isVerified }, { onProgress = () => undefined, ...options } = {}) =>
      exportDisks(owner, { here, there: partsOf(target), vm, isVerified, onProgress, options }),

    async settle(vm, { to, mode, storage }, options) {
      const there = partsOf(to);
      const side = await here.host.attempt(
        `settle VM "${vm.name}"`,
        (source) =>
          there.host.attempt(
            `settle VM "${vm.name}"`,
            (target) => settleDomains(vm, { source, target, clock: here.host.clock, options }),
            options,
          ),
        options,
      );
      if (storage === "copied" && side !== "neither") {
        await removeCopies(vm, {
          kept: side === "source" ? here : there,
          other: side === "source" ? there : here,
          options,
        });
      }
      if (mode === "offline" && side === "source") await removeNvram(vm, { here, there, options });
      return side;
    },
  };
}

interface Way {
  readonly here: MigrationParts;
  readonly there: MigrationParts;
  readonly onProgress: (progress: MoveProgress) => void;
  readonly options: CallOptions;
}

async function begin(vm: VmIdentity, move: Move, way: Way): Promise<MoveReport> {
  const { here, there, options } = way;
  const own = await here.host.attempt(
    `move VM "${vm.name}"`,
    (libvirt) => requireOwnDomain(libvirt, { vm, options, action: "move" }),
    options,
  );
  requirePower(vm, own, move);
  const files = await filesToBring(vm, own, { move, here, options });
  const bring = { here, there, isLive: move.mode === "live", onProgress: way.onProgress, options };
  if (files !== undefined) {
    if (await isSharedPool(here.pool, there.pool, options)) {
      const message = `Cannot copy the disks of VM "${vm.name}": both hosts see the same files, expected files of their own`;
      throw new ProviderError("Conflict", message);
    }
    await bringFiles(vm, files, bring);
  } else {
    // What others made in the shared folder is not known there yet.
    await there.pool.refresh(options);
  }
  const names = own.view.nics.flatMap(({ filter }) => filter ?? []);
  const isStartedOnBoot = await here.host.attempt("look whether it starts with its host", (libvirt) =>
    libvirt.domainGetAutostart(own.domain, options),
  );
  const report = await there.filters.bringing({ uid: vm.uid, names, from: here.filters, options }, async () =>
    move.mode === "live"
      ? moveLive(own, {
          from: here.host,
          to: there.host,
          move,
          address: await addressOf(way),
          mirrored: files?.written ?? [],
          onProgress: way.onProgress,
          options,
        })
      : moveOffline(vm, own, way),
  );
  await there.host.attempt("have it start with its host", async (libvirt) => {
    const { domain } = await requireOwnDomain(libvirt, { vm, options: undefined, action: "move" });
    if (isStartedOnBoot) await libvirt.domainSetAutostart(domain, true);
  });
  return report;
}

async function addressOf({ here, there, options }: Way): Promise<string | undefined> {
  const { hostname } = await there.facts.get(options);
  const reach = await reachOf({ from: here.host, to: there.host, hostname });
  return reach.kind === "address" ? reach.address : undefined;
}

function requirePower(vm: VmIdentity, { power: { power } }: OwnDomain, { mode }: Move): void {
  const wanted = mode === "live" ? ["running", "paused"] : ["off"];
  if (wanted.includes(power)) return;
  const message = `Cannot move VM "${vm.name}" ${mode}: its domain is "${power}", expected "${wanted.join('" or "')}"`;
  throw new ProviderError("Conflict", message);
}

async function filesToBring(
  vm: VmIdentity,
  { view }: OwnDomain,
  { move, here, options }: { readonly move: Move; readonly here: MigrationParts; readonly options: CallOptions },
): Promise<VmFiles | undefined> {
  if (move.storage === "shared") return undefined;
  return here.pool.use(
    "look at its files",
    ({ path: poolPath }) => filesOf(vm, { view, pool: here.pool, poolPath, options }),
    options,
  );
}

/** With what libvirt keeps of it besides its definition. */
async function moveOffline(vm: VmIdentity, own: OwnDomain, way: Way): Promise<MoveReport> {
  const { here, there, options } = way;
  const nvram = nvramPathOf(own.view, here.host);
  if (nvram !== undefined) await bringNvram(nvram, { from: here.host, to: there.host, options });
  return moveDefinition(vm, own, way);
}

/** Of a VM that is off: it counts as moved once it is defined there. */
async function moveDefinition(
  vm: VmIdentity,
  { domain }: OwnDomain,
  { here, there, options }: Way,
): Promise<MoveReport> {
  const xml = await here.host.attempt(`read the definition of VM "${vm.name}"`, (libvirt) =>
    libvirt.domainGetXmlDesc(domain, { ...options, flags: DomainXmlFlags.INACTIVE | DomainXmlFlags.SECURE }),
  );
  await there.host.definitions.take(vm.uid, () =>
    there.host.attempt(`define VM "${vm.name}"`, (libvirt: Libvirt) => libvirt.domainDefineXmlFlags(xml, options)),
  );
  return {};
}

/** Brought there by a move that was given up before anything was defined. */
async function removeNvram(
  vm: VmIdentity,
  {
    here,
    there,
    options,
  }: { readonly here: MigrationParts; readonly there: MigrationParts; readonly options: CallOptions | undefined },
): Promise<void> {
  const own = await here.host.attempt(
    `look at VM "${vm.name}"`,
    (libvirt) => findOwnDomain(libvirt, { vm, options, action: "settle" }),
    options,
  );
  const nvram = own && nvramPathOf(own.view, here.host);
  if (nvram !== undefined) await removeNvramCopy(nvram, { from: here.host, to: there.host, options });
}

/** Of the side that lost it; never where both see the same files, whatever was recorded. */
async function removeCopies(
  vm: VmIdentity,
  {
    kept,
    other,
    options,
  }: { readonly kept: MigrationParts; readonly other: MigrationParts; readonly options: CallOptions | undefined },
): Promise<void> {
  await other.pool.refresh(options);
  const names = (await other.pool.names(options)).filter((name) => isVolumeOf(vm, name));
  if (names.length === 0 || (await isSharedPool(kept.pool, other.pool, options))) return;
  for (const name of names) await other.pool.delete(name, options);
}
