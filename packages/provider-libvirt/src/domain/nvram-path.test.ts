import assert from "node:assert/strict";
import { test } from "node:test";
import { nvramPathOf } from "./nvram-path.ts";

const config = { endpoint: "qemu+tcp://10.0.0.2/system", credentials: {}, pool: "vivarium", timeoutMs: 1000 };

test("the file is the one that libvirt names, else the one of its rule; BIOS has none", () => {
  const efi = { name: "web", nvram: undefined, isEfi: true };
  assert.equal(nvramPathOf({ ...efi, nvram: "/x/web.fd" }, { config }), "/x/web.fd");
  assert.equal(nvramPathOf(efi, { config }), "/var/lib/libvirt/qemu/nvram/web_VARS.fd");
  assert.equal(nvramPathOf({ ...efi, isEfi: false }, { config }), undefined);
  assert.equal(nvramPathOf(efi, { config: { ...config, endpoint: "qemu:///session" } }), undefined);
});
