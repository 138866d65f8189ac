// Numbers of libvirt-network.h, with their C names shortened.

export const NetworkXmlFlags = { INACTIVE: 1 } as const;
