import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadKubeconfig } from "@vivarium/client";
import { writePrivateFile } from "../write-private-file.ts";
import { kubeconfigFor } from "./kubeconfig.ts";

test("clients read back what was written, and nobody else can", async (t) => {
  const folder = mkdtempSync("/tmp/viv-kubeconfig-");
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "kubeconfig");
  writeFileSync(path, "left by somebody else", { mode: 0o644 });
  writePrivateFile(path, kubeconfigFor({ url: "https://127.0.0.1:7443", caPem: "PEM\n", token: "secret" }));
  assert.deepEqual(await loadKubeconfig({ path }), {
    server: "https://127.0.0.1:7443",
    namespace: "default",
    isTlsUnverified: false,
    ca: "PEM\n",
    token: "secret",
  });
  assert.equal(statSync(path).mode & 0o777, 0o600);
});
