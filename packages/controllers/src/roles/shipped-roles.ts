// The roles that ship with the product. The server makes them in their namespace when it starts, unless they are there; what a user wrote
// there, or in a namespace of their own under the same name, comes first.

import { shippedRolesNamespace, VMRole } from "@vivarium/api";
import type { VMRoleSpec } from "@vivarium/api";

const base: VMRoleSpec = {
  description: "A plain machine with the tools that everyday work on it needs.",
  parent: {
    images: [
      {
        name: "debian-12",
        distribution: "debian",
        url: "https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2",
        suite: "bookworm",
      },
      {
        name: "ubuntu-24.04",
        distribution: "ubuntu",
        url: "https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img",
      },
    ],
  },
  imageNames: ["base"],
  packages: [
    "bash-completion",
    "ca-certificates",
    "curl",
    "htop",
    "jq",
    "qemu-guest-agent",
    "rsync",
    "tmux",
    "vim-tiny",
  ],
  verify: ["curl --version", "jq --version"],
  resources: { cpu: 2, memory: "1Gi", diskSize: "10Gi" },
};

const docker: VMRoleSpec = {
  description: "Containers with Docker.",
  parent: { roleRef: { name: "base" } },
  imageNames: ["docker"],
  packages: ["docker.io"],
  files: [
    {
      path: "/etc/docker/daemon.json",
      content: `${JSON.stringify({ "log-driver": "local", "log-opts": { "max-size": "10m" } }, undefined, 2)}\n`,
    },
  ],
  commands: [
    "systemctl enable docker.service containerd.service",
    // Whoever logs in first may use it.
    `for user in debian ubuntu; do
  if getent passwd "$user" >/dev/null; then usermod -aG docker "$user"; fi
done`,
  ],
  verify: ["systemctl start docker.service", "docker info"],
  distributions: [
    // The client is a package of its own there from trixie on; in bookworm docker.io has it.
    { name: "ubuntu", packages: ["docker-buildx"] },
  ],
  resources: { cpu: 2, memory: "2Gi", diskSize: "20Gi" },
};

/** Modules and settings that kubeadm looks for. */
const kubernetesSettings = {
  modules: "overlay\nbr_netfilter\n",
  sysctl: "net.bridge.bridge-nf-call-iptables = 1\nnet.bridge.bridge-nf-call-ip6tables = 1\nnet.ipv4.ip_forward = 1\n",
};

const kubernetesRepository = "https://pkgs.k8s.io/core:/stable:/v1.34/deb/";

const k8s: VMRoleSpec = {
  description: "A Kubernetes node: containerd, kubelet, kubeadm and kubectl.",
  parent: { roleRef: { name: "base" } },
  imageNames: ["k8s"],
  repositories: [
    {
      name: "kubernetes",
      uri: kubernetesRepository,
      suite: "/",
      keyURL: `${kubernetesRepository}Release.key`,
    },
  ],
  packages: ["conntrack", "containerd", "kubeadm", "kubectl", "kubelet", "socat"],
  files: [
    { path: "/etc/modules-load.d/kubernetes.conf", content: kubernetesSettings.modules },
    { path: "/etc/sysctl.d/90-kubernetes.conf", content: kubernetesSettings.sysctl },
  ],
  commands: [
    "mkdir -p /etc/containerd",
    "containerd config default | sed 's/SystemdCgroup = false/SystemdCgroup = true/' >/etc/containerd/config.toml",
    "systemctl enable containerd.service kubelet.service",
    "apt-mark hold kubeadm kubectl kubelet",
  ],
  verify: ["systemctl restart containerd.service", "ctr version", "kubeadm version", "kubectl version --client"],
  resources: { cpu: 2, memory: "2Gi", diskSize: "20Gi" },
};

/** A container needs an image, and registries may be out of reach: this one has nothing but the machine's own /usr mounted into it. */
const containerOfOwnFiles = `root=$(mktemp -d)
mkdir -p "$root/rootfs/usr"
for dir in bin lib lib64 sbin; do ln -s "usr/$dir" "$root/rootfs/$dir"; done
for dir in dev etc proc root run sys tmp; do mkdir "$root/rootfs/$dir"; done
printf 'architecture: x86_64\\ncreation_date: 1\\n' >"$root/metadata.yaml"
tar -C "$root" -cf "$root.tar" metadata.yaml rootfs
lxc image import "$root.tar" --alias vivarium-proof
rm -rf "$root" "$root.tar"
lxc init vivarium-proof vivarium-proof -c raw.lxc="lxc.init.cmd = /usr/bin/sleep 600"
lxc config device add vivarium-proof usr disk source=/usr path=/usr readonly=true
lxc start vivarium-proof
test "$(lxc exec vivarium-proof -- /usr/bin/uname -n)" = vivarium-proof
lxc delete --force vivarium-proof
lxc image delete vivarium-proof`;

/** Fixed, because LXD finds none by itself where it cannot look at the network. */
const lxdSettings = `networks:
- name: lxdbr0
  type: bridge
  config:
    ipv4.address: 10.103.0.1/24
    ipv4.nat: "true"
    ipv6.address: none
storage_pools:
- name: default
  driver: dir
profiles:
- name: default
  devices:
    eth0: {name: eth0, network: lxdbr0, type: nic}
    root: {path: /, pool: default, type: disk}
`;

const lxd: VMRoleSpec = {
  description: "System containers with LXD.",
  parent: { roleRef: { name: "base" } },
  imageNames: ["lxd"],
  // What LXD wants for its bridge and for confinement.
  packages: ["apparmor", "dnsmasq-base", "nftables"],
  files: [{ path: "/etc/vivarium/lxd.yaml", content: lxdSettings }],
  commands: [
    `# start LXD with a bridge and a pool
PATH=$PATH:/snap/bin
if ! command -v lxd >/dev/null; then snap install lxd; fi
lxd waitready --timeout=600
lxd init --preseed </etc/vivarium/lxd.yaml
for user in debian ubuntu; do
  if getent passwd "$user" >/dev/null; then usermod -aG lxd "$user"; fi
done`,
  ],
  verify: [
    `# a container runs
PATH=$PATH:/snap/bin
lxc delete --force vivarium-proof 2>/dev/null || true
lxc image delete vivarium-proof 2>/dev/null || true
${containerOfOwnFiles}`,
  ],
  distributions: [
    { name: "debian", packages: ["lxd", "lxd-client"] },
    { name: "ubuntu", reachable: ["https://api.snapcraft.io/"], packages: ["snapd"] },
  ],
  resources: { cpu: 2, memory: "2Gi", diskSize: "20Gi" },
};

const kataRelease = "https://github.com/kata-containers/kata-containers/releases/download/3.12.0";

const kata: VMRoleSpec = {
  description:
    "Containers that each run in a small virtual machine: containerd with the Kata runtime, on Ubuntu also for Docker. Wants nested virtualization.",
  parent: { roleRef: { name: "docker" } },
  imageNames: ["kata"],
  reachable: [`${kataRelease}/kata-static-3.12.0-amd64.tar.xz`],
  packages: ["xz-utils"],
  commands: [
    `curl -fsSL ${kataRelease}/kata-static-3.12.0-amd64.tar.xz | tar -xJ -C /`,
    "for file in kata-runtime containerd-shim-kata-v2; do ln -sf /opt/kata/bin/$file /usr/local/bin/$file; done",
  ],
  verify: ["kata-runtime --version", "containerd-shim-kata-v2 --version", "ctr version"],
  distributions: [
    {
      // Docker 20.10, which Debian 12 has, takes a runtime of this kind for runc under another name, and isolates nothing.
      name: "ubuntu",
      files: [
        {
          path: "/etc/docker/daemon.json",
          content: `${JSON.stringify(
            {
              "log-driver": "local",
              "log-opts": { "max-size": "10m" },
              runtimes: { kata: { runtimeType: "io.containerd.kata.v2" } },
            },
            undefined,
            2,
          )}\n`,
        },
      ],
      verify: ["systemctl restart docker.service", "docker info | grep -q kata"],
    },
  ],
  resources: { cpu: 2, memory: "4Gi", diskSize: "20Gi" },
};

const observer: VMRoleSpec = {
  description: "A machine to watch others from: metrics, packets, processes, eBPF.",
  parent: { roleRef: { name: "base" } },
  imageNames: ["observer"],
  packages: [
    "bpfcc-tools",
    "bpftrace",
    "iperf3",
    "lsof",
    "mtr-tiny",
    "prometheus",
    "prometheus-node-exporter",
    "strace",
    "sysstat",
    "tcpdump",
  ],
  commands: ["systemctl enable prometheus.service prometheus-node-exporter.service"],
  verify: [
    "systemctl start prometheus.service prometheus-node-exporter.service",
    "curl -fsS http://127.0.0.1:9100/metrics -o /dev/null",
    "curl -fsS http://127.0.0.1:9090/-/ready",
    "bpftrace --version",
  ],
  resources: { cpu: 2, memory: "2Gi", diskSize: "20Gi" },
};

export const shippedRoles: readonly VMRole[] = Object.entries({ base, docker, k8s, lxd, kata, observer }).map(
  ([name, spec]) => ({
    apiVersion: `${VMRole.group}/${VMRole.version}`,
    kind: VMRole.kind,
    metadata: { name, namespace: shippedRolesNamespace },
    spec,
  }),
);
