// The libvirt provider: plays every role of the provider contract through libvirt's RPC protocol.
//
//   libvirt-provider   puts the roles together
//   compute, disks, images, addresses/, console/   the roles
//   storage/           pools, volumes with a life of their own, disks of running VMs
//   domain/            domain XML: build, read back, find, judge whether ours
//   acceleration/      proves whether guests run under KVM
//   names, pool, xml/  what they stand on; map-error: libvirt's errors in the contract's words

export { createLibvirtProviderFactory } from "./libvirt-provider.ts";
export type { LibvirtProviderOptions } from "./libvirt-provider.ts";
export type { Memo } from "./libvirt-host.ts";
