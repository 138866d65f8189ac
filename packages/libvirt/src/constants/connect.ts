// Numbers of libvirt-host.h and of the flags of the list calls, with their C names shortened.

export const ListDomainsFlags = {
  ACTIVE: 1 << 0,
  INACTIVE: 1 << 1,
  PERSISTENT: 1 << 2,
  TRANSIENT: 1 << 3,
  RUNNING: 1 << 4,
  PAUSED: 1 << 5,
  SHUTOFF: 1 << 6,
  OTHER: 1 << 7,
  MANAGEDSAVE: 1 << 8,
  NO_MANAGEDSAVE: 1 << 9,
  AUTOSTART: 1 << 10,
  NO_AUTOSTART: 1 << 11,
  HAS_SNAPSHOT: 1 << 12,
  NO_SNAPSHOT: 1 << 13,
} as const;

export const ListNetworksFlags = {
  INACTIVE: 1 << 0,
  ACTIVE: 1 << 1,
  PERSISTENT: 1 << 2,
  TRANSIENT: 1 << 3,
  AUTOSTART: 1 << 4,
  NO_AUTOSTART: 1 << 5,
} as const;

export const ListStoragePoolsFlags = {
  INACTIVE: 1 << 0,
  ACTIVE: 1 << 1,
  PERSISTENT: 1 << 2,
  TRANSIENT: 1 << 3,
  AUTOSTART: 1 << 4,
  NO_AUTOSTART: 1 << 5,
  DIR: 1 << 6,
  FS: 1 << 7,
  NETFS: 1 << 8,
  LOGICAL: 1 << 9,
  DISK: 1 << 10,
  ISCSI: 1 << 11,
  SCSI: 1 << 12,
  MPATH: 1 << 13,
  RBD: 1 << 14,
  SHEEPDOG: 1 << 15,
  GLUSTER: 1 << 16,
  ZFS: 1 << 17,
  VSTORAGE: 1 << 18,
  ISCSI_DIRECT: 1 << 19,
} as const;

/** virDrvFeature, for connectSupportsFeature. */
export const DriverFeature = {
  PROGRAM_KEEPALIVE: 10,
  REMOTE_EVENT_CALLBACK: 14,
  NETWORK_UPDATE_HAS_CORRECT_ORDER: 16,
} as const;

export const NodeCpuStatsCpu = { ALL: -1 } as const;

export const NodeMemoryStatsCell = { ALL: -1 } as const;

export const ListSecretsFlags = { EPHEMERAL: 1, NO_EPHEMERAL: 2, PRIVATE: 4, NO_PRIVATE: 8 } as const;

export const SecretUsageType = { NONE: 0, VOLUME: 1, CEPH: 2, ISCSI: 3, TLS: 4, VTPM: 5 } as const;

export const ListInterfacesFlags = { INACTIVE: 1, ACTIVE: 2 } as const;

export const ListNodeDevicesFlags = {
  SYSTEM: 1 << 0,
  PCI_DEV: 1 << 1,
  USB_DEV: 1 << 2,
  USB_INTERFACE: 1 << 3,
  NET: 1 << 4,
  SCSI_HOST: 1 << 5,
  SCSI_TARGET: 1 << 6,
  SCSI: 1 << 7,
  STORAGE: 1 << 8,
  FC_HOST: 1 << 9,
  VPORTS: 1 << 10,
  SCSI_GENERIC: 1 << 11,
  DRM: 1 << 12,
  MDEV_TYPES: 1 << 13,
  MDEV: 1 << 14,
} as const;

/** virCPUCompareResult: what the host has, compared with what is asked for. */
export const CpuCompareResult = { ERROR: -1, INCOMPATIBLE: 0, IDENTICAL: 1, SUPERSET: 2 } as const;
