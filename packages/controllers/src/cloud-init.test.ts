import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { clonedByLabel } from "@vivarium/api";
import type { ConfigMap, Secret, VirtualMachine } from "@vivarium/api";
import { cloudInitSecretsOf, resolveCloudInit, seedOf } from "./cloud-init.ts";

const uid = "0b7c6c1e-0000-4000-8000-000000000000";

function vm(spec: VirtualMachine["spec"]): VirtualMachine {
  return {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VirtualMachine",
    metadata: { name: "web", namespace: "lab", uid },
    spec,
  };
}

function secret(data: Record<string, string>): Secret {
  const encoded = Object.fromEntries(
    Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
  return { apiVersion: "v1", kind: "Secret", metadata: { name: "init", namespace: "lab" }, data: encoded };
}

const sshKeys: ConfigMap = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "vivarium-ssh-keys", namespace: "vivarium-system" },
  data: { a: "ssh-ed25519 AAAA one\n# a comment\n\nssh-rsa BBBB two\n", b: "ssh-ed25519 AAAA one" },
};
const fromSecret = vm({ userData: { cloudInit: { secretRef: { name: "init" } } } });

function resolve(of: VirtualMachine, found?: Secret) {
  return resolveCloudInit(of, { secret: () => found, sshKeys });
}

describe("cloud-init", () => {
  for (const key of ["user-data", "userdata", "cloud-init", "anything"]) {
    test(`user-data is found in a Secret under ${key}`, () => {
      const resolved = resolve(fromSecret, secret({ [key]: "#cloud-config\n" }));
      assert.equal(resolved.ok && resolved.value.userData, "#cloud-config\n");
    });
  }

  test("of several keys the known one is taken; none known is a problem that names them", () => {
    const resolved = resolve(fromSecret, secret({ other: "x", userdata: "y" }));
    assert.equal(resolved.ok && resolved.value.userData, "y");
    const unknown = resolve(fromSecret, secret({ one: "x", two: "y" }));
    assert.ok(!unknown.ok);
    assert.equal(unknown.problems[0]?.reason, "SecretNotFound");
    assert.match(unknown.problems[0]?.message ?? "", /"one", "two"/);
  });

  test("a missing Secret is named", () => {
    const resolved = resolve(fromSecret);
    assert.ok(!resolved.ok);
    assert.match(resolved.problems[0]?.message ?? "", /"lab\/init" does not exist/);
    assert.deepEqual(cloudInitSecretsOf(fromSecret), [{ namespace: "lab", name: "init" }]);
  });

  test("public keys are all lines, once, without comments", () => {
    const resolved = resolve(vm({}));
    assert.deepEqual(resolved.ok && resolved.value.publicKeys, ["ssh-ed25519 AAAA one", "ssh-rsa BBBB two"]);
  });

  test("the user's meta-data is laid over ours; what is no mapping is refused", () => {
    const mine = vm({ metaData: { cloudInit: { inline: "local-hostname: db\nregion: north\n" } } });
    const resolved = resolve(mine);
    assert.ok(resolved.ok);
    const seed = Buffer.from(seedOf(mine, resolved.value, [{ macAddress: "52:54:00:00:00:01", dhcp4: true }])).toString(
      "latin1",
    );
    assert.match(seed, /"local-hostname": "db"/);
    assert.match(seed, /"region": "north"/);
    assert.match(seed, new RegExp(`"instance-id": "${uid}"`));
    assert.match(seed, /ssh-rsa BBBB two/);
    assert.match(seed, /"macaddress": "52:54:00:00:00:01"/);
    for (const inline of ["[1, 2]", "a: b: c"]) {
      const refused = resolve(vm({ metaData: { cloudInit: { inline } } }));
      assert.equal(!refused.ok && refused.problems[0]?.reason, "InvalidUserData");
    }
  });

  test("the same VM gives the same seed", () => {
    const resolved = resolve(vm({}));
    assert.ok(resolved.ok);
    assert.deepEqual(seedOf(vm({}), resolved.value, []), seedOf(vm({}), resolved.value, []));
  });

  test("a clone is told to make a machine-id of its own, and no other machine is", () => {
    const resolved = resolve(vm({}));
    assert.ok(resolved.ok);
    const { value } = resolved;
    const textOf = (machine: VirtualMachine): string => Buffer.from(seedOf(machine, value, [])).toString("latin1");
    const clonedFrom = (machine: VirtualMachine): VirtualMachine => ({
      ...machine,
      metadata: { ...machine.metadata, labels: { [clonedByLabel]: uid } },
    });
    assert.match(textOf(clonedFrom(vm({}))), /#cloud-boothook[^]*systemd-machine-id-setup[^]*restart systemd-networkd/);
    assert.doesNotMatch(textOf(vm({})), /machine-id/);
    const role = vm({ userData: { vendorData: { inline: "#!/bin/sh\necho role\n" } } });
    assert.match(textOf(clonedFrom(role)), /#cloud-config-archive[^]*machine-id[^]*echo role/);
  });
});
