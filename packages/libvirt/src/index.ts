// A client of libvirt's RPC protocol (https://libvirt.org/kbase/internals/rpc.html) without native code and without virsh.
//
//   transport   a Dialer gives a byte stream to a daemon
//   framing     bytes ↔ messages
//   xdr         codecs; protocol: each procedure and event declared with them
//   session     one connection: serials, deadlines, 5 in flight, keepalive, streams
//   connection  reconnects with back-off; pools sessions for slow calls and streams
//   methods     the C API's calls, typed; libvirt.ts puts them all on one object

export { Libvirt } from "./libvirt.ts";
export type { LibvirtOptions } from "./libvirt.ts";
export type { ConnectionState, StateEvent } from "./connection/connection.ts";
export type { LibvirtLogger } from "./connection/logger.ts";
export type { Dialer } from "./transport/dialer.ts";
export { sshDialer } from "./transport/ssh-dialer.ts";
export type { SshDialerOptions } from "./transport/ssh-dialer.ts";
export type { SshTarget } from "./transport/ssh-command.ts";
export { tcpDialer } from "./transport/tcp-dialer.ts";
export { tlsDialer } from "./transport/tls-dialer.ts";
export type { TlsDialerOptions, TlsFiles } from "./transport/tls-dialer.ts";
export { unixDialer } from "./transport/unix-dialer.ts";
export { parseUri } from "./transport/parse-uri.ts";
export type { ParsedUri, ParseUriOptions } from "./transport/parse-uri.ts";

export type { CallOptions, FlagOptions } from "./session/call-options.ts";
export type {
  Domain,
  DomainCheckpoint,
  DomainSnapshot,
  HostInterface,
  Network,
  NetworkPort,
  NodeDevice,
  NwFilter,
  NwFilterBinding,
  Secret,
  StoragePool,
  StorageVolume,
} from "./protocol/handles.ts";
export type { DomainAddress, DomainInterface } from "./protocol/domain.ts";
export type { DomainFilesystem } from "./protocol/domain-guest.ts";
export type { DomainDiskError } from "./protocol/domain-stats.ts";
export type { DomainEvent, LifecycleEvent } from "./protocol/domain-event.ts";
export type { NetworkEvent, StoragePoolEvent } from "./protocol/object-event.ts";
export type { TypedValues } from "./protocol/typed-param.ts";
export type { DhcpLease } from "./protocol/network.ts";
export { formatVersion } from "./methods/connect-methods.ts";
export type { DomainCapabilitiesQuery, NodeCpuStats, NodeInfo, NodeMemoryStats } from "./methods/connect-methods.ts";
export type { DomainInfo, DomainMetadata, DomainStateAnswer } from "./methods/domain-methods.ts";
export type {
  BlockCopyParams,
  BlockIoTune,
  BlockJobInfo,
  DomainBlockInfo,
  DomainBlockStats,
} from "./methods/domain-block-methods.ts";
export type { KeyPress } from "./methods/domain-guest-methods.ts";
export { migrateDomain } from "./migrate-domain.ts";
export type { MigrateDomainOptions } from "./migrate-domain.ts";
export type { MigrationParams, MigrationStep } from "./methods/domain-migration-methods.ts";
export type { DomainJobInfo, DomainJobStats } from "./methods/domain-save-methods.ts";
export type { DomainInterfaceStats, DomainMemoryStats, DomainStats } from "./methods/domain-stats-methods.ts";
export type { InterfaceParameters, MemoryParameters, SchedulerParameters } from "./methods/domain-tuning-methods.ts";
export type { NetworkUpdate } from "./methods/network-methods.ts";
export type { DomainConsole } from "./methods/domain-console.ts";
export type { StoragePoolInfo, StorageVolInfo, VolumeRange } from "./methods/storage-methods.ts";

export { FileParts } from "./methods/file-parts.ts";
export { sparseParts } from "./methods/sparse-parts.ts";
export type { StreamHole, StreamPart } from "./session/rpc-stream.ts";

export { LibvirtConnectionError } from "./errors/connection-error.ts";
export type { LibvirtErrorCode } from "./errors/error-code.ts";
export type { LibvirtErrorDomain } from "./errors/error-domain.ts";
export { isLibvirtError, isUnsupportedCall, LibvirtError } from "./errors/libvirt-error.ts";
export { LibvirtProtocolError } from "./errors/protocol-error.ts";
export { LibvirtTimeoutError } from "./errors/timeout-error.ts";
export { LibvirtUriError } from "./errors/uri-error.ts";
export type { LibvirtUriErrorReason } from "./errors/uri-error.ts";

export * from "./constants/connect.ts";
export * from "./constants/domain-event.ts";
export * from "./constants/domain-migration.ts";
export * from "./constants/domain-snapshot.ts";
export * from "./constants/domain.ts";
export * from "./constants/network.ts";
export * from "./constants/storage.ts";
