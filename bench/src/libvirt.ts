// Our libvirt client beside libvirt's own: the same calls, to the same daemon, in the same run. Milliseconds, where nothing else is said.

import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { randomBytes } from "node:crypto";
import { type Domain, FileParts, Libvirt, parseUri } from "@vivarium/libvirt";
import { createLibvirtProviderFactory } from "@vivarium/provider-libvirt";
import { pino } from "pino";
import { type Operation, pythonMs, virshMs, virshUploadMs } from "./libvirt-peers.ts";
import { withOwnLibvirtd } from "./own-libvirtd.ts";

const domains = 200;
const monitoredDomains = 500;
const monitoredSeconds = 20;
const rounds = 3;
const runsPerRound: Readonly<Record<Operation, number>> = {
  version: 400,
  state: 400,
  list: 200,
  dumpxml: 400,
  statistics: 60,
};
const virshRuns = 20;
const uploadBytes = 512 * 1024 * 1024;
const uploads = 5;
const atOnce = 100;

const operations: readonly Operation[] = ["version", "state", "list", "dumpxml", "statistics"];

export function libvirtClient(): Promise<unknown> {
  return withOwnLibvirtd(async ({ uri, folder }) => {
    using libvirt = new Libvirt(parseUri(uri));
    await libvirt.ready({ timeoutMs: 10_000 });
    const first = await defineDomains(libvirt, { from: 0, to: domains });
    const calls = await measureCalls(libvirt, { uri, domain: first });
    const operationsAtOnce = await measureAtOnce(libvirt);
    const upload = await measureUpload(libvirt, { uri, folder });
    await defineDomains(libvirt, { from: domains, to: monitoredDomains });
    const monitoring = {
      domains: monitoredDomains,
      intervalMs: 1000,
      bulkCall: await measureMonitoring(libvirt, async () => (await libvirt.connectGetAllDomainStats()).length),
      hostFigures: await measureHostFigures(libvirt, uri),
    };
    return { domains, calls, operationsAtOnce, upload, monitoring };
  });
}

function domainXml(name: string): string {
  return `<domain type='qemu'><name>${name}</name><memory unit='MiB'>512</memory><vcpu>2</vcpu>
    <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
    <devices>
      <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/none/${name}.qcow2'/><target dev='vda' bus='virtio'/></disk>
      <interface type='network'><source network='default'/><model type='virtio'/></interface>
      <serial type='pty'/><console type='pty'/>
    </devices></domain>`;
}

async function defineDomains(
  libvirt: Libvirt,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Domain> {
  const names = Array.from({ length: to - from }, (_, index) => `bench-${from + index}`);
  const defined = await Promise.all(names.map((name) => libvirt.domainDefineXmlFlags(domainXml(name))));
  const [first] = defined;
  if (first === undefined) throw new Error("no domain was defined");
  return first;
}

async function measureCalls(
  libvirt: Libvirt,
  { uri, domain }: { readonly uri: string; readonly domain: Domain },
): Promise<unknown> {
  const own: Readonly<Record<Operation, () => Promise<unknown>>> = {
    version: () => libvirt.connectGetLibVersion(),
    state: () => libvirt.domainGetState(domain),
    list: () => libvirt.connectListAllDomains(),
    dumpxml: () => libvirt.domainGetXmlDesc(domain),
    statistics: () => libvirt.connectGetAllDomainStats(),
  };
  const times = perOperation(() => ({ own: [] as number[], python: [] as number[], virsh: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const operation of operations) {
      const call = own[operation];
      for (let run = 0; run < 5; run++) await call();
      for (let run = 0; run < runsPerRound[operation]; run++) {
        const from = performance.now();
        await call();
        times[operation].own.push(performance.now() - from);
      }
    }
    const python = await pythonMs(uri, runsPerRound);
    for (const operation of operations) times[operation].python.push(...python[operation]);
  }
  for (const operation of operations) times[operation].virsh.push(...(await virshMs(uri, operation, virshRuns)));
  return perOperation((operation) => {
    const { own: ours, python, virsh } = times[operation];
    return {
      vivarium: percentiles(ours),
      python: percentiles(python),
      virsh: percentiles(virsh),
      vivariumToPython: rounded(median(ours) / median(python)),
      virshToVivarium: rounded(median(virsh) / median(ours)),
    };
  });
}

/** Each defines a domain, looks at it twice and undefines it; all at the same time. */
async function measureAtOnce(libvirt: Libvirt): Promise<unknown> {
  const from = performance.now();
  const settled = await Promise.allSettled(
    Array.from({ length: atOnce }, async (_, index) => {
      const domain = await libvirt.domainDefineXmlFlags(domainXml(`bench-at-once-${index}`));
      await Promise.all([libvirt.domainGetState(domain), libvirt.domainGetXmlDesc(domain)]);
      await libvirt.domainUndefineFlags(domain);
    }),
  );
  const failures = settled.filter(({ status }) => status === "rejected").length;
  return { operations: atOnce, failures, wallMs: rounded(performance.now() - from) };
}

async function measureUpload(
  libvirt: Libvirt,
  { uri, folder }: { readonly uri: string; readonly folder: string },
): Promise<unknown> {
  const target = join(folder, "pool");
  const file = join(folder, "upload.img");
  await mkdir(target);
  const handle = await open(file, "w");
  for (let at = 0; at < uploadBytes; at += 16 * 1024 * 1024) await handle.write(randomBytes(16 * 1024 * 1024));
  await handle.close();
  const pool = await libvirt.storagePoolCreateXml(
    `<pool type='dir'><name>bench</name><target><path>${target}</path></target></pool>`,
  );
  const mibPerSecond = (ms: number): number => uploadBytes / 1024 / 1024 / (ms / 1000);
  const own: number[] = [];
  const virsh: number[] = [];
  for (let run = 0; run < uploads; run++) {
    for (const [times, upload] of [
      [own, "own"],
      [virsh, "virsh"],
    ] as const) {
      const volume = await libvirt.storageVolCreateXml(
        pool,
        `<volume><name>${upload}</name><capacity>${uploadBytes}</capacity><allocation>0</allocation></volume>`,
      );
      const from = performance.now();
      if (upload === "own") {
        await libvirt.storageVolUpload(volume, new FileParts(file));
        times.push(mibPerSecond(performance.now() - from));
      } else {
        times.push(mibPerSecond(await virshUploadMs(uri, { pool: "bench", volume: volume.name, file })));
      }
      await libvirt.storageVolDelete(volume);
    }
  }
  return {
    mib: uploadBytes / 1024 / 1024,
    mibPerSecond: { vivarium: percentiles(own), virsh: percentiles(virsh) },
    vivariumToVirsh: rounded(median(own) / median(virsh)),
  };
}

/** What the server does: the bulk call and the host's own figures, turned into the provider contract's words. */
async function measureHostFigures(libvirt: Libvirt, uri: string): Promise<unknown> {
  const factory = createLibvirtProviderFactory({
    logger: pino({ enabled: false }),
    memo: { get: () => Promise.resolve(undefined), set: () => Promise.resolve() },
  });
  const provider = factory.open({ endpoint: uri, credentials: {}, pool: "bench", timeoutMs: 10_000 });
  const connected = new AbortController();
  await new Promise<void>((resolve) => {
    provider.subscribe(({ kind }) => kind === "connected" && resolve(), { signal: connected.signal });
  });
  connected.abort();
  const { stats } = provider;
  if (stats === undefined) throw new Error("the libvirt provider tells no figures");
  try {
    return await measureMonitoring(libvirt, async () => (await stats.read()).domains.length);
  } finally {
    await provider.close();
  }
}

/** Lifecycle events of all domains, and one look a second. */
async function measureMonitoring(libvirt: Libvirt, look: () => Promise<number>): Promise<unknown> {
  let events = 0;
  const stop = libvirt.onDomainEvent(() => events++);
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const from = performance.now();
  for (let second = 1; second <= monitoredSeconds; second++) {
    const start = performance.now();
    const seen = await look();
    if (seen !== monitoredDomains) throw new Error(`${seen} domains were seen, expected ${monitoredDomains}`);
    times.push(performance.now() - start);
    await delay(Math.max(0, from + second * 1000 - performance.now()));
  }
  const { user, system } = process.cpuUsage(cpu);
  const cpuPercentOfOneCore = rounded((user + system) / 10 / (performance.now() - from));
  stop();
  return { lookMs: percentiles(times), cpuPercentOfOneCore, events };
}

interface Percentiles {
  readonly n: number;
  readonly p50: number;
  readonly p99: number;
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => rounded(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN);
  return { n: sorted.length, p50: at(0.5), p99: at(0.99) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length / 2) - 1] ?? Number.NaN;
}

/** To three digits after the point: some calls take a tenth of a millisecond. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function perOperation<T>(make: (operation: Operation) => T): Readonly<Record<Operation, T>> {
  return {
    version: make("version"),
    state: make("state"),
    list: make("list"),
    dumpxml: make("dumpxml"),
    statistics: make("statistics"),
  };
}
