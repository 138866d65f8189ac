// What the server costs when nothing happens: time to the first answer, memory, processor time, and syncs to disk while a VM runs.

import { setTimeout as delay } from "node:timers/promises";
import { eventually, tinyBase, tinyVm, type VivServer } from "@vivarium/e2e";
import { countSyncs } from "./count-syncs.ts";
import { cpuSeconds, memoryMiB } from "./process-usage.ts";
import { round, summarize } from "./summary.ts";
import { withServer } from "./with-server.ts";

const coldStarts = 7;
const idleSeconds = 30;

export function serverFootprint(): Promise<unknown> {
  return withServer(measure);
}

async function measure(server: VivServer): Promise<unknown> {
  const first = await startupMs(server);
  const again: number[] = [];
  for (let start = 0; start < coldStarts; start++) {
    await server.kill();
    again.push(await startupMs(server));
  }
  await server.apply(await tinyBase());
  await server.apply(tinyVm("bench-idle"));
  const ready = await server.kubectl(["wait", "--for=condition=Ready", "vm/bench-idle", "--timeout=120s"], {
    timeoutMs: 130_000,
  });
  if (ready.code !== 0) throw new Error(`the VM did not come up: ${ready.stderr}`);
  await delay(15_000);
  const pid = server.pid ?? 0;
  const cpuBefore = await cpuSeconds(pid);
  await delay(idleSeconds * 1000);
  const cpuPercent = ((await cpuSeconds(pid)) - cpuBefore) * (100 / idleSeconds);
  const idle = {
    vms: 1,
    cpuPercentOfOneCore: round(cpuPercent),
    rssMiB: (await memoryMiB(pid)).now,
    syncsIn10s: await countSyncs(pid),
  };
  return { coldStartMs: { firstWithCertificates: round(first), again: summarize(again) }, idle };
}

/** From spawn to the log line that says that the API answers. */
async function startupMs(server: VivServer): Promise<number> {
  const from = performance.now();
  let servingAt: number | undefined;
  const stop = server.onLog((line) => {
    if (servingAt === undefined && line["msg"] === "serving") servingAt = performance.now();
  });
  await server.start();
  stop();
  const at = await eventually("the log says serving", () => Promise.resolve(servingAt));
  return at - from;
}
