// A guest's screen and serial console from outside: pictures, RFB through the API server with a header and with a token, `viv vnc`, several
// users at one console, and a log that outlives guest and server.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { PNG } from "pngjs";
import { createWebSocketStream, WebSocket } from "ws";
import { parse } from "yaml";
import { eventually } from "./support/eventually.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { vivPath } from "./support/paths.ts";
import { lookAtScreen } from "./support/rfb.ts";
import { run, VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const name = "vvscr-web";
const path = `/apis/infra.virtrigaud.io/v1beta1/namespaces/default/virtualmachines/${name}`;

interface Kubeconfig {
  readonly clusters: readonly [
    { readonly cluster: { readonly server: string; readonly "certificate-authority-data": string } },
  ];
  readonly users: readonly [{ readonly user: { readonly token: string } }];
}

describe("console and screen", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
    await server.apply(tinyVm(name));
    await logged(/TINY-READY/);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  async function logged(text: RegExp): Promise<string> {
    return eventually(
      `the log has ${String(text)}`,
      async () => {
        const { stdout } = await server.viv(["logs", name]);
        return text.test(stdout) ? stdout : undefined;
      },
      { timeoutMs: 120_000, everyMs: 500 },
    );
  }

  async function access(): Promise<{ readonly url: string; readonly ca: Buffer; readonly token: string }> {
    const { clusters, users } = parse(await readFile(server.kubeconfig, "utf8")) as Kubeconfig;
    const { cluster } = clusters[0];
    return {
      url: cluster.server.replace("https:", "wss:"),
      ca: Buffer.from(cluster["certificate-authority-data"], "base64"),
      token: users[0].user.token,
    };
  }

  /** `token`: sent as a header. A refusal is thrown as its HTTP code. */
  async function open(subresource: string, options: { readonly token?: string } = {}): Promise<WebSocket> {
    const { url, ca } = await access();
    const headers = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
    const socket = new WebSocket(`${url}${path}/${subresource}`, { ca, headers });
    return new Promise((resolve, reject) => {
      socket.once("open", () => resolve(socket));
      socket.once("error", reject);
      socket.once("unexpected-response", (_request, response) => reject(new Error(`HTTP ${response.statusCode}`)));
    });
  }

  async function look(subresource: string, options: { readonly token?: string } = {}) {
    return lookAtScreen(createWebSocketStream(await open(subresource, options)));
  }

  async function vncToken(spec = "{}"): Promise<string> {
    const input = `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":${spec}}`;
    const made = await server.kubectl(["create", "--raw", `${path}/vnctoken`, "-f", "-"], { input });
    assert.equal(made.code, 0, made.stderr);
    return (JSON.parse(made.stdout) as { status: { token: string } }).status.token;
  }

  /** What a service account of this role in the namespace shows. */
  async function accountToken(role: string): Promise<string> {
    for (const args of [
      ["create", "serviceaccount", role],
      ["create", "rolebinding", role, `--clusterrole=${role}`, `--serviceaccount=default:${role}`],
    ]) {
      const made = await server.kubectl(args);
      assert.equal(made.code, 0, made.stderr);
    }
    return (await server.kubectl(["create", "token", role])).stdout.trim();
  }

  test("the screen listens on a unix socket and on no port", async () => {
    const xml = (await run("virsh", ["dumpxml", name])).stdout;
    assert.match(xml, /<listen type='socket' socket='[^']+'\/>/);
    const sockets = `${await readFile("/proc/net/tcp", "utf8")}${await readFile("/proc/net/tcp6", "utf8")}`;
    const listening = [...sockets.matchAll(/:([0-9A-F]{4}) [0-9A-F]+:0000 0A /g)].map(([, port = ""]) =>
      Number.parseInt(port, 16),
    );
    assert.deepEqual(
      listening.filter((port) => port >= 5900 && port < 6000),
      [],
    );
  });

  test("viv screenshot writes a PNG of what the screen shows", async () => {
    const file = join(server.stateDirectory, "screen.png");
    const taken = await server.viv(["screenshot", name, "-o", file]);
    assert.equal(taken.code, 0, taken.stderr);
    const png = PNG.sync.read(await readFile(file));
    assert.ok(png.width >= 320 && png.height >= 200, `${png.width} x ${png.height}`);
    assert.ok(
      png.data.some((value, index) => index % 4 !== 3 && value > 0),
      "the picture is black",
    );
  });

  test("a viewer with the right to speaks RFB through the server, two at once", async () => {
    const { token } = await access();
    const seen = await Promise.all([look("vnc", { token }), look("vnc", { token })]);
    for (const { widthPixels, heightPixels, pixels, name: title } of seen) {
      assert.ok(widthPixels >= 320 && heightPixels >= 200);
      assert.match(title, /vvscr-web/);
      assert.ok(pixels.some((value) => value > 0));
    }
  });

  test("a token opens the screen once, without a header", async () => {
    const token = await vncToken();
    assert.ok((await look(`vnc?token=${token}`)).widthPixels > 0);
    await assert.rejects(open(`vnc?token=${token}`), /HTTP 401/);
  });

  test("a wrong token, one of another subresource and an ended one are refused", async () => {
    await assert.rejects(open("vnc"), /HTTP 40[13]/);
    await assert.rejects(open("vnc?token=wrong"), /HTTP 401/);
    await assert.rejects(open(`console?token=${await vncToken()}`), /HTTP 401/);
    const short = await vncToken('{"expirationSeconds":1}');
    await delay(2_000);
    await assert.rejects(open(`vnc?token=${short}`), /HTTP 401/);
    const long = await server.kubectl(["create", "--raw", `${path}/vnctoken`, "-f", "-"], {
      input: '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":301}}',
    });
    assert.match(long.stderr, /must be from 1 to 300/);
  });

  test("who may view sees pictures and reads the log; who may edit uses screen and console", async () => {
    const [viewer, editor] = [await accountToken("view"), await accountToken("edit")];
    const can = async (account: string, verb: string, subresource: string): Promise<string> =>
      (
        await server.kubectl([
          ...["auth", "can-i", verb, "virtualmachines.infra.virtrigaud.io", `--subresource=${subresource}`],
          `--as=system:serviceaccount:default:${account}`,
        ])
      ).stdout.trim();
    assert.equal(await can("view", "get", "screenshot"), "yes");
    assert.equal(await can("view", "get", "vnc"), "no");
    assert.equal(await can("view", "create", "vnctoken"), "no");
    assert.equal(await can("edit", "create", "vnctoken"), "yes");
    await assert.rejects(open("vnc", { token: viewer }), /HTTP 403/);
    await assert.rejects(open("console", { token: viewer }), /HTTP 403/);
    assert.ok((await look("vnc", { token: editor })).widthPixels > 0);
  });

  test("viv vnc gives a viewer on this machine the screen, on loopback, and ends on Ctrl-C", async () => {
    const child = spawn(vivPath, ["vnc", name, "--state-dir", server.stateDirectory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
      assert.match(line, /^127\.0\.0\.1:\d+$/);
      const [host, port] = line.split(":");
      const viewer = connect({ host: host ?? "", port: Number(port) });
      assert.match((await lookAtScreen(viewer)).name, /vvscr-web/);
      const ended = once(child, "exit");
      child.kill("SIGINT");
      assert.deepEqual(await ended, [0, null]);
    } finally {
      child.kill("SIGKILL");
    }
    const printed = await server.viv(["vnc", name, "--url"]);
    assert.equal(printed.code, 0, printed.stderr);
    const token = new URL(printed.stdout.trim()).searchParams.get("token") ?? "";
    assert.ok((await look(`vnc?token=${token}`)).widthPixels > 0);
  });

  test("several users share the serial console: what one types, all see", async () => {
    const { token } = await access();
    const users = await Promise.all([1, 2, 3].map(() => open("console", { token })));
    const seen = users.map(() => "");
    users.forEach((user, index) => user.on("message", (data: Buffer) => (seen[index] += data.toString())));
    users[1]?.send(Buffer.from("\necho shared-$((6*7))\n"));
    await eventually("all see the answer", async () =>
      seen.every((text) => /shared-42/.test(text)) ? true : undefined,
    );
    users[0]?.close();
    users[2]?.send(Buffer.from("echo still-$((6*7))\n"));
    await eventually("who stays sees on", async () => (/still-42/.test(seen[1] ?? "") ? true : undefined));
    for (const user of users) user.close();
  });

  test("the log is kept when the guest and the server begin anew", async () => {
    const boots = (text: string): number => text.split("TINY-UP").length - 1;
    const before = boots(await logged(/still-42/));
    await server.kill("SIGKILL");
    await server.start();
    assert.equal(boots(await logged(/still-42/)), before);
    const restarted = await server.viv(["restart", name, "--timeout", "120s"], { timeoutMs: 130_000 });
    assert.equal(restarted.code, 0, restarted.stderr);
    await eventually("the next boot is in the log", async () =>
      boots((await server.viv(["logs", name])).stdout) === before + 1 ? true : undefined,
    );
    assert.match((await server.viv(["logs", name])).stdout, /still-42/);
  });

  test("a VM that is off says so instead of a picture", async () => {
    const stopped = await server.viv(["stop", name, "--force"]);
    assert.equal(stopped.code, 0, stopped.stderr);
    const taken = await server.viv(["screenshot", name, "-o", join(server.stateDirectory, "off.png")]);
    assert.notEqual(taken.code, 0);
    assert.match(taken.stderr, /domain is "off", expected "running"/);
    const viewed = await server.viv(["vnc", name]);
    assert.notEqual(viewed.code, 0);
    await server.kubectl(["delete", "vm", name, "--wait", "--timeout=60s"]);
  });
});
