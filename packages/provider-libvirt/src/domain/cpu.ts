// The CPU that a guest sees: https://libvirt.org/formatdomain.html#cpu-model-and-topology. Pure.

import type { CpuShape } from "@vivarium/provider";
import { element } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

export function cpuElement(cpu: {
  readonly acceleration: "kvm" | "tcg";
  readonly nestedVirtualization: boolean;
  readonly shape?: CpuShape;
}): XmlElement {
  // Under emulation the plainest 64-bit CPU: a Linux guest boots 2-3 s faster on it than on "max", whose extensions TCG emulates slowly.
  const model = cpu.shape?.model ?? (cpu.acceleration === "tcg" ? "qemu64" : "host-passthrough");
  const topology = topologyElement(cpu.shape);
  // Both vendors' flags are optional on the other's CPUs. Emulated guests have no virtualization to take away.
  const isNestedOff = cpu.acceleration === "kvm" && !cpu.nestedVirtualization;
  const features = isNestedOff ? ["vmx", "svm"].map((name) => element("feature", { policy: "disable", name })) : [];
  switch (model) {
    case "host-passthrough":
      // Nested virtualization is on by default with it.
      return element("cpu", { mode: model, check: "none", migratable: "on" }, [topology, ...features]);
    case "host-model":
      return element("cpu", { mode: model, check: "partial" }, [topology, ...features]);
    default:
      return element("cpu", { mode: "custom", match: "exact", check: "none" }, [
        element("model", { fallback: "forbid" }, model),
        topology,
        ...features,
      ]);
  }
}

function topologyElement(shape: CpuShape | undefined): XmlElement | undefined {
  if (shape?.topology === undefined) return undefined;
  const { sockets, cores, threads } = shape.topology;
  return element("topology", { sockets, dies: 1, cores, threads });
}
