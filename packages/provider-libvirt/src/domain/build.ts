// The domain that a VM becomes: https://libvirt.org/formatdomain.html. Pure; see build.test.ts and its golden files for the result.

import { domainNameOf } from "@vivarium/provider";
import type { VmDefinition } from "@vivarium/provider";
import { seedVolumeName, serialLogName } from "../names.ts";
import { screenDevices } from "../screen/devices.ts";
import { limitElements } from "../sizing/limits.ts";
import { element, renderXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";
import { cpuElement } from "./cpu.ts";
import { diskElement, placeDisks, scsiController, seedDisk } from "./disks.ts";
import type { DiskPlaces } from "./disks.ts";
import { markElement } from "./identity.ts";
import { nicElements } from "./nics.ts";
import type { NicView } from "./nics.ts";
import { emptyRecord, snapshotRecordElement } from "../snapshots/record.ts";
import type { SnapshotRecord } from "../snapshots/record.ts";
import { applyOverlay, overlaySetting, parseOverlay } from "./overlay.ts";
import { sizeElements } from "./size.ts";
import type { HostSize } from "./size.ts";

export interface DomainPlace extends DiskPlaces {
  /** How guests run on this host. */
  readonly acceleration: "kvm" | "tcg";
  readonly host: HostSize;
  /** Directory of the pool that holds the VM's own volumes. */
  readonly poolPath: string;
  /** Interfaces of the domain that is defined anew. */
  readonly knownNics?: readonly NicView[];
  /** Of the domain that is defined anew. */
  readonly record?: SnapshotRecord;
  /** Where the screen has to listen on loopback instead of a socket. */
  readonly screenPassword?: string;
}

export function buildDomainXml(definition: VmDefinition, place: DomainPlace): string {
  const built = buildDomain(definition, place);
  const overlay = definition.extraConfig?.[overlaySetting];
  return renderXml(overlay === undefined ? built : applyOverlay(built, parseOverlay(overlay)));
}

function buildDomain(definition: VmDefinition, place: DomainPlace): XmlElement {
  const { identity } = definition;
  return element("domain", { type: place.acceleration === "kvm" ? "kvm" : "qemu" }, [
    element("name", {}, domainNameOf(identity)),
    element("uuid", {}, identity.uid),
    element("metadata", {}, [markElement(identity), snapshotRecordElement(place.record ?? emptyRecord)]),
    ...sizeElements(definition, place.host),
    ...limitElements(definition.limits, place.host.cpuMhz),
    firmware(definition),
    element("features", {}, [
      element("acpi"),
      element("apic"),
      // Secure boot keeps its variables behind system management mode.
      definition.secureBoot && element("smm", { state: "on" }),
    ]),
    cpuElement({
      acceleration: place.acceleration,
      nestedVirtualization: definition.nestedVirtualization,
      ...(definition.cpu === undefined ? {} : { shape: definition.cpu }),
    }),
    element("clock", { offset: "utc" }),
    element("on_poweroff", {}, "destroy"),
    element("on_reboot", {}, "restart"),
    element("on_crash", {}, definition.onCrash ?? "destroy"),
    element("devices", {}, devices(definition, place)),
  ]);
}

function firmware(definition: VmDefinition): XmlElement {
  const type = element("type", { arch: "x86_64", machine: "q35" }, "hvm");
  if (definition.firmware === "BIOS") return element("os", {}, [type]);
  // libvirt picks loader and NVRAM template from the host's firmware descriptors.
  const enabled = definition.secureBoot ? "yes" : "no";
  return element("os", { firmware: "efi" }, [
    type,
    element("firmware", {}, [
      element("feature", { enabled, name: "enrolled-keys" }),
      element("feature", { enabled, name: "secure-boot" }),
    ]),
  ]);
}

/** Ports that are free for devices plugged in later; q35 has none unless they are declared. */
const sparePorts = 8;
/** virtio-serial, rng and balloon. */
const fixedPciDevices = 3;

function devices(definition: VmDefinition, place: DomainPlace): XmlElement[] {
  const { identity, disks, networks } = definition;
  // Every virtio disk has a slot of its own; those on the SCSI controller share its one.
  const used = fixedPciDevices + disks.length + 2 + networks.length;
  const ports = Math.max(16, used + sparePorts);
  const at = (volume: string): string => `${place.poolPath}/${volume}`;
  return [
    element("controller", { type: "pci", index: 0, model: "pcie-root" }),
    ...Array.from({ length: ports }, (_, index) =>
      element("controller", { type: "pci", index: index + 1, model: "pcie-root-port" }),
    ),
    // No USB: nothing here needs it, and firmware spends time looking for devices on it.
    element("controller", { type: "usb", model: "none" }),
    ...(disks.some(({ bus }) => bus === "scsi") ? [scsiController()] : []),
    ...placeDisks(definition, place).map((disk) => diskElement(disk)),
    seedDisk(at(seedVolumeName(identity)), place.known),
    ...nicElements(networks, place.knownNics),
    element("serial", { type: "pty" }, [
      element("log", { file: at(serialLogName(identity)), append: "on" }),
      element("target", { type: "isa-serial", port: 0 }),
    ]),
    element("console", { type: "pty" }, [element("target", { type: "serial", port: 0 })]),
    element("channel", { type: "unix" }, [element("target", { type: "virtio", name: "org.qemu.guest_agent.0" })]),
    ...(definition.tpm
      ? [element("tpm", { model: "tpm-crb" }, [element("backend", { type: "emulator", version: "2.0" })])]
      : []),
    ...screenDevices(place.screenPassword),
    // The guest's word that its kernel panicked; without it a panic looks like a guest that does nothing.
    ...(definition.onCrash === undefined ? [] : [element("panic", { model: "isa" })]),
    element("rng", { model: "virtio" }, [element("backend", { model: "random" }, "/dev/urandom")]),
    element("memballoon", { model: "virtio" }, [element("stats", { period: 10 })]),
  ];
}
