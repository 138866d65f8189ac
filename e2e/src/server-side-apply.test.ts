// Server-side apply, diff and dry runs of the product's own kinds through the stock kubectl, next to controllers that write status all the time.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually } from "./support/eventually.ts";
import { VivServer, type CommandResult } from "./support/viv-server.ts";

/** Its class does not exist: the controller reports that and makes nothing. */
const machine = (spec: string): string => `apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata:
  name: ssa
spec:
  providerRef: {name: local}
  classRef: {name: ssa-missing}
  imageRef: {name: ssa-missing}
  ${spec.replaceAll("\n", "\n  ")}
`;

const disks = (...sizes: readonly [name: string, sizeGiB: number][]): string =>
  `disks:\n${sizes.map(([name, size]) => `- {name: ${name}, sizeGiB: ${size}}`).join("\n")}`;

interface Entry {
  readonly manager: string;
  readonly operation: string;
  readonly subresource?: string;
}

describe("server-side apply", { concurrency: false }, () => {
  let server: VivServer;

  before(async () => {
    server = await VivServer.create();
    await server.start();
  });
  after(async () => server[Symbol.asyncDispose]());

  const run = (command: string, input?: string): Promise<CommandResult> =>
    server.kubectl(command.split(" "), input === undefined ? {} : { input });
  const kubectl = async (command: string, input?: string): Promise<string> => {
    const result = await run(command, input);
    assert.equal(result.code, 0, `${command}: ${result.stderr}`);
    return result.stdout;
  };
  const owners = async (): Promise<readonly Entry[]> => {
    const text = await kubectl("get vm ssa -o json --show-managed-fields");
    return (JSON.parse(text) as { metadata: { managedFields: Entry[] } }).metadata.managedFields;
  };

  test("what is applied belongs to its manager, and status to the controllers", async () => {
    const input = machine(`powerState: "On"\n${disks(["data", 2])}`);
    assert.equal(
      await kubectl("apply --server-side -f -", input),
      "virtualmachine.infra.virtrigaud.io/ssa serverside-applied\n",
    );
    await eventually("the controllers have written status", async () =>
      (await owners()).some((entry) => entry.subresource === "status") ? true : undefined,
    );
    assert.deepEqual(
      (await owners()).map(({ manager, operation, subresource }) => [manager, operation, subresource]).slice(0, 1),
      [["kubectl", "Apply", undefined]],
    );
    assert.ok((await owners()).some(({ manager }) => manager === "vivarium-controllers"));
    assert.equal((await run("apply --server-side -f -", input)).code, 0);
  });

  test("a conflict names the field of the list's item and its manager; --force-conflicts takes it over", async () => {
    const input = machine(disks(["data", 3]));
    const refused = await run("apply --server-side --field-manager=other -f -", input);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^error: Apply failed with 1 conflict: conflict with "kubectl": \.spec\.disks\[name="data"\]\.sizeGiB\n/,
    );
    assert.match(refused.stderr, /--force-conflicts/);
    await kubectl("apply --server-side --field-manager=other --force-conflicts -f -", input);
    assert.equal(await kubectl("get vm ssa -o jsonpath={.spec.disks[0].sizeGiB}"), "3");
  });

  test("several managers have their own disks in one list, and each removes only its own", async () => {
    await kubectl("apply --server-side --field-manager=third -f -", machine(disks(["more", 1])));
    assert.equal(await kubectl("get vm ssa -o jsonpath={.spec.disks[*].name}"), "data more");
    await kubectl("apply --server-side --field-manager=third -f -", machine(""));
    assert.equal(await kubectl("get vm ssa -o jsonpath={.spec.disks[*].name}"), "data");
  });

  test("diff ends with 0 for what is so already and with 1 for what is not, and neither writes", async () => {
    const same = machine(disks(["data", 3]));
    const before = await kubectl("get vm ssa -o jsonpath={.metadata.generation}");
    assert.equal((await run("diff --server-side --field-manager=other -f -", same)).code, 0);
    const changed = await run("diff --server-side --field-manager=other -f -", machine(disks(["data", 4])));
    assert.equal(changed.code, 1, changed.stderr);
    assert.match(changed.stdout, /^-.*sizeGiB: 3\n\+.*sizeGiB: 4$/m);
    assert.equal(await kubectl("get vm ssa -o jsonpath={.metadata.generation}"), before);
  });

  test("--dry-run=server answers with defaults and validation, and writes nothing", async () => {
    const input = machine(disks(["data", 5])).replace("name: ssa\n", "name: ssa-dry\n");
    assert.match(await kubectl("apply --server-side --dry-run=server -o yaml -f -", input), /^ {4}sizeGiB: 5$/m);
    const invalid = await run("apply --server-side --dry-run=server -f -", input.replace("sizeGiB: 5", "sizeGiB: -1"));
    assert.match(invalid.stderr, /spec\.disks\[0\]\.sizeGiB/);
    assert.equal((await run("get vm ssa-dry")).code, 1);
    assert.match(await kubectl("delete vm ssa --dry-run=server"), /\(server dry run\)/);
    await kubectl("get vm ssa");
  });

  test("what a client-side apply began goes on as server-side apply", async () => {
    const of = (size: number, note: string) =>
      `{apiVersion: v1, kind: ConfigMap, metadata: {name: ssa-moved}, data: {size: "${size}"${note}}}`;
    await kubectl("apply -f -", of(1, ', note: "x"'));
    await kubectl("apply --server-side -f -", of(2, ""));
    assert.equal(await kubectl("get cm ssa-moved -o jsonpath={.data}"), '{"size":"2"}');
  });

  test("text that YAML 1.1 would read as a boolean survives an edit", async () => {
    assert.match((await server.viv(["get", "vm", "ssa", "-o", "yaml"])).stdout, /^ {2}powerState: "On"$/m);
    assert.match(await kubectl("get --raw /openapi/v2"), /^\{"swagger":"2\.0"/);
  });
});
