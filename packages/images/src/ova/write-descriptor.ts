// The descriptor of an OVF package that holds one machine with one disk. https://www.dmtf.org/dsp/DSP0243
//
// What it says beyond the standard is what VMware and VirtualBox ask for: both read it.

import { XMLBuilder } from "fast-xml-parser";

/** What is told of the machine that a disk belonged to. */
export interface PackagedMachine {
  readonly name: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly firmware: "BIOS" | "UEFI";
  /** Names of its network interfaces, in the guest's order. */
  readonly nics: readonly string[];
}

export interface DescribedDisk {
  /** Name of the file in the package, a VMDK of the kind streamOptimized. */
  readonly file: string;
  readonly sizeBytes: number;
  readonly virtualSizeBytes: number;
}

const cim = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2";
const envelope = "http://schemas.dmtf.org/ovf/envelope/1";
const streamOptimized = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";
/** CIM: "Linux 64-Bit". What is in the disk is not looked at. */
const linux64 = "101";
const networkName = "VM Network";

/** CIM_ResourceAllocationSettingData.ResourceType. */
const resource = { processor: 3, memory: 4, scsiController: 6, ethernet: 10, disk: 17 } as const;

const builder = new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: "@", format: true });

export function writeDescriptor(machine: PackagedMachine, disk: DescribedDisk): string {
  const { name, nics } = machine;
  const hasNics = nics.length > 0;
  return builder.build({
    "?xml": { "@version": "1.0", "@encoding": "UTF-8" },
    Envelope: {
      "@xmlns": envelope,
      "@xmlns:ovf": envelope,
      "@xmlns:rasd": `${cim}/CIM_ResourceAllocationSettingData`,
      "@xmlns:vssd": `${cim}/CIM_VirtualSystemSettingData`,
      "@xmlns:vmw": "http://www.vmware.com/schema/ovf",
      References: { File: { "@ovf:id": "file1", "@ovf:href": disk.file, "@ovf:size": disk.sizeBytes } },
      DiskSection: {
        Info: "Disks",
        Disk: {
          "@ovf:diskId": "vmdisk1",
          "@ovf:fileRef": "file1",
          "@ovf:capacity": disk.virtualSizeBytes,
          "@ovf:capacityAllocationUnits": "byte",
          "@ovf:format": streamOptimized,
        },
      },
      ...(hasNics ? { NetworkSection: { Info: "Networks", Network: { "@ovf:name": networkName } } } : {}),
      VirtualSystem: {
        "@ovf:id": name,
        Info: "A virtual machine",
        Name: name,
        OperatingSystemSection: { "@ovf:id": linux64, Info: "The guest's operating system" },
        VirtualHardwareSection: hardwareOf(machine),
      },
    },
  });
}

function hardwareOf({ name, cpus, memoryMiB, firmware, nics }: PackagedMachine): object {
  const items = [
    { ElementName: `${cpus} virtual CPU(s)`, ResourceType: resource.processor, VirtualQuantity: cpus },
    {
      AllocationUnits: "byte * 2^20",
      ElementName: `${memoryMiB} MiB of memory`,
      ResourceType: resource.memory,
      VirtualQuantity: memoryMiB,
    },
    {
      Address: 0,
      ElementName: "SCSI controller 0",
      ResourceSubType: "lsilogic",
      ResourceType: resource.scsiController,
    },
    {
      AddressOnParent: 0,
      ElementName: "Disk 1",
      HostResource: "ovf:/disk/vmdisk1",
      Parent: 3,
      ResourceType: resource.disk,
    },
    ...nics.map((nic, index) => ({
      AddressOnParent: index,
      AutomaticAllocation: true,
      Connection: networkName,
      ElementName: nic,
      ResourceSubType: "E1000",
      ResourceType: resource.ethernet,
    })),
  ];
  return {
    Info: "Virtual hardware",
    System: {
      "vssd:ElementName": "Virtual hardware family",
      "vssd:InstanceID": 0,
      "vssd:VirtualSystemIdentifier": name,
      "vssd:VirtualSystemType": "vmx-13",
    },
    // In the schema the fields of an item are a sequence, by their names.
    Item: items.map((item, index) =>
      Object.fromEntries(
        Object.entries({ ...item, InstanceID: index + 1 })
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) => [`rasd:${key}`, value]),
      ),
    ),
    ...(firmware === "UEFI"
      ? { "vmw:Config": { "@ovf:required": "false", "@vmw:key": "firmware", "@vmw:value": "efi" } }
      : {}),
  };
}
