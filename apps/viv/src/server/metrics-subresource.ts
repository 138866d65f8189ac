// `virtualmachines/NAME/metrics`: a VM's figures of the last minutes, from what the server that runs the controllers keeps in memory.

import { StatusError, VirtualMachine, virtualMachineMetricsType, vivarium } from "@vivarium/api";
import type { Subresource } from "@vivarium/apiserver";
import type { Controllers } from "./start-controllers.ts";

/** `?samples=N`: only so many of the newest. */
export function metricsSubresource(controllers: () => Controllers | undefined): Subresource {
  return {
    group: VirtualMachine.group,
    plural: VirtualMachine.plural,
    name: "metrics",
    responseKind: { ...vivarium, kind: virtualMachineMetricsType.kind },
    async get({ key, query }) {
      const samples = samplesIn(query);
      const running = controllers();
      if (running === undefined)
        throw new StatusError("ServiceUnavailable", "The controllers are still starting; try again.");
      const found = await running.metricsOf(key, samples === undefined ? {} : { samples });
      const headers = { "content-type": "application/json" };
      return { status: 200, headers, body: Buffer.from(`${JSON.stringify(found)}\n`) };
    },
  };
}

function samplesIn(query: URLSearchParams): number | undefined {
  const text = query.get("samples");
  if (text === null) return undefined;
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new StatusError("BadRequest", `samples: expected a whole number above 0, found "${text}"`);
  return Number(text);
}
