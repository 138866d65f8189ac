// What our client is compared with: virsh, forked for each call as programs do, and libvirt's C library through its Python binding.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

export type Operation = "version" | "state" | "list" | "dumpxml" | "statistics";

const virshCommands: Readonly<Record<Operation, readonly string[]>> = {
  version: ["version", "--daemon"],
  state: ["domstate", "bench-0"],
  list: ["list", "--all", "--name"],
  dumpxml: ["dumpxml", "bench-0"],
  statistics: ["domstats"],
};

/** Milliseconds of each run. */
export async function virshMs(uri: string, operation: Operation, runs: number): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const from = performance.now();
    await execute("virsh", ["-c", uri, ...virshCommands[operation]], { maxBuffer: 64 * 1024 * 1024 });
    times.push(performance.now() - from);
  }
  return times;
}

const pythonProgram = `
import json, sys, time, libvirt
uri, plan = sys.argv[1], json.loads(sys.argv[2])
conn = libvirt.open(uri)
dom = conn.lookupByName("bench-0")
calls = {
  "version": lambda: conn.getLibVersion(),
  "state": lambda: dom.state(),
  "list": lambda: conn.listAllDomains(),
  "dumpxml": lambda: dom.XMLDesc(),
  "statistics": lambda: conn.getAllDomainStats(),
}
times = {}
for name, runs in plan.items():
  call, own = calls[name], []
  for _ in range(5): call()
  for _ in range(runs):
    start = time.perf_counter()
    call()
    own.append((time.perf_counter() - start) * 1000)
  times[name] = own
print(json.dumps(times))
`;

/** Milliseconds of each run, all of them in one process over one connection. */
export async function pythonMs(
  uri: string,
  plan: Readonly<Record<Operation, number>>,
): Promise<Readonly<Record<Operation, readonly number[]>>> {
  // Debian's own Python: the binding is for that one.
  const { stdout } = await execute("/usr/bin/python3", ["-c", pythonProgram, uri, JSON.stringify(plan)], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout) as Readonly<Record<Operation, readonly number[]>>;
}

/** Milliseconds of one upload. */
export async function virshUploadMs(
  uri: string,
  upload: { pool: string; volume: string; file: string },
): Promise<number> {
  const from = performance.now();
  await execute("virsh", ["-c", uri, "vol-upload", "--pool", upload.pool, upload.volume, upload.file]);
  return performance.now() - from;
}
