// `npm run bench [api|clones|control-plane|images|libvirt|scale|ssh|server …]`: measures and prints one JSON document. Each benchmark measures its peer, or the raw
// hypervisor, in the same run; compare only numbers of one run.

import { cpus, release, totalmem } from "node:os";
import { apiServer } from "./api.ts";
import { linkedClones } from "./clones.ts";
import { controlPlane } from "./control-plane.ts";
import { layeredImages } from "./images.ts";
import { libvirtClient } from "./libvirt.ts";
import { scale } from "./scale.ts";
import { serverFootprint } from "./server-footprint.ts";
import { timeToSsh } from "./time-to-ssh.ts";

const benchmarks: Readonly<Record<string, () => Promise<unknown>>> = {
  api: apiServer,
  clones: linkedClones,
  "control-plane": controlPlane,
  images: layeredImages,
  libvirt: libvirtClient,
  scale,
  server: serverFootprint,
  ssh: timeToSsh,
};

const wanted = process.argv.slice(2);
const names = wanted.length === 0 ? Object.keys(benchmarks) : wanted;
const results: Record<string, unknown> = {};
for (const name of names) {
  const benchmark = benchmarks[name];
  if (benchmark === undefined) {
    console.error(`Cannot measure "${name}": expected ${Object.keys(benchmarks).join(", ")}`);
    process.exit(2);
  }
  console.error(`measuring ${name} …`);
  results[name] = await benchmark();
}
const machine = {
  cpus: cpus().length,
  model: cpus()[0]?.model,
  memoryBytes: totalmem(),
  kernel: release(),
  node: process.version,
};
console.log(JSON.stringify({ date: new Date().toISOString(), machine, results }, undefined, 2));
