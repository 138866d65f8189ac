// What is written into a freshly bootstrapped root tree to make it a cloud image that starts fast.
//
// Nothing here takes a function away from the guest: units that are masked do work that such a guest does not have
// (no splash, no EFI variables, no swap of consoles), drivers are only kept from loading by themselves, and cloud-init keeps
// each module that a cloud-config in common use can ask for.

export interface GuestFile {
  /** Relative to the root directory. */
  readonly path: string;
  readonly content: string;
  readonly mode?: number;
}

export const enabledUnits: readonly string[] = [
  "systemd-networkd.service",
  "systemd-resolved.service",
  "systemd-networkd-wait-online.service",
  "vivarium-network-online.service",
  "serial-getty@ttyS0.service",
  "qemu-guest-agent.service",
  "ssh.service",
];

/** Masked by a link to /dev/null; `systemctl unmask` brings one back. */
export const maskedUnits: readonly string[] = [
  // Timers that would use the CPU of a guest that just started; unattended upgrades are not installed.
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "dpkg-db-backup.timer",
  // LVM only.
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  // Load modules or mount file systems that nothing at boot needs; both still happen on first use. A module that a device file
  // calls for is loaded when that is opened: kmod-static-nodes, which makes /dev/fuse and /dev/net/tun, stays.
  "modprobe@configfs.service",
  "modprobe@dm_mod.service",
  "modprobe@drm.service",
  "modprobe@efi_pstore.service",
  "modprobe@fuse.service",
  "modprobe@loop.service",
  "sys-kernel-config.mount",
  "sys-kernel-debug.mount",
  "sys-kernel-tracing.mount",
  "sys-fs-fuse-connections.mount",
  "dev-hugepages.mount",
  "proc-sys-fs-binfmt_misc.automount",
  "systemd-binfmt.service",
  // Records of crashes in firmware storage, which the machine does not have.
  "systemd-pstore.service",
  // Rebuild what the image was made with.
  "ldconfig.service",
  "systemd-hwdb-update.service",
  "systemd-journal-catalog-update.service",
  "systemd-sysusers.service",
  "systemd-update-done.service",
  // The initramfs brings no command line for networkd; names come from cloud-init.
  "systemd-network-generator.service",
  // Passphrases asked on a console; System V compatibility; audit messages in the journal.
  "systemd-ask-password-console.path",
  "systemd-ask-password-wall.path",
  "systemd-initctl.socket",
  "systemd-journald-audit.socket",
  "cloud-init-hotplugd.socket",
];

/** Kept from loading at boot by the hardware's mere presence. `evdev` stays: the ACPI power button needs it. */
const blacklistedDrivers = [
  "acpi_cpufreq",
  "bochs",
  "i2c_i801",
  "iTCO_wdt",
  "lpc_ich",
  "parport_pc",
  "pcspkr",
  "psmouse",
  "serio_raw",
];

/**
 * cloud-init's second stage, which makes users and starts sshd, is ordered after systemd-networkd-wait-online. It needs no network
 * unless the user-data says so; all later stages wait for network-online.target, that is for the unit below.
 */
const earlyNetworkWait = `#!/bin/sh
# Waits for the network only when cloud-init's second stage may use it: with #include, bootcmd and the like, or when
# the user-data cannot be read as it is (templates, MIME messages, compressed).
for data in /var/lib/cloud/instance/user-data.txt /var/lib/cloud/instance/vendor-data.txt; do
  [ -s "$data" ] || continue
  head -c 16 "$data" | grep -aqE '^(#cloud-config|#!|\\{)' || exec /lib/systemd/systemd-networkd-wait-online
  grep -aqE 'include|bootcmd|boothook|import_id|https?:' "$data" && exec /lib/systemd/systemd-networkd-wait-online
done
exit 0
`;

const networkOnlineUnit = `[Unit]
Description=Wait for the network (Vivarium)
Documentation=man:systemd-networkd-wait-online(8)
DefaultDependencies=no
Conflicts=shutdown.target
Requires=systemd-networkd.service
After=systemd-networkd.service
Before=network-online.target shutdown.target

[Service]
Type=oneshot
ExecStart=/lib/systemd/systemd-networkd-wait-online --timeout=30
RemainAfterExit=yes

[Install]
WantedBy=network-online.target
`;

export const guestFiles: readonly GuestFile[] = [
  { path: "etc/machine-id", content: "" },
  { path: "etc/hosts", content: "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n" },
  { path: "etc/modprobe.d/vivarium.conf", content: blacklistedDrivers.map((name) => `blacklist ${name}\n`).join("") },
  {
    path: "etc/systemd/system.conf.d/vivarium.conf",
    content: "[Manager]\nShowStatus=no\nDefaultTimeoutStopSec=10s\n",
  },
  {
    // Else it is made of the machine-id, which a clone has of its source when it asks for its first address: both would get the same.
    path: "etc/systemd/networkd.conf.d/vivarium.conf",
    content: "[DHCPv4]\nDUIDType=link-layer\n\n[DHCPv6]\nDUIDType=link-layer\n",
  },
  { path: "etc/systemd/journald.conf.d/vivarium.conf", content: "[Journal]\nAudit=no\nSystemMaxUse=200M\n" },
  {
    path: "etc/ssh/sshd_config.d/vivarium.conf",
    content: "UseDNS no\nGSSAPIAuthentication no\n",
  },
  {
    // sshd checks its configuration when it starts, too.
    path: "etc/systemd/system/ssh.service.d/vivarium.conf",
    content: "[Service]\nExecStartPre=\nStartupCPUWeight=1000\n",
  },
  {
    path: "etc/systemd/system/systemd-networkd-wait-online.service.d/vivarium.conf",
    content: "[Service]\nExecStart=\nExecStart=/usr/lib/vivarium/early-network-wait\n",
  },
  {
    path: "usr/lib/vivarium/early-network-wait",
    mode: 0o755,
    content: earlyNetworkWait,
  },
  {
    path: "etc/systemd/system/vivarium-network-online.service",
    content: networkOnlineUnit,
  },
  {
    path: "etc/cloud/ds-identify.cfg",
    content: "datasource: NoCloud\npolicy: search,found=first,maybe=none,notfound=disabled\n",
  },
  {
    path: "etc/cloud/cloud.cfg.d/95_vivarium.cfg",
    content: `# NoCloud is where a Vivarium guest's settings come from. The module lists are Debian's own without those that
# are for other distributions and clouds, or talk to a console.
datasource_list: [NoCloud, None]
ssh_genkeytypes: [ed25519]
locale: C.UTF-8
no_ssh_fingerprints: true
ssh: {emit_keys_to_console: false}
resize_rootfs: noblock
cloud_init_modules:
  - seed_random
  - bootcmd
  - write-files
  - growpart
  - resizefs
  - disk_setup
  - mounts
  - set_hostname
  - update_hostname
  - update_etc_hosts
  - ca-certs
  - users-groups
  - ssh
cloud_config_modules:
  - ssh-import-id
  - keyboard
  - locale
  - set-passwords
  - apt-configure
  - ntp
  - timezone
  - runcmd
cloud_final_modules:
  - package-update-upgrade-install
  - write-files-deferred
  - puppet
  - chef
  - mcollective
  - salt-minion
  - scripts-vendor
  - scripts-per-once
  - scripts-per-boot
  - scripts-per-instance
  - scripts-user
  - phone-home
  - final-message
  - power-state-change
`,
  },
];

/** No console of a PC by default, no menu, and little talk on a serial line that is slow without KVM. */
export const guestCommandLine = "console=tty0 console=ttyS0,115200 quiet loglevel=3";
