// The command as users run it: a process of its own, against a real server with the simulated hypervisor.

import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { VirtualMachine } from "@vivarium/api";

const main = fileURLToPath(new URL("./main.ts", import.meta.url));
const folder = mkdtempSync("/tmp/viv-cli-");
const nodeOptions = ["--disable-warning=ExperimentalWarning", main];
const env = { ...process.env, VIV_STATE_DIR: folder, NO_COLOR: "1", HOME: folder };

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function viv(
  args: string,
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...nodeOptions, ...args.split(" ")],
      { env: { ...env, ...options.env }, timeout: 60_000 },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 255), stdout, stderr });
      },
    );
    child.stdin?.end(options.input ?? "");
  });
}

async function vm(name: string): Promise<VirtualMachine> {
  return JSON.parse((await viv(`get vm ${name} -o json`)).stdout) as VirtualMachine;
}

const manifest = (name: string, power = "On"): string => `
apiVersion: infra.virtrigaud.io/v1beta1
kind: Provider
metadata: { name: sim }
spec: { type: sim, endpoint: "sim://here" }
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMImage
metadata: { name: tiny }
spec: { source: { libvirt: { url: "file://${folder}/tiny.img", format: raw } } }
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata: { name: ${name} }
spec:
  providerRef: { name: sim }
  imageRef: { name: tiny }
  resources: { cpu: 1, memoryMiB: 128 }
  powerState: "${power}"
`;

before(async () => {
  const image = Buffer.alloc(1024 * 1024);
  image.writeUInt16LE(0xaa55, 510);
  writeFileSync(join(folder, "tiny.img"), image);
  const started = await viv("server --detach --port 0");
  assert.equal(started.code, 0, started.stderr);
});

after(async () => {
  await viv("server stop");
  rmSync(folder, { recursive: true, force: true });
});

test("a second start finds the first, a second server is refused", async () => {
  const again = await viv("server --detach --port 0");
  assert.match(again.stdout, /runs already/);
  const second = await viv("server --port 0");
  assert.equal(second.code, 4);
  assert.match(second.stderr, /A server runs on .* already \(pid \d+/);
});

test("the kubeconfig is for its owner alone", () => {
  assert.equal(statSync(join(folder, "kubeconfig")).mode & 0o777, 0o600);
});

test("apply makes a VM and waits until it is Ready; a second apply changes nothing", async () => {
  const first = await viv("apply -f - --wait --timeout 30s", { input: manifest("a") });
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /virtualmachine\.infra\.virtrigaud\.io\/a created/);
  assert.match(first.stderr, /^\d\d:\d\d:\d\d vm\/a: Ready$/m);
  const second = await viv("apply -f -", { input: manifest("a") });
  assert.deepEqual(
    second.stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[1]),
    ["unchanged", "unchanged", "unchanged"],
  );
});

test("results go to stdout and can be read by programs", async () => {
  assert.equal((await viv("get vm -o name")).stdout, "virtualmachine.infra.virtrigaud.io/a\n");
  assert.equal((await vm("a")).status?.phase, "Running");
  assert.match((await viv("get vm a -o yaml")).stdout, /^apiVersion: infra\.virtrigaud\.io\/v1beta1$/m);
  assert.match((await viv("list")).stdout, /^NAME +PHASE +.*AGE\na +Running /);
  assert.match((await viv("describe vm a")).stdout, /Conditions:\n +TYPE +STATUS/);
  const address = (await viv("ip a")).stdout.trim();
  assert.equal(address, (await vm("a")).status?.ips?.[0]);
});

test("stop, start and restart wait and say what came of it", async () => {
  const stopped = await viv("stop a --timeout 30s");
  assert.equal(stopped.code, 0, stopped.stderr);
  assert.match(stopped.stdout, /^vm\/a: stopped: /);
  assert.equal((await vm("a")).status?.phase, "Stopped");
  assert.match((await viv("start a --timeout 30s")).stdout, /^vm\/a: running$/m);
  assert.match((await viv("restart a --timeout 30s")).stdout, /^vm\/a: running again; stopped: /);
  assert.equal((await viv("stop a --force --no-wait")).stdout, "vm/a: stop requested\n");
});

test("the serial log of a VM can be read", async () => {
  assert.equal((await viv("start a --timeout 30s")).code, 0);
  assert.equal((await viv("logs a --tail 5")).code, 0);
});

test("a VM is made of a template, whose settings are not said again", async () => {
  const template = await viv("template create golden --from a --timeout 60s");
  assert.equal(template.code, 0, template.stderr);
  const made = await viv("create b --template golden --wait --timeout 60s");
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /^vm\/b: full clone of VMTemplate\/golden/m);
  assert.equal((await vm("b")).status?.phase, "Running");
  const manifestOf = await viv("create c --template golden --off --dry-run client -o yaml");
  assert.match(manifestOf.stdout, /^kind: VMClone$[^]*templateRef:\n +name: golden$[^]*powerOn: false$/m);
  const refused = await viv("create c --template golden --cpus 2 --network x");
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /--cpus, --network cannot be given/);
  assert.equal((await viv("delete vm b --yes")).code, 0);
  assert.equal((await viv("template delete golden")).code, 0);
});

test("a wait that takes too long says where it stands, and leaves the object", async () => {
  const waiting = await viv("apply -f - --wait --timeout 1s", {
    input: manifest("b").replaceAll("tiny", "missing").replace("file://", "file:///nowhere"),
  });
  assert.equal(waiting.code, 124, waiting.stderr);
  assert.match(waiting.stderr, /not Ready after 1s; the server goes on\.\n +stage: /);
  assert.match(waiting.stderr, /fix: viv describe vm b/);
  assert.equal((await vm("b")).metadata.name, "b");
});

test("Ctrl-C detaches, and says so", async () => {
  const child: ChildProcess = spawn(process.execPath, [...nodeOptions, "apply", "-f", "-", "--wait"], {
    env,
    stdio: ["pipe", "ignore", "pipe"],
  });
  let stderr = "";
  let isInterrupted = false;
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    if (stderr.includes("vm/b") && !isInterrupted) isInterrupted = child.kill("SIGINT");
  });
  child.stdin?.end(manifest("b").replaceAll("tiny", "missing").replace("file://", "file:///nowhere"));
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 130);
  assert.match(stderr, /Detached: the work on VM "b" goes on in the server/);
});

test("delete asks, says what goes, and without a yes nothing goes", async () => {
  const asked = await viv("delete vm a b");
  assert.equal(asked.code, 1);
  assert.match(
    asked.stderr,
    /Delete virtualmachine "a", its disks with everything on them\.\n.*"b".*\nGo on\? \[y\/N\]/,
  );
  assert.match(asked.stderr, /Nothing was deleted\./);
  assert.equal((await viv("delete vm a", { input: "no\n" })).code, 1);
  assert.equal((await viv("get vm a b")).code, 0);
  assert.equal((await viv("delete vm nope", { input: "y\n" })).code, 3);
});

test("delete waits until nothing is left", async () => {
  const deleted = await viv("delete vm a b --yes --timeout 30s");
  assert.equal(deleted.code, 0, deleted.stderr);
  assert.deepEqual(deleted.stdout.trim().split("\n").length, 2);
  assert.equal((await viv("get vm a")).code, 3);
  assert.equal((await viv("delete vm a")).code, 3);
  assert.equal((await viv("delete vm a --ignore-not-found")).code, 0);
});

test("each kind of failure has its exit code", async () => {
  assert.equal((await viv("get vm nope")).code, 3);
  assert.equal((await viv("get nonsense")).code, 2);
  assert.equal((await viv("apply -f -", { input: "a: [" })).code, 5);
  const invalid =
    "apiVersion: infra.virtrigaud.io/v1beta1\nkind: VMClass\nmetadata: { name: x }\nspec: { cpu: 0, memory: 1Gi }\n";
  const refused = await viv("apply -f -", { input: invalid });
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /spec\.cpu/);
  const nowhere = await viv("get vm", { env: { VIV_STATE_DIR: join(folder, "none") } });
  assert.equal(nowhere.code, 6);
  assert.match(nowhere.stderr, /fix: viv up/);
});

test("a killed server leaves nothing in the way of the next one, and nothing is lost", async () => {
  const { pid } = JSON.parse(readFileSync(join(folder, "server.json"), "utf8")) as { pid: number };
  process.kill(pid, "SIGKILL");
  const restarted = await viv("server --detach --port 0");
  assert.match(restarted.stdout, /^server started/);
  assert.equal((await viv("get provider sim")).code, 0);
});

test("stop ends the server; a stopped one is no error", async () => {
  assert.match((await viv("server stop")).stdout, /server stopped/);
  assert.equal((await viv("server stop")).stdout, "no server runs\n");
});
