// From the options of `viv create` to an ordinary VirtualMachine: nothing that a manifest could not say.

import { InvalidValueError, parseQuantity, VirtualMachine, type VMRoleSpec } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";

export interface VmWishes {
  readonly image?: string;
  readonly role?: string;
  readonly class?: string;
  readonly cpus?: number;
  readonly memory?: string;
  readonly disk?: string;
  readonly network: readonly string[];
  readonly provider?: string;
  readonly label: readonly string[];
  readonly off?: boolean;
}

export const defaultImage = "debian";
/** Of a VM whose size nobody gives. */
const defaults = { cpu: 2, memory: "1Gi", disk: "10Gi" } as const;
const MiB = 2 ** 20;
const GiB = 2 ** 30;

/** Pure. Sizes are written whole, so that the manifest says what the guest gets. */
export function vmManifest(
  name: string,
  wishes: VmWishes & { readonly userData?: string },
  ofRole: VMRoleSpec["resources"] = {},
): VirtualMachine {
  const hasClass = wishes.class !== undefined;
  const cpu = wishes.cpus ?? (hasClass ? undefined : (ofRole.cpu ?? defaults.cpu));
  const memory = wishes.memory ?? (hasClass ? undefined : (ofRole.memory ?? defaults.memory));
  const disk = wishes.disk ?? (hasClass ? undefined : (ofRole.diskSize ?? defaults.disk));
  const labels = Object.fromEntries(wishes.label.map((text) => labelOf(text)));
  const resources = {
    ...(cpu === undefined ? {} : { cpu }),
    ...(memory === undefined ? {} : { memoryMiB: wholeUnits("--memory", memory, MiB) }),
  };
  return {
    apiVersion: `${VirtualMachine.group}/${VirtualMachine.version}`,
    kind: VirtualMachine.kind,
    metadata: { name: checkedName(name), ...(wishes.label.length === 0 ? {} : { labels }) },
    spec: {
      ...(wishes.provider === undefined ? {} : { providerRef: { name: wishes.provider } }),
      ...(wishes.class === undefined ? {} : { classRef: { name: wishes.class } }),
      ...(wishes.role === undefined
        ? { imageRef: { name: wishes.image ?? defaultImage } }
        : roleOf(wishes, wishes.role)),
      ...(Object.keys(resources).length === 0 ? {} : { resources }),
      ...(disk === undefined ? {} : { disks: [{ name: "root", sizeGiB: wholeUnits("--disk", disk, GiB) }] }),
      ...(wishes.network.length === 0
        ? {}
        : {
            networks: wishes.network.map((network, index) => ({ name: `nic${index}`, networkRef: { name: network } })),
          }),
      ...(wishes.userData === undefined ? {} : { userData: { cloudInit: { inline: wishes.userData } } }),
      powerState: wishes.off === true ? "Off" : "On",
    },
  };
}

function roleOf({ image }: VmWishes, role: string): Pick<VirtualMachine["spec"], "roleRef"> {
  if (image === undefined) return { roleRef: { name: role } };
  throw new CliUserError("--role and --image are two ways to say what the root disk is.", {
    fix: ["Use one of them."],
    exit: "usage",
  });
}

/** The server would say so too, after the host was prepared and a server started. */
export function checkedName(name: string): string {
  const why = whyNoName(name);
  if (why === undefined) return name;
  throw new CliUserError(`${JSON.stringify(name)} cannot be the name of a VM: ${why}`, { exit: "usage" });
}

export function whyNoName(name: string): string | undefined {
  const isName = name.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name);
  return isName ? undefined : "expected at most 63 of a-z, 0-9 and -, with a letter or digit at both ends.";
}

function labelOf(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new CliUserError(`Cannot read label "${text}".`, { fix: ["Write --label key=value."], exit: "usage" });
}

function wholeUnits(option: string, size: string | number, unit: number): number {
  try {
    const bytes = parseQuantity(size);
    if (bytes > 0) return Math.ceil(bytes / unit);
    throw new InvalidValueError(`"${size}" is no size: expected more than nothing`);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new CliUserError(`${option}: ${error.message}.`, { exit: "usage", cause: error });
  }
}
