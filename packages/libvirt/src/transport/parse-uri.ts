// Reads connection URIs (https://libvirt.org/uri.html) and says which daemon to dial and what to ask it to open.

import { LibvirtUriError } from "../errors/uri-error.ts";
import type { Dialer } from "./dialer.ts";
import { unixDialer } from "./unix-dialer.ts";

export interface ParsedUri {
  readonly dial: Dialer;
  /** Given to the daemon: without transport and without parameters of the transport. */
  readonly uri: string;
}

const systemSocket = "/run/libvirt/libvirt-sock";
const laterTransports = ["tcp", "tls", "ssh", "ext", "libssh", "libssh2"];

export interface ParseUriOptions {
  /** For the socket of `qemu:///session`; process.env when absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export function parseUri(uri: string, options: ParseUriOptions = {}): ParsedUri {
  const url = parse(uri);
  const [driver = "", transport = "unix"] = url.protocol.slice(0, -1).split("+");
  if (driver !== "qemu" && driver !== "test") {
    throw new LibvirtUriError(
      "UnsupportedDriver",
      uri,
      `Cannot use "${uri}": driver "${driver}", expected qemu or test`,
    );
  }
  if (laterTransports.includes(transport)) throw unsupportedTransport(uri, transport);
  if (transport !== "unix") throw invalid(uri, `transport "${transport}" does not exist`);
  // libvirt takes TLS when there is a host and no transport.
  if (url.hostname !== "") throw unsupportedTransport(uri, "tls");

  const path = url.pathname;
  if (driver === "qemu" && path !== "/system" && path !== "/session") {
    throw invalid(uri, `path "${path}", expected /system or /session`);
  }
  if (driver === "test" && path === "/") throw invalid(uri, "no configuration named, expected test:///default");

  const socket = url.searchParams.get("socket") ?? defaultSocket(driver, path, options.env ?? process.env);
  url.searchParams.delete("socket");
  url.searchParams.delete("mode");
  return { dial: unixDialer(socket), uri: `${driver}://${path}${url.search}` };
}

function parse(uri: string): URL {
  try {
    return new URL(uri);
  } catch {
    throw invalid(uri, "it is not a URI, expected for example qemu:///system");
  }
}

function defaultSocket(driver: string, path: string, env: Readonly<Record<string, string | undefined>>): string {
  if (driver === "test" || path === "/system") return systemSocket;
  const runtimeDir = env["XDG_RUNTIME_DIR"] ?? `${env["HOME"] ?? ""}/.cache`;
  return `${runtimeDir}/libvirt/libvirt-sock`;
}

function unsupportedTransport(uri: string, transport: string): LibvirtUriError {
  return new LibvirtUriError(
    "UnsupportedTransport",
    uri,
    `Cannot use "${uri}": transport "${transport}" is not supported yet, expected a local one such as qemu:///system`,
  );
}

function invalid(uri: string, found: string): LibvirtUriError {
  return new LibvirtUriError("InvalidUri", uri, `Cannot use "${uri}": ${found}`);
}
