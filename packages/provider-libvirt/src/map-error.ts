// libvirt's errors as the provider contract has them: one closed table, decided by code, never by text. A code that is new in the
// client is a type error here.

import {
  LibvirtConnectionError,
  LibvirtError,
  LibvirtProtocolError,
  LibvirtTimeoutError,
  LibvirtUriError,
} from "@vivarium/libvirt";
import type { LibvirtErrorCode } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { ProviderErrorCode } from "@vivarium/provider";

export const providerCodeOf: Readonly<Record<LibvirtErrorCode, ProviderErrorCode>> = {
  NO_DOMAIN: "NotFound",
  NO_NETWORK: "NotFound",
  NO_STORAGE_POOL: "NotFound",
  NO_STORAGE_VOL: "NotFound",
  NO_NODE_DEVICE: "NotFound",
  NO_INTERFACE: "NotFound",
  NO_NWFILTER: "NotFound",
  NO_SECRET: "NotFound",
  NO_DOMAIN_SNAPSHOT: "NotFound",
  NO_DOMAIN_METADATA: "NotFound",
  NO_NETWORK_METADATA: "NotFound",
  DEVICE_MISSING: "NotFound",
  NO_NWFILTER_BINDING: "NotFound",
  NO_DOMAIN_CHECKPOINT: "NotFound",
  NO_DOMAIN_BACKUP: "NotFound",
  NO_NETWORK_PORT: "NotFound",
  NO_HOSTNAME: "NotFound",
  DOM_EXIST: "AlreadyExists",
  NETWORK_EXIST: "AlreadyExists",
  STORAGE_POOL_BUILT: "AlreadyExists",
  STORAGE_VOL_EXIST: "AlreadyExists",
  NETWORK_PORT_EXIST: "AlreadyExists",
  // What was asked for is wrong in itself.
  INVALID_DOMAIN: "InvalidSpec",
  INVALID_ARG: "InvalidSpec",
  OS_TYPE: "InvalidSpec",
  NO_KERNEL: "InvalidSpec",
  NO_ROOT: "InvalidSpec",
  NO_SOURCE: "InvalidSpec",
  NO_TARGET: "InvalidSpec",
  NO_NAME: "InvalidSpec",
  NO_OS: "InvalidSpec",
  NO_DEVICE: "InvalidSpec",
  XML_ERROR: "InvalidSpec",
  PARSE_FAILED: "InvalidSpec",
  CONF_SYNTAX: "InvalidSpec",
  XML_DETAIL: "InvalidSpec",
  INVALID_NETWORK: "InvalidSpec",
  INVALID_MAC: "InvalidSpec",
  INVALID_STORAGE_POOL: "InvalidSpec",
  INVALID_STORAGE_VOL: "InvalidSpec",
  INVALID_NODE_DEVICE: "InvalidSpec",
  INVALID_INTERFACE: "InvalidSpec",
  MULTIPLE_INTERFACES: "InvalidSpec",
  INVALID_NWFILTER: "InvalidSpec",
  INVALID_SECRET: "InvalidSpec",
  INVALID_DOMAIN_SNAPSHOT: "InvalidSpec",
  OVERFLOW: "InvalidSpec",
  XML_INVALID_SCHEMA: "InvalidSpec",
  INVALID_NWFILTER_BINDING: "InvalidSpec",
  INVALID_DOMAIN_CHECKPOINT: "InvalidSpec",
  INVALID_NETWORK_PORT: "InvalidSpec",
  MULTIPLE_DOMAINS: "InvalidSpec",
  NO_SUPPORT: "Unsupported",
  NO_XEN: "Unsupported",
  NO_SECURITY_MODEL: "Unsupported",
  CONFIG_UNSUPPORTED: "Unsupported",
  ARGUMENT_UNSUPPORTED: "Unsupported",
  OPERATION_UNSUPPORTED: "Unsupported",
  CPU_INCOMPATIBLE: "Unsupported",
  UNKNOWN_PROCEDURE: "Unsupported",
  // The thing is in another state than the call needs.
  OPERATION_INVALID: "Conflict",
  SNAPSHOT_REVERT_RISKY: "Conflict",
  MIGRATE_UNSAFE: "Conflict",
  BLOCK_COPY_ACTIVE: "Conflict",
  CHECKPOINT_INCONSISTENT: "Conflict",
  // A part of libvirt, the guest agent or the way there does not answer, or is busy for now.
  UNKNOWN_HOST: "Unavailable",
  NO_CONNECT: "Unavailable",
  INVALID_CONN: "Unavailable",
  NO_XENSTORE: "Unavailable",
  DRIVER_FULL: "Unavailable",
  RPC: "Unavailable",
  GNUTLS_ERROR: "Unavailable",
  NO_NETWORK_START: "Unavailable",
  NO_STORAGE: "Unavailable",
  NO_NODE: "Unavailable",
  NO_INTERFACE_START: "Unavailable",
  NO_NWFILTER_START: "Unavailable",
  NO_SECRET_START: "Unavailable",
  SSH: "Unavailable",
  AGENT_UNRESPONSIVE: "Unavailable",
  RESOURCE_BUSY: "Unavailable",
  DBUS_SERVICE: "Unavailable",
  NO_SERVER: "Unavailable",
  NO_CLIENT: "Unavailable",
  AGENT_UNSYNCED: "Unavailable",
  LIBSSH: "Unavailable",
  OPERATION_DENIED: "Unauthorized",
  AUTH_FAILED: "Unauthorized",
  AUTH_CANCELLED: "Unauthorized",
  ACCESS_DENIED: "Unauthorized",
  AUTH_UNAVAILABLE: "Unauthorized",
  OPERATION_TIMEOUT: "Timeout",
  // Failures inside the host: retried, and never taken for an answer.
  OK: "Internal",
  INTERNAL_ERROR: "Internal",
  NO_MEMORY: "Internal",
  OPERATION_FAILED: "Internal",
  GET_FAILED: "Internal",
  POST_FAILED: "Internal",
  HTTP_ERROR: "Internal",
  SEXPR_SERIAL: "Internal",
  XEN_CALL: "Internal",
  CALL_FAILED: "Internal",
  OPEN_FAILED: "Internal",
  READ_FAILED: "Internal",
  WRITE_FAILED: "Internal",
  SYSTEM_ERROR: "Internal",
  BUILD_FIREWALL: "Internal",
  MIGRATE_PERSIST_FAILED: "Internal",
  HOOK_SCRIPT_FAILED: "Internal",
  INVALID_STREAM: "Internal",
  STORAGE_PROBE_FAILED: "Internal",
  OPERATION_ABORTED: "Internal",
  MIGRATE_FINISH_OK: "Internal",
  UNKNOWN: "Internal",
};

/**
 * The ProviderError for anything that a call into libvirt threw. `action` completes "Cannot …". A caller's own abort stays what it is.
 */
export function mapError(error: unknown, action: string): unknown {
  if (error instanceof ProviderError || isAbort(error)) return error;
  const wrap = (code: ProviderErrorCode): ProviderError =>
    new ProviderError(code, `Cannot ${action}: ${messageOf(error)}`, { cause: error });
  if (error instanceof LibvirtError) return wrap(providerCodeOf[error.code]);
  // Waiting for a connection that nobody answers is no slow call.
  if (error instanceof LibvirtTimeoutError) {
    return wrap(error.cause instanceof LibvirtConnectionError ? codeOfLoss(error.cause) : "Timeout");
  }
  if (error instanceof LibvirtConnectionError) return wrap(codeOfLoss(error));
  if (error instanceof LibvirtProtocolError) return wrap("Unavailable");
  if (error instanceof LibvirtUriError) return wrap(error.reason === "InvalidUri" ? "InvalidSpec" : "Unsupported");
  return wrap("Internal");
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError");
}

function codeOfLoss(error: LibvirtConnectionError): ProviderErrorCode {
  const { cause } = error;
  const isDenied = cause instanceof Error && "code" in cause && (cause.code === "EACCES" || cause.code === "EPERM");
  return isDenied ? "Unauthorized" : "Unavailable";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
