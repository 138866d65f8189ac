import { randomUUID } from "node:crypto";
import { domainNameOf } from "../domain-name.ts";
import { providerConformance } from "../provider-conformance.ts";
import { createSimulatedHypervisor } from "./simulated-hypervisor.ts";

await providerConformance("the simulated hypervisor", () => {
  const hypervisor = createSimulatedHypervisor();
  const provider = hypervisor.open();
  let vms = 0;
  return Promise.resolve({
    provider,
    image: {
      digest: `sha256:${"ab".repeat(32)}`,
      format: "qcow2",
      path: "/sim/image.qcow2",
      sizeBytes: 1000,
      virtualSizeBytes: 2 ** 20,
    },
    newVm: () => ({ uid: randomUUID(), namespace: "default", name: `vm-${(vms += 1)}` }),
    newPool() {
      const name = `pool-${(vms += 1)}`;
      return { uid: randomUUID(), name, type: "dir", path: `/sim/${name}` };
    },
    makeForeign(vm) {
      hypervisor.addForeignDomain({ name: domainNameOf(vm), uid: randomUUID() });
      return Promise.resolve();
    },
    close: () => provider.close(),
  });
});
