// What the host must have, per packaging family. On apt hosts `viv setup` installs it; elsewhere it prints the exact commands.

/** A group of packages and what Vivarium does with it. */
export interface PackageGroup {
  readonly purpose: string;
  readonly packages: readonly string[];
}

export const aptPackages: readonly PackageGroup[] = [
  {
    purpose: "hypervisor",
    packages: [
      "libvirt-daemon-system",
      "libvirt-daemon-config-network",
      "qemu-system-x86",
      "qemu-utils",
      "seabios",
      "ovmf",
    ],
  },
  { purpose: "guest network", packages: ["dnsmasq-base", "dnsmasq-utils", "iptables", "iproute2"] },
  {
    purpose: "local image builds",
    packages: ["mmdebstrap", "debian-archive-keyring", "e2fsprogs", "grub-common", "grub-pc-bin", "xz-utils", "zstd"],
  },
  { purpose: "viv ssh", packages: ["openssh-client"] },
];

export const dnfPackages: readonly PackageGroup[] = [
  {
    purpose: "hypervisor",
    packages: [
      "libvirt-daemon-kvm",
      "libvirt-daemon-config-network",
      "qemu-kvm",
      "qemu-img",
      "seabios-bin",
      "edk2-ovmf",
    ],
  },
  { purpose: "guest network", packages: ["dnsmasq", "dnsmasq-utils", "iptables-nft", "iproute"] },
  { purpose: "viv ssh", packages: ["openssh-clients"] },
];

export const pacmanPackages: readonly PackageGroup[] = [
  { purpose: "hypervisor", packages: ["libvirt", "qemu-base", "qemu-img", "seabios", "edk2-ovmf"] },
  { purpose: "guest network", packages: ["dnsmasq", "iptables-nft", "iproute2"] },
  { purpose: "viv ssh", packages: ["openssh"] },
];

export type PackageManager = "apt" | "dnf" | "pacman";

/** What a server that is not root needs besides: it builds images in a user namespace. */
const rootlessPackages: Readonly<Record<PackageManager, readonly string[]>> = {
  apt: ["uidmap"],
  dnf: ["shadow-utils"],
  pacman: ["shadow"],
};

/** What guests with a TPM need; installed only where that is wanted. */
const tpmPackages: Readonly<Record<PackageManager, readonly string[]>> = {
  apt: ["swtpm", "swtpm-tools"],
  dnf: ["swtpm", "swtpm-tools"],
  pacman: ["swtpm"],
};

export function packagesFor(
  manager: PackageManager,
  options: { readonly isRoot: boolean; readonly wantsTpm?: boolean },
): readonly string[] {
  const groups = { apt: aptPackages, dnf: dnfPackages, pacman: pacmanPackages }[manager];
  return [
    ...groups.flatMap((group) => group.packages),
    ...(options.isRoot ? [] : rootlessPackages[manager]),
    ...(options.wantsTpm === true ? tpmPackages[manager] : []),
  ];
}
