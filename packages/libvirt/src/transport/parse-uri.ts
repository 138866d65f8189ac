// Reads connection URIs (https://libvirt.org/uri.html) and says which daemon to dial and what to ask it to open.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { LibvirtUriError } from "../errors/uri-error.ts";
import type { Dialer } from "./dialer.ts";
import { isSafeFile, isSafeHost, isSafeUser } from "./ssh-command.ts";
import { sshDialer } from "./ssh-dialer.ts";
import { tcpDialer } from "./tcp-dialer.ts";
import { tlsDialer } from "./tls-dialer.ts";
import type { TlsFiles } from "./tls-dialer.ts";
import { unixDialer } from "./unix-dialer.ts";

export interface ParsedUri {
  readonly dial: Dialer;
  /**
   * To another unix socket of the daemon's host: of what libvirt tells only the place, a screen for example. Absent where the transport
   * leads to the daemon and to nothing else.
   */
  readonly dialSocket?: (path: string) => Dialer;
  /** Given to the daemon: without transport and without parameters of the transport. */
  readonly uri: string;
  /** Of a URI with a user over TCP or TLS, where it is the name for SASL. */
  readonly username?: string;
}

export interface ParseUriOptions {
  /** For the socket of `qemu:///session` and the user's certificates; process.env when absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The ssh to run; the one on the PATH when absent. A URI cannot name it: it would be a program of its choice. */
  readonly sshCommand?: string;
}

/** One URI on its way, and what it asks of the daemon. */
interface Target {
  readonly uri: string;
  readonly url: URL;
  readonly driver: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly user: string | undefined;
  /** Of the transport; taken out of what the daemon gets. */
  readonly params: ReadonlyMap<string, string>;
  readonly driverUri: string;
  readonly options: ParseUriOptions;
}

const systemSocket = "/run/libvirt/libvirt-sock";
const transportParams = [
  "name",
  "socket",
  "mode",
  "proxy",
  "netcat",
  "keyfile",
  "known_hosts",
  "pkipath",
  "no_verify",
  "no_tty",
  "no_sanity",
];
/** Of libvirt's own client; what each would have to do here is said. */
const refusedParams: Readonly<Record<string, string>> = {
  command: "a URI may not name a program to run; set the option sshCommand",
  auth: "there is no auth file; give the credentials to the client",
  sshauth: "the system's ssh chooses how to log in; set it up in its configuration",
  known_hosts_verify: "host keys are checked; add no_verify=1 to take any",
  tls_priority: "this is not GnuTLS",
};

export function parseUri(uri: string, options: ParseUriOptions = {}): ParsedUri {
  const url = parse(uri);
  const [driver = "", named] = url.protocol.slice(0, -1).split("+");
  if (driver !== "qemu" && driver !== "test") {
    throw new LibvirtUriError(
      "UnsupportedDriver",
      uri,
      `Cannot use "${uri}": driver "${driver}", expected qemu or test`,
    );
  }
  checkPath(uri, driver, url.pathname);
  const params = takeParams(uri, url);
  const host = decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, "$1");
  const user = url.username === "" ? undefined : decodeURIComponent(url.username);
  if (url.password !== "")
    throw invalid(uri, "a password does not belong in a URI; give the credentials to the client");
  const target: Target = {
    uri,
    url,
    driver,
    host,
    port: url.port === "" ? undefined : Number(url.port),
    user,
    params,
    driverUri: params.get("name") ?? `${driver}://${url.pathname}${url.search}`,
    options,
  };
  // libvirt takes TLS when there is a host and no transport.
  const transport = named ?? (host === "" ? "unix" : "tls");
  return {
    dial: dialerOf(transport, target),
    ...socketDialerOf(transport, target),
    uri: target.driverUri,
    ...usernameOf(transport, user),
  };
}

function socketDialerOf(transport: string, target: Target): Pick<ParsedUri, "dialSocket"> {
  if (transport === "unix") return { dialSocket: unixDialer };
  if (transport !== "ssh") return {};
  const through = { ...sshTarget(target), proxy: "netcat" } as const;
  return { dialSocket: (socket) => sshDialer({ ...through, socket }, target.options) };
}

function dialerOf(transport: string, target: Target): Dialer {
  const { uri, host, port, params } = target;
  if (transport === "unix") {
    if (host !== "") throw invalid(uri, `host "${host}" over a unix socket, expected none`);
    return unixDialer(params.get("socket") ?? localSocket(target));
  }
  if (!["tcp", "tls", "ssh"].includes(transport)) throw unknownTransport(uri, transport);
  if (host === "") throw invalid(uri, `no host named for transport "${transport}"`);
  if (!isSafeHost(host)) throw invalid(uri, `host "${host}" is no name or address`);
  if (transport === "tcp") return tcpDialer(host, port);
  if (transport === "ssh") return sshDialer(sshTarget(target), target.options);
  return tlsDialer(host, {
    ...(port === undefined ? {} : { port }),
    files: tlsFiles(target),
    isUnverified: isSet(params.get("no_verify")),
  });
}

function sshTarget(target: Target): Parameters<typeof sshDialer>[0] {
  const { uri, host, port, user, params } = target;
  if (user !== undefined && !isSafeUser(user)) throw invalid(uri, `user "${user}" is no login name`);
  const keyFile = fileParam(target, "keyfile");
  const knownHostsFile = fileParam(target, "known_hosts");
  const netcat = params.get("netcat");
  const socket = params.get("socket");
  return {
    host,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(knownHostsFile === undefined ? {} : { knownHostsFile }),
    ...(netcat === undefined ? {} : { netcat }),
    isUnverified: isSet(params.get("no_verify")),
    proxy: proxyOf(target),
    socket: socket ?? systemSocket,
    driverUri: target.driverUri,
  };
}

/** As libvirt chooses: only virt-ssh-helper knows where a session's socket is, only netcat takes a socket. */
function proxyOf({ uri, url, params }: Target): "auto" | "native" | "netcat" {
  const wanted = params.get("proxy");
  const isNetcat = params.has("netcat") || params.has("socket");
  switch (wanted) {
    case undefined:
      if (isNetcat) return "netcat";
      return url.pathname === "/session" ? "native" : "auto";
    case "auto":
    case "netcat":
      return isNetcat ? "netcat" : wanted;
    case "native":
      if (isNetcat) throw invalid(uri, "netcat and socket are not for proxy=native");
      return wanted;
    default:
      throw invalid(uri, `proxy "${wanted}", expected auto, native or netcat`);
  }
}

function fileParam({ uri, params }: Target, name: string): string | undefined {
  const path = params.get(name);
  if (path !== undefined && !isSafeFile(path)) {
    throw invalid(uri, `${name} "${path}", expected an absolute path without ", %, $ and ~`);
  }
  return path;
}

/** As libvirt looks for them: where the URI says, in the user's folder when all are there, in the system's. */
function tlsFiles({ params, options }: Target): TlsFiles {
  const folder = params.get("pkipath");
  if (folder !== undefined) return filesIn(folder);
  const own = filesIn(join((options.env ?? process.env)["HOME"] ?? "/", ".pki", "libvirt"));
  if (Object.values(own).every((path: string) => existsSync(path))) return own;
  return {
    ca: "/etc/pki/CA/cacert.pem",
    cert: "/etc/pki/libvirt/clientcert.pem",
    key: "/etc/pki/libvirt/private/clientkey.pem",
  };
}

function filesIn(folder: string): TlsFiles {
  return {
    ca: join(folder, "cacert.pem"),
    cert: join(folder, "clientcert.pem"),
    key: join(folder, "clientkey.pem"),
  };
}

function takeParams(uri: string, url: URL): ReadonlyMap<string, string> {
  const params = new Map<string, string>();
  for (const [name, why] of Object.entries(refusedParams)) {
    if (url.searchParams.has(name)) throw invalid(uri, `parameter "${name}": ${why}`);
  }
  for (const name of transportParams) {
    const value = url.searchParams.get(name);
    if (value === null) continue;
    params.set(name, value);
    url.searchParams.delete(name);
  }
  return params;
}

function checkPath(uri: string, driver: string, path: string): void {
  if (driver === "qemu" && path !== "/system" && path !== "/session") {
    throw invalid(uri, `path "${path}", expected /system or /session`);
  }
  if (driver === "test" && (path === "" || path === "/")) {
    throw invalid(uri, "no configuration named, expected test:///default");
  }
}

function usernameOf(transport: string, user: string | undefined): { readonly username?: string } {
  return user === undefined || transport === "ssh" ? {} : { username: user };
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "0";
}

function parse(uri: string): URL {
  try {
    return new URL(uri);
  } catch {
    throw invalid(uri, "it is not a URI, expected for example qemu:///system");
  }
}

function localSocket({ driver, url, options }: Target): string {
  if (driver === "test" || url.pathname === "/system") return systemSocket;
  const env = options.env ?? process.env;
  const runtimeDir = env["XDG_RUNTIME_DIR"] ?? `${env["HOME"] ?? ""}/.cache`;
  return `${runtimeDir}/libvirt/libvirt-sock`;
}

function unknownTransport(uri: string, transport: string): LibvirtUriError {
  if (["ext", "libssh", "libssh2"].includes(transport)) {
    return new LibvirtUriError(
      "UnsupportedTransport",
      uri,
      `Cannot use "${uri}": transport "${transport}" is not supported, expected unix, ssh, tls or tcp`,
    );
  }
  return invalid(uri, `transport "${transport}" does not exist`);
}

function invalid(uri: string, found: string): LibvirtUriError {
  return new LibvirtUriError("InvalidUri", uri, `Cannot use "${uri}": ${found}`);
}
