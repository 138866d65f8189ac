import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { KubeconfigError } from "./kubeconfig-error.ts";
import { loadKubeconfig } from "./kubeconfig.ts";

test("the current context gives server, namespace, authority and credentials", async (t) => {
  const folder = await folderOf(t, {
    config: kubeconfig({ cluster: { "certificate-authority-data": base64("CA") }, user: { token: "secret" } }),
  });
  assert.deepEqual(await loadKubeconfig({ path: join(folder, "config") }), {
    server: "https://one:6443",
    namespace: "default",
    isTlsUnverified: false,
    ca: "CA",
    token: "secret",
  });
});

test("relative files are looked for beside the kubeconfig", async (t) => {
  const folder = await folderOf(t, {
    config: kubeconfig({
      cluster: { "certificate-authority": "ca.pem" },
      user: { "client-certificate": "cert.pem", "client-key": "key.pem" },
    }),
    "ca.pem": "CA",
    "cert.pem": "CERT",
    "key.pem": "KEY",
  });
  const cluster = await loadKubeconfig({ path: join(folder, "config") });
  assert.equal(cluster.ca, "CA");
  assert.deepEqual(cluster.clientCertificate, { cert: "CERT", key: "KEY" });
});

test("in a KUBECONFIG list the first file that names something wins, and absent files are skipped", async (t) => {
  const folder = await folderOf(t, {
    a: kubeconfig({ cluster: {}, user: { token: "first" }, namespace: "lab" }),
    b: kubeconfig({ cluster: { server: "https://other" }, user: { token: "second" } }),
  });
  const list = ["absent", "a", "b"].map((name) => join(folder, name)).join(":");
  const cluster = await loadKubeconfig({ env: { KUBECONFIG: list } });
  assert.equal(cluster.token, "first");
  assert.equal(cluster.server, "https://one:6443");
  assert.equal(cluster.namespace, "lab");
});

test("a missing kubeconfig says where it was looked for", async (t) => {
  const folder = await folderOf(t, {});
  await assert.rejects(loadKubeconfig({ env: { HOME: folder } }), (error) => {
    assert.ok(error instanceof KubeconfigError);
    assert.equal(error.code, "NotFound");
    assert.match(error.message, /\.kube\/config/);
    return true;
  });
});

test("each broken kubeconfig is refused by its code", async (t) => {
  const folder = await folderOf(t, {
    yaml: "a: [",
    list: "- a",
    context: kubeconfig({ cluster: {}, user: {} }).replace("current-context: one", "current-context: two"),
    exec: kubeconfig({ cluster: {}, user: { exec: { command: "aws" } } }),
    file: kubeconfig({ cluster: { "certificate-authority": "absent.pem" }, user: {} }),
    empty: "",
  });
  const expected = {
    yaml: "Malformed",
    list: "Malformed",
    context: "Missing",
    exec: "Unsupported",
    file: "Missing",
    empty: "Missing",
  };
  for (const [name, code] of Object.entries(expected)) {
    await assert.rejects(
      loadKubeconfig({ path: join(folder, name) }),
      (error) => error instanceof KubeconfigError && error.code === code,
      name,
    );
  }
});

function kubeconfig(parts: { cluster: object; user: object; namespace?: string }): string {
  return `apiVersion: v1
kind: Config
current-context: one
contexts:
  - name: one
    context: ${JSON.stringify({ cluster: "one", user: "one", ...(parts.namespace === undefined ? {} : { namespace: parts.namespace }) })}
clusters:
  - name: one
    cluster: ${JSON.stringify({ server: "https://one:6443", ...parts.cluster })}
users:
  - name: one
    user: ${JSON.stringify(parts.user)}
`;
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

async function folderOf(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "vivarium-kubeconfig-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}
