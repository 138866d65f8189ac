// `viv check`: looks, changes nothing.

import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Provider } from "@vivarium/api";
import { exitCodes } from "../exit-codes.ts";
import type { GlobalOptions } from "../global-options.ts";
import { asTyped } from "../output/as-typed.ts";
import { print } from "../output/print.ts";
import { showValue } from "../output/show-objects.ts";
import { styled } from "../output/style.ts";
import { findServer } from "../server/detached-server.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { gatherFacts } from "../setup/gather-facts.ts";
import { hostFindings, type CheckedHost, type Finding } from "../setup/host-checks.ts";
import { installationFindings } from "../setup/installation-checks.ts";
import { isLibvirtClosedToUs } from "../setup/libvirt-access.ts";
import { lookAtInstallation } from "../setup/look-at-installation.ts";
import { currentStateDir, type StateDir } from "../state-dir.ts";

export async function check(options: GlobalOptions & { readonly output?: "json" | "yaml" }): Promise<void> {
  using signal = interruptSignal();
  const stateDir = currentStateDir(options.stateDir);
  const server = await findServer(stateDir);
  const [facts, isLibvirtClosed, space, hypervisor, installation] = await Promise.all([
    gatherFacts({ signal }),
    isLibvirtClosedToUs(),
    spaceOf(["/var/lib/libvirt/images", stateDir.images]),
    hypervisorOf(options, { stateDir, hasServer: server !== undefined }),
    lookAtInstallation(options, { stateDir, hasServer: server !== undefined }),
  ]);
  const findings = [
    ...hostFindings({ facts, nodeVersion: process.version, isLibvirtClosed, space, hypervisor, server }),
    ...installationFindings(installation),
  ];
  if (options.output !== undefined) await showValue(findings, options.output);
  else for (const finding of findings) showFinding(finding);
  if (findings.some((finding) => finding.state === "missing")) process.exitCode = exitCodes.failure.code;
}

function showFinding({ name, state, found, fix }: Finding): void {
  const colour = { ok: "green", warning: "yellow", missing: "red" } as const;
  print(`${styled(colour[state], state.padEnd(8), process.stdout)} ${name}: ${found}`);
  if (fix !== undefined) print(`           fix: ${asTyped(fix)}`);
}

/** Of the nearest folder that exists. */
async function spaceOf(paths: readonly string[]): Promise<CheckedHost["space"]> {
  return Promise.all(
    paths.map(async (path) => {
      let folder = path;
      for (;;) {
        try {
          const { bavail, bsize } = await statfs(folder);
          return { path, availableBytes: bavail * bsize };
        } catch (error) {
          if (folder === "/") throw error;
          folder = dirname(folder);
        }
      }
    }),
  );
}

/** The server knows already; without one, libvirt is asked here, which may start the tiny test guest once. */
async function hypervisorOf(
  options: GlobalOptions,
  { stateDir, hasServer }: { readonly stateDir: StateDir; readonly hasServer: boolean },
): Promise<CheckedHost["hypervisor"]> {
  const known = hasServer ? await reported(options) : undefined;
  if (known?.status?.acceleration !== undefined) {
    return { version: known.status.version ?? "", acceleration: known.status.acceleration };
  }
  const { describeLocalHypervisor } = await import("../setup/local-hypervisor.ts");
  try {
    return await describeLocalHypervisor(stateDir);
  } catch (error) {
    return { error: (error as Error).message };
  }
}

async function reported(options: GlobalOptions): Promise<Provider | undefined> {
  const { Provider } = await import("@vivarium/api");
  await using session = await connect(options);
  const { items } = await session.client.list(Provider);
  return items.find((provider) => provider.spec.type === "libvirt" && provider.status?.acceleration !== undefined);
}
