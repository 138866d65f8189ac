// Which program the other figures are of.

import { version } from "@vivarium/api";
import { Gauge } from "prom-client";
import type { Registry } from "prom-client";

export function exposeBuildInfo(registry: Registry): void {
  new Gauge({
    name: "virtrigaud_build_info",
    help: "1; the version of the program, and of the Node.js that runs it.",
    labelNames: ["version", "node_version", "component"],
    registers: [registry],
  }).set({ version, node_version: process.version, component: "manager" }, 1);
}
