#!/bin/sh
# enter.sh DIR COMMAND [ARG...] : runs COMMAND in network, mount, UTS and PID namespaces of its own, with an empty libvirt of its own under
# DIR. Whatever it starts (libvirtd, dnsmasq, guests) ends with it; the machine's own libvirt and networks are never touched. Needs root.
set -eu
[ "$(id -u)" = 0 ] || { echo "enter.sh: must be root to make namespaces" >&2; exit 77; }
DIR=$1
shift
rm -rf "$DIR"
for part in etc lib log cache run; do mkdir -p "$DIR/$part"; done
chmod 711 "$DIR" "$DIR"/*
cp -a /etc/libvirt/. "$DIR/etc/"
rm -rf "$DIR"/etc/qemu/*.xml "$DIR"/etc/qemu/autostart "$DIR"/etc/qemu/networks "$DIR"/etc/storage "$DIR"/etc/secrets
cat > "$DIR/etc/libvirtd.conf" <<CONF
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
CONF
# cgroups and security labels are the machine's; a nested libvirtd must not share them.
cat > "$DIR/etc/qemu.conf" <<CONF
security_driver = "none"
cgroup_controllers = [ ]
CONF
# Who must end it kills this process: it becomes `unshare`, with which everything inside ends.
echo $$ > "$DIR/pid"
E2E_HOST_DIR=$DIR
export E2E_HOST_DIR
exec unshare --mount --net --uts --pid --fork --kill-child --mount-proc sh -eu -c '
mount --make-rprivate /
hostname e2e
ip link set lo up
for part in etc:/etc/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt run:/run/libvirt; do
  mkdir -p "${part#*:}"
  mount --bind "$E2E_HOST_DIR/${part%%:*}" "${part#*:}"
done
# What /sys says of interfaces is of the network namespace that mounted it.
mkdir -p "$E2E_HOST_DIR/sys"
mount -t sysfs sysfs "$E2E_HOST_DIR/sys"
for part in class/net devices/virtual/net; do mount --bind "$E2E_HOST_DIR/sys/$part" "/sys/$part"; done
# Where keys of emulated TPMs are signed; it belongs to the user that libvirt runs the emulator as.
if id tss >/dev/null 2>&1 && [ -d /var/lib/swtpm-localca ]; then
  mkdir -p "$E2E_HOST_DIR/swtpm-localca" /var/log/swtpm "$E2E_HOST_DIR/swtpm-log"
  chown tss: "$E2E_HOST_DIR/swtpm-localca"
  mount --bind "$E2E_HOST_DIR/swtpm-localca" /var/lib/swtpm-localca
  mount --bind "$E2E_HOST_DIR/swtpm-log" /var/log/swtpm
fi
mkdir -p /var/lib/libvirt/images /var/lib/libvirt/dnsmasq /var/lib/libvirt/qemu /var/lib/libvirt/boot
chown libvirt-qemu: /var/lib/libvirt/qemu 2>/dev/null || true
"$@"
' enter "$@"
