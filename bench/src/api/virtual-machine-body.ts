// A VirtualMachine of about 2 kB, as bytes in which only the name changes: a load generator that encoded objects would measure itself.

const nameDigits = 8;
const namePrefix = "bench-";

export function nameOf(index: number): string {
  return namePrefix + String(index).padStart(nameDigits, "0");
}

const userData = `#cloud-config
hostname: bench
users:
  - name: admin
    groups: [sudo]
    ssh_authorized_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE admin@example.org
packages: [nginx, postgresql, htop]
write_files:
  - path: /etc/motd
    content: |
${"      This machine is made by a benchmark, and it is gone soon.\n".repeat(10)}runcmd:
  - [systemctl, enable, --now, nginx]
`;

/** `[body, offset of the name's digits]`. */
export function virtualMachineBody(namespace: string): { readonly body: Buffer; readonly digitsAt: number } {
  const name = nameOf(0);
  const body = Buffer.from(
    JSON.stringify({
      apiVersion: "infra.virtrigaud.io/v1beta1",
      kind: "VirtualMachine",
      metadata: {
        name,
        namespace,
        labels: { app: "bench", tier: "web", environment: "production", "example.org/owner": "platform" },
        annotations: { "example.org/contact": "ops@example.org", "example.org/ticket": "OPS-1234" },
      },
      spec: {
        providerRef: { name: "local" },
        classRef: { name: "small" },
        imageRef: { name: "debian" },
        powerState: "On",
        resources: { cpu: 2, memoryMiB: 2048 },
        networks: [
          { name: "front", networkRef: { name: "lan" }, ipAddress: "192.0.2.10", prefix: 24, gateway: "192.0.2.1" },
          { name: "back", networkRef: { name: "storage" } },
        ],
        disks: [
          { name: "data", sizeGiB: 20, type: "thin" },
          { name: "logs", sizeGiB: 10, type: "thin" },
        ],
        userData: { cloudInit: { inline: userData } },
        tags: ["bench", "web"],
        lifecycle: { gracefulShutdownTimeout: "90s" },
      },
    }),
  );
  return { body, digitsAt: body.indexOf(name) + namePrefix.length };
}

/** Writes the digits of a name into the bytes. */
export function writeDigits(bytes: Buffer, at: number, index: number): void {
  bytes.write(String(index).padStart(nameDigits, "0"), at, nameDigits, "latin1");
}
