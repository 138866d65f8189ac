import { randomUUID } from "node:crypto";
import { domainNameOf } from "../domain-name.ts";
import { providerConformance } from "../provider-conformance.ts";
import { createSimulatedHypervisor } from "./simulated-hypervisor.ts";

for (const storage of ["of its own", "shared with another"] as const) {
  await providerConformance(`the simulated hypervisor with storage ${storage}`, () => {
    const hypervisor = createSimulatedHypervisor();
    const provider = hypervisor.open();
    const other = createSimulatedHypervisor(storage === "of its own" ? {} : { sharesStorageWith: hypervisor });
    let vms = 0;
    return Promise.resolve({
      provider,
      other: other.open(),
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
      newNetwork() {
        const number = (vms += 1);
        const owner = { uid: randomUUID(), namespace: "default", name: `net-${number}` };
        const subnet = `10.213.${number % 250}`;
        return {
          owner,
          name: owner.name,
          mode: "isolated",
          domain: "conf.example",
          subnets: [`${subnet}.1/24`],
          settings: {
            isAutostarted: false,
            ranges: [{ start: `${subnet}.100`, end: `${subnet}.150` }],
            leases: [],
            dnsHosts: [],
          },
        };
      },
      makeForeign(vm) {
        hypervisor.addForeignDomain({ name: domainNameOf(vm), uid: randomUUID() });
        return Promise.resolve();
      },
      close: () => provider.close(),
    });
  });
}
