// Every domain with its state, memory and CPU time; one call for all of them.
//   node examples/list-domains.ts [URI]

import { DomainState, formatVersion, Libvirt, parseUri } from "../src/index.ts";

using libvirt = new Libvirt(parseUri(process.argv[2] ?? "qemu:///system"));
await libvirt.ready({ timeoutMs: 10_000 });

const [type, version] = await Promise.all([libvirt.connectGetType(), libvirt.connectGetLibVersion()]);
console.log(`${type}, libvirt ${formatVersion(version)} on ${await libvirt.connectGetHostname()}`);
const states = Object.entries(DomainState);
for (const { domain, values } of await libvirt.connectGetAllDomainStats()) {
  const state = states.find(([, number]) => number === values["state.state"])?.[0] ?? "UNKNOWN";
  const memoryMib = Number(values["balloon.current"] ?? 0) / 1024;
  console.log(`${domain.name}\t${state.toLowerCase()}\t${memoryMib} MiB\t${Number(values["cpu.time"] ?? 0) / 1e9} s`);
}
