// The VMImage `debian`, on simulated hypervisors as its own controller would have put it there.

import { VMImage } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { SimulatedHypervisor } from "@vivarium/provider";
import { headOf } from "./controllers-lab.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const file = { digest, format: "qcow2", path: "/x", sizeBytes: 1, virtualSizeBytes: 2 ** 30 } as const;

/** `on`: by what the status of an image calls their Providers. */
export async function createReadyImage(
  client: Client,
  on: Readonly<Record<string, SimulatedHypervisor>>,
): Promise<VMImage> {
  const image = await client.create(VMImage, {
    ...headOf(VMImage, "debian"),
    spec: { source: { libvirt: { url: "https://images.example/debian.qcow2" } } },
  });
  const providerStatus: NonNullable<VMImage["status"]>["providerStatus"] = {};
  for (const [key, hypervisor] of Object.entries(on)) {
    const { id } = await hypervisor.open().images.import(file);
    providerStatus[key] = { available: true, id };
  }
  const observedGeneration = image.metadata.generation ?? 1;
  const status = { phase: "Ready", ready: true, observedGeneration, providerStatus } as const;
  return client.updateStatus(VMImage, { ...image, status });
}
