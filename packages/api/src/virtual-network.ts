// VirtualNetwork: a network of a provider that machines plug into: how it reaches the outside, its addresses, names and leases.

import type { Static } from "typebox";
import {
  controllerRecord,
  entryName,
  ipv4Pattern,
  localRef,
  macPattern,
  objectRef,
  observed,
  whatGoesOn,
} from "./common-fields.ts";
import { boolean, choice, dateTime, int32, list, optional, string, struct } from "./fields.ts";
import { ageColumn, defineKind, messageColumn, phaseColumn, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";

// No shell and no XML ever sees it, but a person reads it: no spaces, no slashes.
const networkName = "^[A-Za-z0-9][A-Za-z0-9._-]*$";
// As the kernel takes names of interfaces.
const bridgeName = "^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$";
const dnsName = "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$";
const ipText = "^[0-9A-Fa-f:.]+$";

const vlanTag = { minimum: 1, maximum: 4094 };

const range = struct("Addresses from `start` to `end`.", {
  start: string("First address.", { pattern: ipText }),
  end: string("Last address.", { pattern: ipText }),
});

const subnet = struct("One subnet.", {
  address: string(
    "The host's own address there and the length of the prefix, such as `192.0.2.1/24` or `2001:db8::1/64`. Guests have it as gateway and name server.",
    { pattern: "^[0-9A-Fa-f:.]+/[0-9]{1,3}$" },
  ),
  dhcpRanges: optional(
    list("What is given to machines by DHCP; changed without a restart. No DHCP when absent.", range, { maxItems: 16 }),
  ),
});

const lease = struct("An address that is kept for one interface. Exactly one of `mac` and `vmRef` says for which.", {
  mac: optional(string("MAC address of the interface.", { pattern: macPattern })),
  vmRef: optional(localRef("The VirtualMachine, in the same namespace.")),
  interface: optional(entryName("Which of the machine's interfaces (`spec.networks[].name`); the first when absent.")),
  ip: string("IPv4 address, of one of the subnets.", { pattern: ipv4Pattern }),
  hostname: optional(string("Name that the address gets in DNS.", { maxLength: 253, pattern: dnsName })),
});

const dnsHost = struct("Names of one address.", {
  ip: string("The address.", { pattern: ipText }),
  names: list("Its names.", string("One name.", { maxLength: 253, pattern: dnsName }), { minItems: 1, maxItems: 32 }),
});

const spec = struct("A network. Exactly one of `adopt` and `create` says how it comes to be.", {
  providerRef: optional(
    objectRef("The Provider that has the network. May be absent where there is only one Provider in the namespace."),
  ),
  adopt: optional(
    struct(
      "A network that is on the hypervisor already. It is never changed or destroyed; deleting this object lets go of it.",
      { name: string("Its name on the hypervisor.", { minLength: 1, maxLength: 253, pattern: networkName }) },
    ),
  ),
  create: optional(
    struct(
      "A network to be made. It is removed with this object, once no machine uses it. Mode, bridge, VLANs, domain and the addresses of subnets are for good.",
      {
        mode: choice(
          "How it reaches the outside. `bridged` and `openvswitch` plug machines into a bridge that the host has; the others get a bridge of their own.",
          ["nat", "routed", "isolated", "bridged", "openvswitch"],
        ),
        bridge: optional(
          string("Name of the bridge. Needed for `bridged` and `openvswitch`; chosen when absent for others.", {
            pattern: bridgeName,
          }),
        ),
        vlan: optional(
          int32(
            "VLAN of the machines (`openvswitch`): packets are tagged on the wire, and not in the machine.",
            vlanTag,
          ),
        ),
        trunk: optional(
          list(
            "VLANs whose packets reach the machines with their tags (`openvswitch`). Instead of `vlan`.",
            int32("VLAN tag.", vlanTag),
            { minItems: 1, maxItems: 64 },
          ),
        ),
        domain: optional(string("DNS domain of the machines.", { maxLength: 253, pattern: dnsName })),
        subnets: optional(list("Its subnets, IPv4 and IPv6.", subnet, { maxItems: 8 })),
        leases: optional(
          list(
            "Addresses that are kept; changed without a restart. A machine's `spec.networks[].ipAddress` in this network is kept as well.",
            lease,
            { maxItems: 512 },
          ),
        ),
        dnsHosts: optional(list("More names; changed without a restart.", dnsHost, { maxItems: 512 })),
        autostart: optional(boolean("Whether it starts with the host.", { default: true })),
      },
    ),
  ),
});

const status = struct("What was seen of the network.", {
  phase: optional(choice("Where the network is in its life.", ["Pending", "Ready", "Inactive", "Failed", "Deleting"])),
  message: optional(whatGoesOn()),
  network: optional(string("Its name on the hypervisor.")),
  mode: optional(string("How it reaches the outside.")),
  active: optional(boolean("Whether it runs.")),
  autostart: optional(boolean("Whether it starts with the host.")),
  bridge: optional(string("Its bridge on the host.")),
  subnets: optional(list("The host's addresses there.", string("Address and length of the prefix."))),
  leases: optional(
    list(
      "Addresses that DHCP has given.",
      struct("One lease.", {
        ip: string("The address."),
        mac: optional(string("MAC address of the interface.")),
        hostname: optional(string("What the machine calls itself.")),
        vm: optional(string("The VirtualMachine that has the interface.")),
        expiresAt: optional(dateTime("Until when.")),
      }),
    ),
  ),
  usedBy: optional(
    list("Machines that have an interface there, running or not.", string("`VirtualMachine/name`, or `domain/name`.")),
  ),
  record: optional(controllerRecord()),
  ...observed("`Ready`: whether machines can plug in. `LeasesApplied`: whether every address that is to be kept is."),
});

export type VirtualNetworkSpec = Static<typeof spec>;
export type VirtualNetworkStatus = Static<typeof status>;
export type VirtualNetwork = Resource<VirtualNetworkSpec, VirtualNetworkStatus>;

export const VirtualNetwork: KindDefinition<VirtualNetwork> = defineKind({
  ...vivarium,
  kind: "VirtualNetwork",
  plural: "virtualnetworks",
  shortNames: ["vnet", "vnets"],
  description: "A network on a provider that machines plug into: adopted as it is, or made from its declaration.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    phaseColumn,
    { name: "Mode", type: "string", jsonPath: ".status.mode" },
    { name: "Network", type: "string", jsonPath: ".status.network" },
    { name: "Bridge", type: "string", jsonPath: ".status.bridge" },
    { name: "Subnets", type: "string", jsonPath: ".status.subnets[*]" },
    ageColumn,
    { name: "Used By", type: "string", jsonPath: ".status.usedBy[*]", priority: 1 },
    messageColumn,
  ],
});
