// VMNetworkAttachment: a network that machines plug into, and how they get addresses there.

import type { Static } from "typebox";
import { cidr4Pattern, ipv4Pattern, localRef, objectRef, observed, whatGoesOn } from "./common-fields.ts";
import { boolean, choice, dateTime, int32, int64, list, map, optional, string, stringMap, struct } from "./fields.ts";
import { ageColumn, defineKind, infra, messageColumn } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";

const vlanNumber = { minimum: 1, maximum: 4094 };

const network = struct("The network itself.", {
  type: optional(
    choice("How it reaches the outside.", ["bridged", "nat", "isolated", "host-only", "external"], {
      default: "bridged",
    }),
  ),
  mtu: optional(int32("Largest packet, bytes.", { minimum: 68, maximum: 9000, default: 1500 })),
  virtualNetworkRef: optional(
    objectRef("The VirtualNetwork to plug into; instead of `libvirt.networkName` and `libvirt.bridge`."),
  ),
  vsphere: optional(
    struct("The network on vSphere.", {
      portgroup: optional(string("Port group.", { maxLength: 255 })),
      distributedSwitch: optional(
        struct("Distributed switch.", {
          name: string("Its name.", { maxLength: 255 }),
          uuid: optional(string("Its UUID.")),
          portgroupType: optional(choice("Kind of port group.", ["ephemeral", "distributed"])),
        }),
      ),
      adapterType: optional(choice("Model of the interface.", ["vmxnet3", "e1000", "e1000e"], { default: "vmxnet3" })),
      pciSlotNumber: optional(int32("PCI slot of the interface.", { minimum: 32, maximum: 1024 })),
      vlan: optional(
        struct("VLAN.", {
          type: optional(choice("Kind of VLAN.", ["none", "vlan", "pvlan", "trunk"], { default: "none" })),
          vlanID: optional(int32("Number of the VLAN.", vlanNumber)),
          primaryVlanID: optional(int32("Number of the primary private VLAN.", vlanNumber)),
          secondaryVlanID: optional(int32("Number of the secondary private VLAN.", vlanNumber)),
          trunkVlanIDs: optional(
            list("VLANs of the trunk.", int32("Number of a VLAN.", vlanNumber), { maxItems: 100 }),
          ),
        }),
      ),
      security: optional(
        struct("What the switch lets through.", {
          allowPromiscuous: optional(boolean("Promiscuous mode.", { default: false })),
          allowMACChanges: optional(boolean("Changed MAC addresses.", { default: true })),
          allowForgedTransmits: optional(boolean("Foreign sender addresses.", { default: true })),
        }),
      ),
      trafficShaping: optional(
        struct("Limits of the switch.", {
          enabled: optional(boolean("Whether they apply.", { default: false })),
          averageBandwidth: optional(int64("Average, bits per second.", { minimum: 1000 })),
          peakBandwidth: optional(int64("Peak, bits per second.", { minimum: 1000 })),
          burstSize: optional(int64("Burst, bytes.", { minimum: 1024 })),
        }),
      ),
    }),
  ),
  libvirt: optional(
    struct("The network on libvirt.", {
      networkName: optional(string("Name of a libvirt network.", { maxLength: 255 })),
      bridge: optional(
        struct("A bridge on the host.", {
          name: string("Its name.", { maxLength: 15 }),
          stp: optional(boolean("Spanning tree protocol.", { default: false })),
          delay: optional(int32("Forwarding delay, seconds.", { minimum: 0, maximum: 30 })),
        }),
      ),
      model: optional(
        choice("Model of the interface.", ["virtio", "e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci"], {
          default: "virtio",
        }),
      ),
      driver: optional(
        struct("Driver of the interface.", {
          name: optional(choice("Which.", ["kvm", "vfio", "uio"])),
          queues: optional(int32("Queues.", { minimum: 1, maximum: 16 })),
          txMode: optional(choice("How packets are sent.", ["iothread", "timer"])),
          ioEventFD: optional(boolean("Handle I/O in a thread of its own.")),
          eventIDX: optional(boolean("Fewer interrupts.")),
        }),
      ),
      vlanTag: optional(
        int32("VLAN of the machines, on a network of Open vSwitch: packets are tagged on the wire.", vlanNumber),
      ),
      filterRef: optional(
        struct("A libvirt network filter, such as clean-traffic. Obeyed besides `spec.security`.", {
          filter: string("Its name.", { maxLength: 255 }),
          parameters: optional(stringMap("Its parameters.", { maxProperties: 20 })),
        }),
      ),
    }),
  ),
  proxmox: optional(
    struct("The network on Proxmox VE.", {
      bridge: optional(string("Bridge.", { maxLength: 15, pattern: "^vmbr[0-9]+$" })),
      model: optional(
        choice("Model of the interface.", ["virtio", "e1000", "rtl8139", "vmxnet3"], { default: "virtio" }),
      ),
      vlanTag: optional(int32("Number of the VLAN.", vlanNumber)),
      firewall: optional(boolean("Whether the firewall applies.", { default: false })),
      rateLimit: optional(int32("Limit, megabytes per second.", { minimum: 1 })),
      mtu: optional(int32("Largest packet, bytes.", { minimum: 68, maximum: 65520 })),
    }),
  ),
});

const ipAllocation = struct("How machines get addresses.", {
  type: optional(choice("Who gives them.", ["DHCP", "Static", "Pool", "None"], { default: "DHCP" })),
  staticConfig: optional(
    struct("A fixed address.", {
      address: string("Address and prefix length, for example `192.0.2.10/24`.", { pattern: cidr4Pattern }),
      gateway: optional(string("Default gateway.", { pattern: ipv4Pattern })),
      ipv6Address: optional(string("IPv6 address and prefix length, for example `2001:db8::10/64`.")),
      ipv6Gateway: optional(string("Default gateway for IPv6.")),
      routes: optional(
        list(
          "More routes.",
          struct("One route.", {
            destination: string("Network it leads to.", { pattern: cidr4Pattern }),
            gateway: string("Next hop.", { pattern: ipv4Pattern }),
            metric: optional(int32("Lower wins.", { minimum: 0, maximum: 65535 })),
          }),
          { maxItems: 20 },
        ),
      ),
    }),
  ),
  poolConfig: optional(
    struct("An address from a pool.", {
      poolRef: localRef("The pool."),
      preferredIP: optional(string("Address to take if it is free.", { pattern: ipv4Pattern })),
    }),
  ),
  dhcpConfig: optional(
    struct("DHCP.", {
      clientID: optional(string("Client id to send.", { maxLength: 255 })),
      hostname: optional(string("Host name to send.", { maxLength: 255 })),
      options: optional(stringMap("More options.", { maxProperties: 20 })),
    }),
  ),
  dnsConfig: optional(
    struct("Name servers.", {
      servers: optional(list("Their addresses.", string("One address."), { maxItems: 10 })),
      searchDomains: optional(list("Domains to search.", string("One domain."), { maxItems: 10 })),
      options: optional(stringMap("Options of the resolver.", { maxProperties: 10 })),
    }),
  ),
});

const security = struct("What may pass. Changed while machines run.", {
  antiSpoofing: optional(
    boolean(
      "Whether machines may send from their own MAC and IP addresses only. The address is the static one, else the one that DHCP gave, before which nothing else passes; IPv6 passes from static addresses only.",
    ),
  ),
  firewall: optional(
    struct("Packet filter. Answers to what was let through pass as well; DROP and REJECT stop both ways.", {
      enabled: optional(boolean("Whether it applies.", { default: false })),
      defaultPolicy: optional(choice("For what no rule matches.", ["ACCEPT", "DROP", "REJECT"], { default: "ACCEPT" })),
      rules: optional(
        list(
          "Rules.",
          struct("One rule.", {
            name: string("Its name.", { maxLength: 255 }),
            action: choice("What to do.", ["ACCEPT", "DROP", "REJECT"]),
            direction: choice("Seen from the machine.", ["in", "out", "inout"]),
            protocol: optional(choice("Protocol.", ["tcp", "udp", "icmp", "all"])),
            sourceCIDR: optional(string("Sender: an address or a network, IPv4 or IPv6.")),
            destinationCIDR: optional(string("Receiver: an address or a network, IPv4 or IPv6.")),
            ports: optional(
              struct("Ports.", {
                start: int32("First port.", { minimum: 1, maximum: 65535 }),
                end: optional(int32("Last port; the first when absent.", { minimum: 1, maximum: 65535 })),
              }),
            ),
            priority: optional(int32("Lower goes first.", { minimum: 1, maximum: 1000 })),
          }),
          { maxItems: 100 },
        ),
      ),
    }),
  ),
  isolation: optional(
    struct("Isolation of machines from each other.", {
      mode: optional(
        choice(
          "`strict`: a machine reaches no other isolated machine of its network, only the host and what is beyond.",
          ["none", "strict", "custom"],
        ),
      ),
      allowedNetworks: optional(list("Networks that may be reached.", string("Name of a network."), { maxItems: 50 })),
      deniedNetworks: optional(list("Networks that may not.", string("Name of a network."), { maxItems: 50 })),
    }),
  ),
  encryption: optional(
    struct("Encryption on the wire.", {
      enabled: optional(boolean("Whether to encrypt.", { default: false })),
      protocol: optional(choice("With what.", ["ipsec", "wireguard", "openvpn"])),
      keyRef: optional(localRef("The Secret that holds the key.")),
    }),
  ),
});

const spec = struct("A network and how machines use it.", {
  network,
  ipAllocation: optional(ipAllocation),
  security: optional(security),
  qos: optional(
    struct("Limits and priorities.", {
      ingressLimit: optional(int64("To the machine, bits per second on average.", { minimum: 1000 })),
      ingressPeak: optional(
        int64("To the machine, bits per second for as long as the burst lasts.", { minimum: 1000 }),
      ),
      ingressBurst: optional(int64("To the machine, bytes that may pass at peak speed.", { minimum: 1024 })),
      egressLimit: optional(int64("From the machine, bits per second on average.", { minimum: 1000 })),
      egressPeak: optional(
        int64("From the machine, bits per second for as long as the burst lasts.", { minimum: 1000 }),
      ),
      egressBurst: optional(int64("From the machine, bytes that may pass at peak speed.", { minimum: 1024 })),
      priority: optional(int32("Priority of its packets.", { minimum: 0, maximum: 7 })),
      dscp: optional(int32("DSCP mark of its packets.", { minimum: 0, maximum: 63 })),
    }),
  ),
  metadata: optional(
    struct("What the network is, for people.", {
      displayName: optional(string("Name to show.", { maxLength: 255 })),
      description: optional(string("What it is.", { maxLength: 1024 })),
      environment: optional(choice("What it is for.", ["dev", "staging", "prod", "test", "qa", "uat"])),
      tags: optional(stringMap("Tags.", { maxProperties: 50 })),
    }),
  ),
});

const status = struct("How the network is.", {
  ready: optional(boolean("Whether machines can plug in.")),
  phase: optional(choice("Where its preparation is.", ["Pending", "Configuring", "Ready", "Failed"])),
  message: optional(whatGoesOn()),
  connectedVMs: optional(int32("How many machines are plugged in.")),
  availableOn: optional(list("Providers that have it.", string("Name of a Provider."))),
  ipAllocations: optional(
    list(
      "Addresses in use.",
      struct("One address.", {
        ip: string("The address."),
        vm: string("The machine that has it."),
        mac: optional(string("MAC address of its interface.")),
        allocatedAt: optional(dateTime("Since when.")),
        leaseExpiry: optional(dateTime("Until when.")),
      }),
    ),
  ),
  providerStatus: optional(
    map(
      "The network on each provider.",
      struct("The network on one provider.", {
        available: boolean("Whether it is there."),
        id: optional(string("Its id there.")),
        state: optional(string("Its state there.")),
        message: optional(string("Why it is not there.")),
        lastUpdated: optional(dateTime("When that was seen.")),
      }),
    ),
  ),
  ...observed("`Ready`: whether machines can plug in, and why not."),
});

export type VMNetworkAttachmentSpec = Static<typeof spec>;
export type VMNetworkAttachmentStatus = Static<typeof status>;
export type VMNetworkAttachment = Resource<VMNetworkAttachmentSpec, VMNetworkAttachmentStatus>;

export const VMNetworkAttachment: KindDefinition<VMNetworkAttachment> = defineKind({
  ...infra,
  kind: "VMNetworkAttachment",
  plural: "vmnetworkattachments",
  shortNames: ["vmnet"],
  description: "A network that virtual machines plug into, and how they get addresses there.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Ready", type: "boolean", jsonPath: ".status.ready" },
    { name: "Type", type: "string", jsonPath: ".spec.network.type" },
    { name: "Connected VMs", type: "integer", jsonPath: ".status.connectedVMs" },
    { name: "Providers", type: "string", jsonPath: ".status.availableOn[*]" },
    ageColumn,
    messageColumn,
  ],
});
