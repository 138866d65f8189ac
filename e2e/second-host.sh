#!/bin/sh
# second-host.sh DIR NAME ADDRESS : a second "KVM host" on this machine. Run it by `unshare --mount --net --uts`: it takes the place of the
# machine's libvirt by bind mounts of folders under DIR, waits until its network interface eth0 is put into its namespace, and becomes a
# libvirtd of its own on qemu+tcp://ADDRESS/system (no authentication, on that address only).
set -eu
DIR=$1 NAME=$2 ADDRESS=$3
mount --make-rprivate /
hostname "$NAME"
for part in etc lib log cache run; do mkdir -p "$DIR/$part"; done
chmod 711 "$DIR" "$DIR"/*
if [ ! -e "$DIR/etc/libvirtd.conf" ]; then
  cp -a /etc/libvirt/. "$DIR/etc/"
  rm -rf "$DIR"/etc/qemu/*.xml "$DIR"/etc/qemu/autostart "$DIR"/etc/qemu/networks "$DIR"/etc/storage "$DIR"/etc/secrets
  mkdir -p "$DIR/etc/qemu/networks/autostart"
  cat > "$DIR/etc/libvirtd.conf" <<CONF
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
listen_tls = 0
listen_tcp = 1
listen_addr = "$ADDRESS"
auth_tcp = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
CONF
  cat > "$DIR/etc/qemu.conf" <<CONF
security_driver = "none"
cgroup_controllers = [ ]
CONF
  cat > "$DIR/etc/qemu/networks/default.xml" <<XML
<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <ip address='192.168.123.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.123.2' end='192.168.123.254'/></dhcp>
  </ip>
</network>
XML
  ln -s /etc/libvirt/qemu/networks/default.xml "$DIR/etc/qemu/networks/autostart/default.xml"
fi
for part in etc:/etc/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt run:/run/libvirt; do
  mkdir -p "${part#*:}"
  mount --bind "$DIR/${part%%:*}" "${part#*:}"
done
mkdir -p /var/lib/libvirt/images /var/lib/libvirt/dnsmasq /var/lib/libvirt/qemu /var/lib/libvirt/boot
chown libvirt-qemu: /var/lib/libvirt/qemu 2>/dev/null || true
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.1; done
ip addr replace "$ADDRESS/24" dev eth0
ip link set eth0 up
virtlogd -f /dev/null -p /run/libvirt/virtlogd.pid </dev/null >/dev/null 2>&1 &
exec libvirtd --listen -f /etc/libvirt/libvirtd.conf -p /run/libvirt/libvirtd.pid
