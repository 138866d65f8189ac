// Who may do what, seen through the stock kubectl: a user who only views, a service account with a token, impersonation, and what of it all
// stands in the audit log. The expected sentences are kube-apiserver's.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { eventually } from "./support/eventually.ts";
import { VivServer } from "./support/viv-server.ts";

const vms = "virtualmachines.infra.virtrigaud.io";

interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly impersonatedUser?: { readonly username: string };
  readonly objectRef?: { readonly resource: string; readonly name?: string };
  readonly responseStatus: { readonly code: number };
}

describe("access", { concurrency: false }, () => {
  let server: VivServer;
  let viewer: string;

  const kubectl = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await server.kubectl(args);
    assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  };
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await server.kubectl(args);
    assert.notEqual(code, 0, `kubectl ${args.join(" ")}: ${stdout}`);
    return stderr;
  };
  const asViewer = (...args: readonly string[]) => [`--kubeconfig=${viewer}`, ...args];
  const sentence = (verb: string, resource: string, group: string) =>
    `User "alice" cannot ${verb} resource "${resource}" in API group "${group}" in the namespace "default"`;
  const url = async () => (await kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")).trim();
  /** With nothing but this token. */
  const withToken = async (token: string) => [
    "--kubeconfig=/dev/null",
    `--server=${await url()}`,
    "--insecure-skip-tls-verify",
    `--token=${token}`,
  ];

  before(async () => {
    server = await VivServer.create();
    await server.start();
    viewer = join(server.stateDirectory, "alice.kubeconfig");
    const made = await server.viv(["server", "user", "alice", "--group", "devs", "-o", viewer]);
    assert.equal(made.code, 0, made.stderr);
    await kubectl("create", "secret", "generic", "password", "--from-literal=word=sesame");
    await server.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}");
  });
  after(() => server[Symbol.asyncDispose]());

  test("whoami tells the user and the groups of the certificate", async () => {
    const out = await kubectl(...asViewer("auth", "whoami"));
    assert.match(out, /^Username +alice$/m);
    assert.match(out, /^Groups +\[devs system:authenticated\]$/m);
  });

  test("without a binding nothing but discovery is allowed", async () => {
    assert.ok(
      (await refused(...asViewer("get", "vm"))).includes(
        `${vms} is forbidden: ${sentence("list", "virtualmachines", "infra.virtrigaud.io")}`,
      ),
    );
    assert.match(await kubectl(...asViewer("api-resources")), /^virtualmachines /m);
  });

  test("with the role view: reading, but no Secrets, no changes, no consoles", async () => {
    await kubectl("create", "rolebinding", "devs", "--clusterrole=view", "--group=devs");
    await eventually(
      "the binding holds",
      async () => {
        const { code } = await server.kubectl(asViewer("get", "vm"));
        return code === 0 ? true : undefined;
      },
      { timeoutMs: 5_000 },
    );
    assert.match(await kubectl(...asViewer("get", "configmap", "settings")), /settings/);
    const wrong: readonly [readonly string[], string][] = [
      [["get", "secret", "password"], `secrets "password" is forbidden: ${sentence("get", "secrets", "")}`],
      [["create", "configmap", "x"], `configmaps is forbidden: ${sentence("create", "configmaps", "")}`],
      [
        ["delete", "configmap", "settings"],
        `configmaps "settings" is forbidden: ${sentence("delete", "configmaps", "")}`,
      ],
      [
        ["delete", "vm", "web"],
        `${vms} "web" is forbidden: ${sentence("delete", "virtualmachines", "infra.virtrigaud.io")}`,
      ],
      [
        ["get", "--raw", "/apis/infra.virtrigaud.io/v1beta1/namespaces/default/virtualmachines/web/console"],
        `${vms} "web" is forbidden: ${sentence("get", "virtualmachines/console", "infra.virtrigaud.io")}`,
      ],
      [
        ["patch", "configmap", "settings", "--type=merge", "-p", "{}"],
        `configmaps "settings" is forbidden: ${sentence("patch", "configmaps", "")}`,
      ],
      [
        ["get", "vm", "-A"],
        `${vms} is forbidden: User "alice" cannot list resource "virtualmachines" in API group "infra.virtrigaud.io" at the cluster scope`,
      ],
      [["get", "--raw", "/metrics"], 'forbidden: User "alice" cannot get path "/metrics"'],
      [
        ["create", "rolebinding", "mine", "--clusterrole=admin", "--user=alice"],
        sentence("create", "rolebindings", "rbac.authorization.k8s.io"),
      ],
    ];
    for (const [args, message] of wrong) {
      const stderr = await refused(...asViewer(...args));
      assert.ok(stderr.includes(message), `kubectl ${args.join(" ")}:\n${stderr}expected: ${message}`);
    }
  });

  test("can-i answers the same", async () => {
    const canI = async (...args: readonly string[]) =>
      (await server.kubectl(asViewer("auth", "can-i", ...args))).stdout.trim();
    assert.equal(await canI("list", "vm"), "yes");
    assert.equal(await canI("get", "vm", "--subresource=log"), "yes");
    assert.equal(await canI("get", "vm", "--subresource=console"), "no");
    assert.equal(await canI("get", "secrets"), "no");
    assert.equal(await canI("delete", "vm/web"), "no");
    assert.equal(await canI("get", "/version"), "yes");
    assert.match(
      await kubectl(...asViewer("auth", "can-i", "--list")),
      /^virtualmachines\.infra\.virtrigaud\.io +\[\] +\[\] +\[get list watch\]$/m,
    );
    assert.equal(
      await kubectl("auth", "can-i", "get", "secrets", "--as=alice", "--as-group=devs").catch(() => "no"),
      "no",
    );
  });

  test("a service account's token is good for what its bindings say, and not when it was changed", async () => {
    await kubectl("create", "serviceaccount", "robot");
    await kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps");
    await kubectl("create", "rolebinding", "robot", "--role=reader", "--serviceaccount=default:robot");
    const token = (await kubectl("create", "token", "robot", "--duration=10m")).trim();
    const robot = await withToken(token);
    assert.match(await kubectl(...robot, "auth", "whoami"), /system:serviceaccount:default:robot/);
    assert.match(await kubectl(...robot, "get", "configmaps"), /settings/);
    assert.match(await refused(...robot, "get", "secrets"), /User "system:serviceaccount:default:robot" cannot list/);
    const changed = `${token.slice(0, -10)}${token.at(-10) === "A" ? "B" : "A"}${token.slice(-9)}`;
    assert.match(await refused(...(await withToken(changed)), "get", "configmaps"), /Unauthorized/);
    assert.match(
      await refused("create", "token", "robot", "--duration=1m"),
      /may not specify a duration less than 10 minutes/,
    );
    assert.match(await kubectl("get", "serviceaccounts"), /^default +\d+s$/m);
  });

  test("impersonation is for who may", async () => {
    assert.match(
      await refused("get", "secrets", "--as=alice", "--as-group=devs"),
      /User "alice" cannot list resource "secrets"/,
    );
    assert.match(
      await refused(...asViewer("get", "secrets", "--as=root", "--as-group=system:masters")),
      /users "root" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope/,
    );
  });

  test("nobody hands out what he has not", async () => {
    await kubectl("create", "role", "binder", "--verb=create", "--resource=rolebindings,roles");
    await kubectl("create", "rolebinding", "binder", "--role=binder", "--user=alice");
    const stderr = await eventually(
      "the binding holds",
      async () => {
        const answer = await refused(
          ...asViewer("create", "rolebinding", "mine", "--clusterrole=edit", "--user=alice"),
        );
        return answer.includes("attempting to grant") ? answer : undefined;
      },
      { timeoutMs: 5_000 },
    );
    assert.match(
      stderr,
      /user "alice" \(groups=\["devs" "system:authenticated"\]\) is attempting to grant RBAC permissions not currently held/,
    );
  });

  test("Secrets lie encrypted, before and after the keys are rotated", async () => {
    const lies = async () => {
      const files = await Promise.all(
        ["vivarium.db", "vivarium.db-wal"].map((name) =>
          readFile(join(server.stateDirectory, name)).catch(() => Buffer.alloc(0)),
        ),
      );
      const word = Buffer.from("sesame").toString("base64");
      return files.some((file) => file.includes(word));
    };
    assert.equal(await lies(), false);
    const rotated = await server.viv(["server", "rotate-keys"]);
    assert.equal(rotated.code, 0, rotated.stderr);
    assert.match(rotated.stdout, /1 were written again/);
    assert.equal(await lies(), false);
    const read = await kubectl("get", "secret", "password", "-o", "jsonpath={.data.word}");
    assert.equal(Buffer.from(read, "base64").toString(), "sesame");
  });

  test("the audit log has the changes and the refusals, and no Secret's contents; a clean end loses nothing", async () => {
    await kubectl("delete", "configmap", "settings");
    assert.equal(await server.kill("SIGTERM"), 0);
    const text = await readFile(join(server.stateDirectory, "audit", "audit.log"), "utf8");
    for (const word of ["sesame", Buffer.from("sesame").toString("base64")]) assert.ok(!text.includes(word));
    const events = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as AuditEvent);
    const has = (verb: string, resource: string, of: { user: string; code: number; as?: string }) =>
      events.some(
        (event) =>
          event.verb === verb &&
          event.objectRef?.resource === resource &&
          event.user.username === of.user &&
          event.responseStatus.code === of.code &&
          event.impersonatedUser?.username === of.as,
      );
    assert.ok(has("create", "secrets", { user: "vivarium-admin", code: 201 }));
    assert.ok(has("get", "secrets", { user: "alice", code: 403 }));
    assert.ok(has("list", "secrets", { user: "vivarium-admin", code: 403, as: "alice" }));
    assert.ok(has("list", "configmaps", { user: "", code: 401 }));
    assert.ok(has("create", "serviceaccounts", { user: "vivarium-admin", code: 201 }));
    const last = events.findLast((event) => event.objectRef?.name === "settings");
    assert.deepEqual([last?.verb, last?.responseStatus.code], ["delete", 200]);
    await server.start();
  });
});
