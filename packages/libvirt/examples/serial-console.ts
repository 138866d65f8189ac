// Attaches this terminal to a domain's serial console; Ctrl-] leaves.
//   node examples/serial-console.ts URI DOMAIN

import { Libvirt, parseUri } from "../src/index.ts";

const [uri = "qemu:///system", name = ""] = process.argv.slice(2);
const leaveKey = 0x1d;
using libvirt = new Libvirt(parseUri(uri));
await libvirt.ready({ timeoutMs: 10_000 });

const console = await libvirt.domainOpenConsole(await libvirt.domainLookupByName(name));
if (process.stdin.isTTY) process.stdin.setRawMode(true);
process.stdin.on("data", (keys: Buffer) => {
  if (keys.includes(leaveKey)) void console.close();
  else console.write(keys).catch(() => {});
});
process.stdin.on("end", () => void console.close());
for await (const chunk of console.output) process.stdout.write(chunk);
if (process.stdin.isTTY) process.stdin.setRawMode(false);
process.stdin.destroy();
