import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { describe, it } from "node:test";
import { checkUserData } from "./user-data.ts";

const good = `#cloud-config
hostname: web-1
users:
  - default
  - name: ann
    groups: [sudo]
    shell: /bin/bash
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys:
      - ssh-ed25519 AAAA ann@example.org
packages:
  - nginx
  - [curl, "7.88"]
package_update: true
write_files:
  - path: /etc/motd
    content: |
      hello
    permissions: "0644"
runcmd:
  - systemctl restart nginx
  - [sh, -c, "echo ready"]
ssh_pwauth: false
chpasswd:
  expire: false
growpart: {mode: auto, devices: [/]}
ntp: {enabled: true}
timezone: Europe/Berlin
power_state: {mode: reboot, condition: false}
`;

describe("cloud-config", () => {
  it("finds nothing wrong in what is commonly written", () => {
    assert.deepEqual(checkUserData(good), []);
  });

  it("accepts empty user-data and an empty cloud-config", () => {
    for (const text of ["", "\n", "#cloud-config\n", "#cloud-config\n{}\n"]) assert.deepEqual(checkUserData(text), []);
  });

  it("says where YAML is broken", () => {
    const [problem] = checkUserData("#cloud-config\nusers:\n  - name: a\n   bad: [\n");
    assert.match(problem?.message ?? "", /^YAML: /);
    assert.equal(problem?.line, 4);
  });

  it("says path, line, what was found and what is wanted", () => {
    assert.deepEqual(checkUserData("#cloud-config\npackages:\n  - nginx\nhostname: 5\n"), [
      { path: "hostname", line: 4, message: "is the number 5, expected a string" },
    ]);
    assert.deepEqual(checkUserData("#cloud-config\nruncmd: echo\n"), [
      { path: "runcmd", line: 2, message: 'is the string "echo", expected a list' },
    ]);
  });

  it("goes to the entry of a list that is wrong", () => {
    const [problem, ...others] = checkUserData(
      "#cloud-config\nwrite_files:\n  - path: /a\n    content: x\n  - path: 7\n",
    );
    assert.deepEqual(others, []);
    assert.deepEqual(problem, { path: "write_files[1].path", line: 5, message: "is the number 7, expected a string" });
  });

  it("reads YAML 1.1 as cloud-init does: an unquoted mode is a number", () => {
    const [problem] = checkUserData("#cloud-config\nwrite_files:\n  - path: /a\n    permissions: 0644\n");
    assert.equal(problem?.path, "write_files[0].permissions");
    assert.match(problem?.message ?? "", /number 420, expected a string/);
  });

  it("takes !!binary for the string that it is", () => {
    assert.deepEqual(checkUserData("#cloud-config\nwrite_files:\n  - path: /a\n    content: !!binary aGVsbG8=\n"), []);
  });

  it("reports an unknown key with the one that was meant", () => {
    assert.deepEqual(checkUserData("#cloud-config\nhostname: a\npackges: [x]\n"), [
      { path: "packges", line: 3, message: "unknown key, which cloud-init would ignore; did you mean packages?" },
    ]);
  });

  it("reports each mistake once", () => {
    const problems = checkUserData("#cloud-config\nhostname: [a]\npackage_update: 3\nfoo: 1\n");
    assert.deepEqual(problems.map((problem) => problem.path).toSorted(), ["foo", "hostname", "package_update"]);
  });

  it("wants keys at the top", () => {
    assert.match(checkUserData("#cloud-config\n- a\n- b\n")[0]?.message ?? "", /is a list, expected keys/);
    assert.match(checkUserData("#cloud-config\njust text\n")[0]?.message ?? "", /is a single value/);
  });

  it("refuses a key given twice, tags that run code, and aliases that blow up", () => {
    assert.match(checkUserData("#cloud-config\nruncmd: [a]\nruncmd: [b]\n")[0]?.message ?? "", /unique/);
    assert.equal(checkUserData("#cloud-config\nx: !!python/object:os.system 1\n").length, 1);
    const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"];
    for (let i = 1; i < 9; i += 1) {
      const before = String.fromCharCode(96 + i);
      const name = String.fromCharCode(97 + i);
      bomb.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(",")}]`);
    }
    assert.match(checkUserData(`#cloud-config\n${bomb.join("\n")}\n`)[0]?.message ?? "", /alias/i);
  });
});

describe("other kinds of user-data", () => {
  it("accepts scripts, includes, boothooks and archives", () => {
    for (const text of [
      "#!/bin/sh\necho hi\n",
      "#include\nhttps://example.org/a\n",
      "#include-once\nhttps://example.org/a\n",
      "#cloud-boothook\n#!/bin/sh\n",
      "#cloud-config-archive\n- type: text/cloud-config\n  content: '#cloud-config'\n",
      "#part-handler\n",
    ]) {
      assert.deepEqual(checkUserData(text), [], text);
    }
  });

  it("checks a template only as far as it can be known here", () => {
    assert.deepEqual(checkUserData("## template: jinja\n#cloud-config\nhostname: {{ v1.local_hostname }}\n"), []);
    assert.equal(checkUserData("## template: jinja\nhostname: {{ x }}\n").length, 1);
    assert.deepEqual(checkUserData("## template: jinja\n#cloud-config\nhostname: 5\n")[0]?.line, 3);
  });

  it("accepts a MIME multi-part message and wants a boundary", () => {
    const mime =
      'Content-Type: multipart/mixed; boundary="=="\nMIME-Version: 1.0\n\n--==\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n--==--\n';
    assert.deepEqual(checkUserData(mime), []);
    assert.match(checkUserData("Content-Type: multipart/mixed\n\nx\n")[0]?.message ?? "", /boundary/);
  });

  it("looks into gzip", () => {
    assert.deepEqual(checkUserData(gzipSync(good)), []);
    assert.equal(checkUserData(gzipSync("#cloud-config\nhostname: 5\n"))[0]?.path, "hostname");
    assert.deepEqual(checkUserData(gzipSync(good).toString("latin1")), []);
    assert.match(checkUserData(gzipSync(good).toString("utf8"))[0]?.message ?? "", /destroys/);
    assert.match(checkUserData(gzipSync(good).subarray(0, 40))[0]?.message ?? "", /gzip/);
  });

  it("says that cloud-init would ignore anything else, and why that may be", () => {
    const message = (text: string): string => checkUserData(text)[0]?.message ?? "";
    assert.match(message("hostname: a\n"), /"hostname: a".*ignore.*Is #cloud-config missing/);
    assert.match(message(Buffer.from(good).toString("base64")), /base64/);
    assert.match(message("{}"), /expected #cloud-config/);
  });
});
