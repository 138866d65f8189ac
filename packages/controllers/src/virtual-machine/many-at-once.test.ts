import assert from "node:assert/strict";
import { test } from "node:test";
import { restartAnnotation, VirtualMachine } from "@vivarium/api";
import { flakyProvider, seededRandom } from "../testing/flaky-provider.ts";
import { readyOf, VmLab } from "../testing/vm-lab.ts";

const count = 200;
const share = 0.05;

test(
  "200 operations at once, of whose calls one in twenty fails, end with all done and none done twice",
  { timeout: 600_000 },
  async (t) => {
    const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
    t.diagnostic(`SEED=${seed}`);
    const random = seededRandom(seed);
    let failures = 0;
    const onFailure = (): void => void (failures += 1);
    const host = { cpus: 4 * count, memoryBytes: 2 * count * 2 ** 30 };
    const lab = await VmLab.start(t, {
      host,
      through: (provider) => flakyProvider(provider, { random, share, onFailure }),
    });
    const names = Array.from({ length: count }, (_, index) => `vm-${index}`);
    const all = async (what: string, isSo: (vms: readonly VirtualMachine[]) => boolean) =>
      lab.until(what, async () => isSo((await lab.client.list(VirtualMachine)).items), 3_600_000);
    const isReady = (vm: VirtualMachine): boolean => readyOf(vm)?.status === "True";

    await Promise.all(names.map((name) => lab.createVm(name)));
    await all(`all are Ready (seed ${seed})`, (vms) => vms.length === count && vms.every(isReady));
    const domains = () => [...lab.sim.world.domains.values()];
    assert.equal(domains().length, count);
    assert.deepEqual(new Set(domains().map(({ boots }) => boots)), new Set([1]));

    const [gone, restarted] = [names.slice(0, count / 2), names.slice(count / 2)];
    await Promise.all([
      ...gone.map((name) => lab.deleteVm(name)),
      ...restarted.map((name) => lab.patchVm(name, { metadata: { annotations: { [restartAnnotation]: "now" } } })),
    ]);
    const isRestarted = (vm: VirtualMachine): boolean =>
      isReady(vm) && lab.sim.world.domains.get(vm.metadata.uid ?? "")?.boots === 2;
    await all(
      `half are gone, half are restarted (seed ${seed})`,
      (vms) => vms.length === restarted.length && vms.every(isRestarted),
    );
    // Nothing that was repeated comes late.
    await lab.clock.advance(60_000);
    assert.equal(domains().length, restarted.length);
    assert.deepEqual(new Set(domains().map(({ boots }) => boots)), new Set([2]));
    const owners = new Set([...lab.sim.world.volumes.values()].map(({ owner }) => owner.uid));
    assert.equal(owners.size, restarted.length);
    assert.ok(failures > count / 10, `${failures} calls failed`);
  },
);
