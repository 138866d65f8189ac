import assert from "node:assert/strict";
import { test } from "node:test";
import { LibvirtUriError } from "../errors/uri-error.ts";
import { parseUri } from "./parse-uri.ts";

const env = { XDG_RUNTIME_DIR: "/run/user/7", HOME: "/home/seven" };

test("local URIs lead to the daemon's socket and lose what is for the transport", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["qemu:///system", "/run/libvirt/libvirt-sock", "qemu:///system"],
    ["qemu+unix:///system", "/run/libvirt/libvirt-sock", "qemu:///system"],
    ["qemu:///session", "/run/user/7/libvirt/libvirt-sock", "qemu:///session"],
    ["test:///default", "/run/libvirt/libvirt-sock", "test:///default"],
    ["qemu:///system?socket=/tmp/my%20sock&mode=direct", "/tmp/my sock", "qemu:///system"],
    ["qemu+unix:///system?socket=/x&other=1", "/x", "qemu:///system?other=1"],
  ];
  for (const [uri, socket, opened] of rows) {
    const parsed = parseUri(uri, { env });
    assert.equal(parsed.dial.address, `unix:${socket}`, uri);
    assert.equal(parsed.uri, opened, uri);
  }
});

test("remote URIs lead to the host, and the daemon gets what is for it", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["qemu+tcp://host/system", "tcp:host:16509", "qemu:///system"],
    ["qemu+tcp://host:1/system", "tcp:host:1", "qemu:///system"],
    ["qemu+tls://host/system", "tls:host:16514", "qemu:///system"],
    ["qemu://host/system", "tls:host:16514", "qemu:///system"],
    ["qemu+tls://[fe80::1]:2/system?pkipath=/p&x=1", "tls:fe80::1:2", "qemu:///system?x=1"],
    ["qemu+ssh://root@host/system?socket=/s", "ssh:root@host", "qemu:///system"],
    ["test+ssh://host/default?no_verify=1&keyfile=/k", "ssh:host", "test:///default"],
    ["qemu+tls://host/system?name=test:///default", "tls:host:16514", "test:///default"],
  ];
  for (const [uri, address, opened] of rows) {
    const parsed = parseUri(uri, { env });
    assert.equal(parsed.dial.address, address, uri);
    assert.equal(parsed.uri, opened, uri);
  }
  assert.equal(parseUri("qemu+tls://me@host/system").username, "me");
  assert.equal(parseUri("qemu+ssh://me@host/system").username, undefined);
});

test("without XDG_RUNTIME_DIR the session's socket is in the home folder", () => {
  assert.equal(
    parseUri("qemu:///session", { env: { HOME: "/h" } }).dial.address,
    "unix:/h/.cache/libvirt/libvirt-sock",
  );
});

test("URIs that cannot be used are refused with a reason of the table", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["qemu+libssh2://root@host/system", "UnsupportedTransport"],
    ["qemu+ext:///system?command=/bin/x", "InvalidUri"],
    ["qemu+ssh://host/system?command=/bin/x", "InvalidUri"],
    ["qemu+ssh://host/system?keyfile=relative", "InvalidUri"],
    ["qemu+ssh://host/system?keyfile=/a%22b", "InvalidUri"],
    ["qemu+ssh://host/system?known_hosts=/%25h", "InvalidUri"],
    ["qemu+ssh://host/system?proxy=other", "InvalidUri"],
    ["qemu+ssh://host/system?proxy=native&netcat=nc", "InvalidUri"],
    ["qemu+ssh://-oProxyCommand=x/system", "InvalidUri"],
    ["qemu+ssh://a$(x)/system", "InvalidUri"],
    ["qemu+ssh://-oX@host/system", "InvalidUri"],
    ["qemu+ssh://a%20b@host/system", "InvalidUri"],
    ["qemu+ssh:///system", "InvalidUri"],
    ["qemu+tls://user:secret@host/system", "InvalidUri"],
    ["qemu+tls://host/system?tls_priority=NORMAL", "InvalidUri"],
    ["qemu+unix://host/system", "InvalidUri"],
    ["qemu+pigeon:///system", "InvalidUri"],
    ["vbox:///session", "UnsupportedDriver"],
    ["xen+ssh://host/", "UnsupportedDriver"],
    ["qemu:///", "InvalidUri"],
    ["qemu:///nonsense", "InvalidUri"],
    ["test:///", "InvalidUri"],
    ["not a uri", "InvalidUri"],
    ["", "InvalidUri"],
  ];
  for (const [uri, reason] of rows) {
    assert.throws(
      () => parseUri(uri, { env }),
      (error) => error instanceof LibvirtUriError && error.reason === reason && error.uri === uri,
      uri,
    );
  }
});

test("another socket of the host is reached through SSH and on this machine, and not where the way leads to the daemon alone", () => {
  const dialed = (uri: string): string | undefined => parseUri(uri).dialSocket?.("/run/other").address;
  assert.equal(dialed("qemu:///system"), "unix:/run/other");
  assert.equal(dialed("qemu+ssh://root@host/system"), "ssh:root@host");
  assert.equal(dialed("qemu+tls://host/system"), undefined);
  assert.equal(dialed("qemu+tcp://host/system"), undefined);
});
