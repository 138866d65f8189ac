// What `viv check` says of a host, as a pure function of what was found. Each finding that needs something says how to mend it.

import { formatBytes } from "../output/byte-size.ts";
import { neededGroups, serviceNames, type HostFacts } from "./plan-setup.ts";

export interface Finding {
  readonly name: string;
  /** `missing` makes the check fail; `warning` does not. */
  readonly state: "ok" | "warning" | "missing";
  readonly found: string;
  readonly fix?: string;
}

export interface CheckedHost {
  readonly facts: HostFacts;
  readonly nodeVersion: string;
  readonly isLibvirtClosed: boolean;
  readonly space: readonly { readonly path: string; readonly availableBytes: number }[];
  /** What the hypervisor says of itself; the error when it could not be asked. */
  readonly hypervisor:
    | { readonly version: string; readonly acceleration: { readonly kind: string; readonly reason: string } }
    | { readonly error: string };
  readonly server: { readonly url: string; readonly pid: number } | undefined;
}

const oldestNode = 24;
/** A base image, its unpacked build and one VM's disk. */
const neededBytes = 6 * 2 ** 30;

export function hostFindings(host: CheckedHost): readonly Finding[] {
  const { facts } = host;
  const setup = "viv setup";
  const findings: Finding[] = [
    check("node", {
      isOk: Number(/^v?(\d+)/.exec(host.nodeVersion)?.[1]) >= oldestNode,
      found: host.nodeVersion,
      fix: "make deps brings the right one",
    }),
    check("packages", {
      isOk: facts.packageManager !== undefined && facts.missingPackages.length === 0,
      found:
        facts.missingPackages.length === 0
          ? `all there (${facts.distribution})`
          : `missing: ${facts.missingPackages.join(" ")}`,
      fix: setup,
    }),
    ...serviceNames.map((service) =>
      check(service, {
        isOk: facts.services[service].answers,
        found: facts.services[service].answers ? "answers" : "does not answer",
        fix: setup,
      }),
    ),
    check("access", {
      isOk: !host.isLibvirtClosed,
      found: host.isLibvirtClosed ? `user "${facts.user}" may not open libvirt's socket` : "this user may use libvirt",
      fix: facts.memberOf.includes(neededGroups[0] ?? "") ? "log in again, or use sg libvirt -c 'viv …'" : setup,
    }),
    check("network", { isOk: facts.network === "active", found: `"default" is ${facts.network}`, fix: setup }),
    ...hypervisorFindings(host),
    ...host.space.map(({ path, availableBytes }) =>
      check(`space ${path}`, {
        isOk: availableBytes >= neededBytes,
        found: `${formatBytes(availableBytes)} free`,
        fix: `free at least ${formatBytes(neededBytes)} there`,
      }),
    ),
  ];
  if (facts.firewall.kind === "ufw") {
    findings.push(check("firewall", { isOk: facts.firewall.allowsGuests, found: "UFW is active", fix: setup }));
  }
  findings.push({
    name: "server",
    state: host.server === undefined ? "warning" : "ok",
    found: host.server === undefined ? "not running" : `${host.server.url}, pid ${host.server.pid}`,
    ...(host.server === undefined ? { fix: "viv server --detach" } : {}),
  });
  return findings;
}

function check(name: string, { isOk, found, fix }: { isOk: boolean; found: string; fix: string }): Finding {
  return isOk ? { name, state: "ok", found } : { name, state: "missing", found, fix };
}

function hypervisorFindings({ hypervisor }: CheckedHost): readonly Finding[] {
  if ("error" in hypervisor) {
    return [{ name: "hypervisor", state: "missing", found: hypervisor.error, fix: "viv setup" }];
  }
  const { kind, reason } = hypervisor.acceleration;
  return [
    { name: "hypervisor", state: "ok", found: hypervisor.version },
    { name: "acceleration", state: kind === "kvm" ? "ok" : "warning", found: `${kind}: ${reason}` },
  ];
}
