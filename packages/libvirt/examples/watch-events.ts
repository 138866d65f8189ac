// Prints what happens on a host until it is interrupted, through losses of the daemon.
//   node examples/watch-events.ts [URI]

import { Libvirt, parseUri } from "../src/index.ts";

using libvirt = new Libvirt(parseUri(process.argv[2] ?? "qemu:///system"));
libvirt.onState((event) =>
  console.log(event.kind === "connected" ? "connected" : `disconnected: ${event.error.message}`),
);
libvirt.onDomainEvent(({ domain, ...event }) => console.log("domain", domain.name, JSON.stringify(event)));
libvirt.onNetworkEvent(({ network, event }) => console.log("network", network.name, event));
libvirt.onStoragePoolEvent(({ pool, ...event }) => console.log("pool", pool.name, JSON.stringify(event)));

const interrupted = new Promise<void>((resolve) => {
  process.once("SIGINT", resolve).once("SIGTERM", resolve);
});
const alive = setInterval(() => {}, 60_000);
await interrupted;
clearInterval(alive);
