// etcd as clusters are set up where it matters: TLS both ways, a user with a password.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ConfigMap } from "@vivarium/api";
import { EtcdServer, whyNoEtcd } from "@vivarium/store";
import { VivProcess } from "../testing/viv-process.ts";

const noOpenssl = spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not installed";

describe("etcd with TLS and client certificates", { skip: whyNoEtcd() || noOpenssl, concurrency: false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "viv-etcd-tls-"));
  const file = (name: string): string => join(folder, name);
  let etcd: EtcdServer;

  before(async () => {
    makeCertificates(folder);
    const server = ["--cert-file", file("peer.crt"), "--key-file", file("peer.key")];
    const clients = ["--client-cert-auth", "--trusted-ca-file", file("ca.crt")];
    etcd = await EtcdServer.start({ scheme: "https", arguments: [...server, ...clients] });
  });
  after(async () => {
    await etcd[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a server with a certificate that the cluster knows is let in", async () => {
    const store = ["--store", "etcd", "--etcd-endpoints", etcd.endpoint, "--etcd-ca", file("ca.crt")];
    await using server = new VivProcess({
      arguments: [...store, "--etcd-cert", file("peer.crt"), "--etcd-key", file("peer.key")],
    });
    await server.start();
    const client = await server.client();
    const metadata = { namespace: "default", name: "secure" };
    await client.create(ConfigMap, { apiVersion: "v1", kind: "ConfigMap", metadata });
    assert.equal((await client.get(ConfigMap, metadata)).metadata.name, "secure");
    await client.close();
  });

  test("without it, or with another CA, it says so and ends", async () => {
    for (const store of [["--etcd-ca", file("ca.crt")], []]) {
      const server = new VivProcess({ arguments: ["--store", "etcd", "--etcd-endpoints", etcd.endpoint, ...store] });
      await assert.rejects(
        server.start(),
        /Cannot reach etcd: no connection to https:\/\/127\.0\.0\.1:\d+[\s\S]*--etcd-cert/,
      );
      await server[Symbol.asyncDispose]();
    }
  });
});

/** A CA, and one certificate that the cluster and its clients share. */
function makeCertificates(folder: string): void {
  const openssl = (args: string): void =>
    void execFileSync("openssl", args.split(" "), { cwd: folder, stdio: "ignore" });
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  openssl(`req -x509 ${key} -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca`);
  openssl(`req ${key} -keyout peer.key -out peer.csr -subj /CN=root`);
  writeFileSync(join(folder, "extensions"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n");
  openssl("x509 -req -in peer.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out peer.crt");
}
