// What this machine's network has: bridges, routes, Open vSwitch. libvirt only finds out by trying, when a machine is about to start.

import { access, constants, readFile, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";

export interface HostRoute {
  /** Network and length of the prefix. */
  readonly subnet: string;
  readonly device: string;
}

export async function hasInterface(name: string): Promise<boolean> {
  return exists(`/sys/class/net/${name}`);
}

export async function isBridge(name: string): Promise<boolean> {
  return !name.includes("/") && name !== ".." && (await exists(`/sys/class/net/${name}/bridge`));
}

/** Why machines cannot be plugged into Open vSwitch; undefined where they can. libvirt plugs them in with ovs-vsctl. */
export async function openVswitchLack(): Promise<string | undefined> {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/bin", "/usr/sbin", "/bin", "/sbin"];
  const found = await Promise.all(folders.map((folder) => isExecutable(join(folder, "ovs-vsctl"))));
  if (!found.includes(true)) return "the host has no Open vSwitch (ovs-vsctl is not installed)";
  const sockets = ["/run/openvswitch/db.sock", "/var/run/openvswitch/db.sock"];
  const isUp = (await Promise.all(sockets.map(exists))).includes(true);
  return isUp ? undefined : "Open vSwitch does not run on the host (no /run/openvswitch/db.sock)";
}

/** Without default routes: those meet everything. */
export async function hostRoutes(): Promise<readonly HostRoute[]> {
  const [ipv4, ipv6] = await Promise.all([linesOf("/proc/net/route"), linesOf("/proc/net/ipv6_route")]);
  return [...ipv4.slice(1).flatMap(parseRoute4), ...ipv6.flatMap(parseRoute6)];
}

/** A line of /proc/net/route: numbers are hexadecimal, bytes in the order of the machine, which is little-endian on x86. */
export function parseRoute4(line: string): readonly HostRoute[] {
  const [device = "", destination = "", , , , , , mask = ""] = line.split("\t");
  const octets =
    destination
      .match(/../g)
      ?.toReversed()
      .map((octet) => Number.parseInt(octet, 16)) ?? [];
  const prefix = Number.parseInt(mask, 16).toString(2).replaceAll("0", "").length;
  return octets.length === 4 && prefix > 0 ? [{ subnet: `${octets.join(".")}/${prefix}`, device }] : [];
}

/** A line of /proc/net/ipv6_route. Link-local and local addresses are of no network. */
export function parseRoute6(line: string): readonly HostRoute[] {
  const fields = line.trim().split(/\s+/);
  const [destination = "", length = ""] = fields;
  const device = fields.at(-1) ?? "";
  const prefix = Number.parseInt(length, 16);
  const isOfNetwork = prefix > 0 && prefix < 128 && device !== "lo" && !/^(fe[89ab]|ff)/i.test(destination);
  const groups = destination.match(/..../g) ?? [];
  return isOfNetwork && groups.length === 8 ? [{ subnet: `${groups.join(":")}/${prefix}`, device }] : [];
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function linesOf(path: string): Promise<readonly string[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.split("\n");
}
