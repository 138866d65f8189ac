import assert from "node:assert/strict";
import { test } from "node:test";
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
import { mapError, providerCodeOf } from "./map-error.ts";

const rows: Readonly<Record<ProviderErrorCode, readonly LibvirtErrorCode[]>> = {
  NotFound: [
    "NO_DOMAIN",
    "NO_NETWORK",
    "NO_STORAGE_POOL",
    "NO_STORAGE_VOL",
    "NO_NODE_DEVICE",
    "NO_INTERFACE",
    "NO_NWFILTER",
    "NO_SECRET",
    "NO_DOMAIN_SNAPSHOT",
    "NO_DOMAIN_METADATA",
    "NO_NETWORK_METADATA",
    "DEVICE_MISSING",
    "NO_NWFILTER_BINDING",
    "NO_DOMAIN_CHECKPOINT",
    "NO_DOMAIN_BACKUP",
    "NO_NETWORK_PORT",
    "NO_HOSTNAME",
  ],
  // libvirt has no code for it: told by what the pool has left.
  NoSpace: [],
  AlreadyExists: ["DOM_EXIST", "NETWORK_EXIST", "STORAGE_POOL_BUILT", "STORAGE_VOL_EXIST", "NETWORK_PORT_EXIST"],
  InvalidSpec: [
    "INVALID_DOMAIN",
    "INVALID_ARG",
    "OS_TYPE",
    "NO_KERNEL",
    "NO_ROOT",
    "NO_SOURCE",
    "NO_TARGET",
    "NO_NAME",
    "NO_OS",
    "NO_DEVICE",
    "XML_ERROR",
    "PARSE_FAILED",
    "CONF_SYNTAX",
    "XML_DETAIL",
    "INVALID_NETWORK",
    "INVALID_MAC",
    "INVALID_STORAGE_POOL",
    "INVALID_STORAGE_VOL",
    "INVALID_NODE_DEVICE",
    "INVALID_INTERFACE",
    "MULTIPLE_INTERFACES",
    "INVALID_NWFILTER",
    "INVALID_SECRET",
    "INVALID_DOMAIN_SNAPSHOT",
    "OVERFLOW",
    "XML_INVALID_SCHEMA",
    "INVALID_NWFILTER_BINDING",
    "INVALID_DOMAIN_CHECKPOINT",
    "INVALID_NETWORK_PORT",
    "MULTIPLE_DOMAINS",
  ],
  Unsupported: [
    "NO_SUPPORT",
    "NO_XEN",
    "NO_SECURITY_MODEL",
    "CONFIG_UNSUPPORTED",
    "ARGUMENT_UNSUPPORTED",
    "OPERATION_UNSUPPORTED",
    "CPU_INCOMPATIBLE",
    "UNKNOWN_PROCEDURE",
  ],
  Conflict: [
    "OPERATION_INVALID",
    "SNAPSHOT_REVERT_RISKY",
    "MIGRATE_UNSAFE",
    "BLOCK_COPY_ACTIVE",
    "CHECKPOINT_INCONSISTENT",
  ],
  Unavailable: [
    "UNKNOWN_HOST",
    "NO_CONNECT",
    "INVALID_CONN",
    "NO_XENSTORE",
    "DRIVER_FULL",
    "RPC",
    "GNUTLS_ERROR",
    "NO_NETWORK_START",
    "NO_STORAGE",
    "NO_NODE",
    "NO_INTERFACE_START",
    "NO_NWFILTER_START",
    "NO_SECRET_START",
    "SSH",
    "AGENT_UNRESPONSIVE",
    "RESOURCE_BUSY",
    "DBUS_SERVICE",
    "NO_SERVER",
    "NO_CLIENT",
    "AGENT_UNSYNCED",
    "LIBSSH",
  ],
  Unauthorized: ["OPERATION_DENIED", "AUTH_FAILED", "AUTH_CANCELLED", "ACCESS_DENIED", "AUTH_UNAVAILABLE"],
  Timeout: ["OPERATION_TIMEOUT"],
  Internal: [
    "OK",
    "INTERNAL_ERROR",
    "NO_MEMORY",
    "OPERATION_FAILED",
    "GET_FAILED",
    "POST_FAILED",
    "HTTP_ERROR",
    "SEXPR_SERIAL",
    "XEN_CALL",
    "CALL_FAILED",
    "OPEN_FAILED",
    "READ_FAILED",
    "WRITE_FAILED",
    "SYSTEM_ERROR",
    "BUILD_FIREWALL",
    "MIGRATE_PERSIST_FAILED",
    "HOOK_SCRIPT_FAILED",
    "INVALID_STREAM",
    "STORAGE_PROBE_FAILED",
    "OPERATION_ABORTED",
    "MIGRATE_FINISH_OK",
    "UNKNOWN",
  ],
};

function mapped(error: unknown): ProviderError {
  const result = mapError(error, 'start VM "web"');
  assert.ok(result instanceof ProviderError);
  return result;
}

for (const [wanted, codes] of Object.entries(rows)) {
  for (const code of codes) {
    test(`${code} is ${wanted}`, () => {
      const cause = new LibvirtError({ code, number: 0, domain: "QEMU", message: "what libvirt said" });
      const error = mapped(cause);
      assert.equal(error.code, wanted);
      assert.equal(error.message, 'Cannot start VM "web": what libvirt said');
      assert.equal(error.cause, cause);
    });
  }
}

test("every code of libvirt has exactly one row", () => {
  const all = Object.values(rows).flat();
  assert.equal(new Set(all).size, all.length);
  assert.deepEqual(all.toSorted(), Object.keys(providerCodeOf).toSorted());
});

test("a lost connection is Unavailable, and Unauthorized where the socket is closed to the user", () => {
  assert.equal(mapped(new LibvirtConnectionError("gone")).code, "Unavailable");
  const refused = Object.assign(new Error("connect EACCES"), { code: "EACCES" });
  assert.equal(mapped(new LibvirtConnectionError("no", { cause: refused })).code, "Unauthorized");
});

test("a passed deadline is Timeout, except where nobody ever answered", () => {
  assert.equal(mapped(new LibvirtTimeoutError("domainCreateXml", 10)).code, "Timeout");
  const never = new LibvirtTimeoutError("connect", 10, { cause: new LibvirtConnectionError("refused") });
  assert.equal(mapped(never).code, "Unavailable");
});

test("a peer that speaks another protocol is Unavailable", () => {
  assert.equal(mapped(new LibvirtProtocolError("HTTP?")).code, "Unavailable");
});

test("a wrong endpoint is the user's mistake, never Unavailable", () => {
  assert.equal(mapped(new LibvirtUriError("InvalidUri", "x", "x")).code, "InvalidSpec");
  assert.equal(mapped(new LibvirtUriError("UnsupportedTransport", "x", "x")).code, "Unsupported");
  assert.equal(mapped(new LibvirtUriError("UnsupportedDriver", "x", "x")).code, "Unsupported");
});

test("errors of the contract and aborts stay as they are; anything else is Internal", () => {
  const own = new ProviderError("Conflict", "x");
  assert.equal(mapError(own, "x"), own);
  const abort = AbortSignal.abort().reason as Error;
  assert.equal(mapError(abort, "x"), abort);
  assert.equal(mapped(new TypeError("bug")).code, "Internal");
});
