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

test("without XDG_RUNTIME_DIR the session's socket is in the home folder", () => {
  assert.equal(
    parseUri("qemu:///session", { env: { HOME: "/h" } }).dial.address,
    "unix:/h/.cache/libvirt/libvirt-sock",
  );
});

test("URIs that cannot be used are refused with a reason of the table", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["qemu+ssh://root@host/system", "UnsupportedTransport"],
    ["qemu+tls://host/system", "UnsupportedTransport"],
    ["qemu+tcp://host/system", "UnsupportedTransport"],
    ["qemu://host/system", "UnsupportedTransport"],
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
