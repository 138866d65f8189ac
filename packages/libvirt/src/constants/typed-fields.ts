// Fields of the typed parameters that calls take, with their types on the wire; libvirt's own names.

export const blockIoTuneFields = {
  total_bytes_sec: "ullong",
  read_bytes_sec: "ullong",
  write_bytes_sec: "ullong",
  total_iops_sec: "ullong",
  read_iops_sec: "ullong",
  write_iops_sec: "ullong",
  total_bytes_sec_max: "ullong",
  read_bytes_sec_max: "ullong",
  write_bytes_sec_max: "ullong",
  total_iops_sec_max: "ullong",
  read_iops_sec_max: "ullong",
  write_iops_sec_max: "ullong",
  total_bytes_sec_max_length: "ullong",
  read_bytes_sec_max_length: "ullong",
  write_bytes_sec_max_length: "ullong",
  total_iops_sec_max_length: "ullong",
  read_iops_sec_max_length: "ullong",
  write_iops_sec_max_length: "ullong",
  size_iops_sec: "ullong",
  group_name: "string",
} as const;

/** Average and peak in KiB per second, burst in KiB. */
export const interfaceFields = {
  "inbound.average": "uint",
  "inbound.peak": "uint",
  "inbound.burst": "uint",
  "inbound.floor": "uint",
  "outbound.average": "uint",
  "outbound.peak": "uint",
  "outbound.burst": "uint",
} as const;

/** Periods and quotas in microseconds. */
export const schedulerFields = {
  cpu_shares: "ullong",
  global_period: "ullong",
  global_quota: "llong",
  vcpu_period: "ullong",
  vcpu_quota: "llong",
  emulator_period: "ullong",
  emulator_quota: "llong",
  iothread_period: "ullong",
  iothread_quota: "llong",
} as const;

/** In KiB. */
export const memoryFields = { hard_limit: "ullong", soft_limit: "ullong", swap_hard_limit: "ullong" } as const;

/** Bandwidth in bytes per second. */
export const blockCopyFields = { bandwidth: "ullong", granularity: "uint", "buf-size": "ullong" } as const;

/** Bandwidths in MiB per second. */
export const migrationFields = {
  migrate_uri: "string",
  destination_name: "string",
  destination_xml: "string",
  persistent_xml: "string",
  bandwidth: "ullong",
  "bandwidth.postcopy": "ullong",
  graphics_uri: "string",
  listen_address: "string",
  migrate_disks: "strings",
  disks_port: "int",
  disks_uri: "string",
  compression: "strings",
  "compression.mt.level": "int",
  "compression.mt.threads": "int",
  "compression.mt.dthreads": "int",
  "compression.xbzrle.cache": "ullong",
  "auto_converge.initial": "int",
  "auto_converge.increment": "int",
  "parallel.connections": "int",
  "tls.destination": "string",
} as const;
