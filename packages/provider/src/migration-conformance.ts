// The rules of the role `migration`, between the provider and another one of its type.

import assert from "node:assert/strict";
import { build, dismantle, rejects } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { MigrationRole, MoveStorage } from "./migration.ts";
import type { Provider, VmIdentity } from "./provider.ts";

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function migrationRules(rule: Rule): void {
  const moving = (title: string, run: (subject: ConformanceSubject, pair: Pair) => Promise<void>): void =>
    rule(title, async (subject) => {
      const { provider, other } = subject;
      if (provider.migration === undefined || other?.migration === undefined) return;
      await run(subject, { role: provider.migration, back: other.migration, other });
    });

  moving("a VM that is not there cannot be moved, and nobody has it", async ({ newVm }, { role, back }) => {
    const vm = newVm();
    const { obstacles } = await role.check(vm, { to: back.target, mode: "offline" });
    assert.deepEqual(
      obstacles.map(({ reason }) => reason),
      ["NotDefined"],
    );
    assert.equal(await role.settle(vm, { to: back.target, mode: "offline", storage: "shared" }), "neither");
    await rejects(role.move(vm, { to: back.target, mode: "offline", storage: "shared" }), "NotFound");
  });

  moving(
    "a running VM cannot be moved offline, nor one that is off live, nor any to where it is",
    async (subject, { role, back }) => {
      const { provider, newVm } = subject;
      const vm = newVm();
      await build(subject, vm);
      const reasons = async (to: MigrationRole, mode: "live" | "offline") =>
        (await role.check(vm, { to: to.target, mode })).obstacles.map(({ reason }) => reason);
      assert.deepEqual(await reasons(back, "live"), ["MachineNotRunning"]);
      assert.deepEqual(await reasons(back, "offline"), []);
      assert.ok((await reasons(role, "offline")).includes("SameHost"));
      await provider.compute.start(vm);
      assert.deepEqual(await reasons(back, "offline"), ["MachineRunning"]);
      await dismantle(provider, vm);
    },
  );

  for (const mode of ["offline", "live"] as const) {
    moving(
      `a VM moves there and back, ${mode}, and is in one place each time`,
      async (subject, { role, back, other }) => {
        const { provider, newVm } = subject;
        const vm = newVm();
        await build(subject, vm);
        if (mode === "live") await provider.compute.start(vm);
        const storage = await ready(role, vm, { to: back, mode });
        const told: number[] = [];
        await role.move(
          vm,
          { to: back.target, mode, storage },
          { onProgress: ({ doneBytes, totalBytes }) => void told.push(doneBytes / totalBytes) },
        );
        assert.ok(told.every((share) => share >= 0 && share <= 1));
        assert.equal(await role.settle(vm, { to: back.target, mode, storage }), "target");
        assert.equal(await role.settle(vm, { to: back.target, mode, storage }), "target");
        await onlyAt(other, { away: provider, vm, storage, isOn: mode === "live" });
        await back.move(vm, { to: role.target, mode, storage: await ready(back, vm, { to: role, mode }) });
        assert.equal(await back.settle(vm, { to: role.target, mode, storage }), "target");
        await onlyAt(provider, { away: other, vm, storage, isOn: mode === "live" });
        await dismantle(provider, vm);
      },
    );
  }

  moving(
    "disks without a domain are copied to another VM there, which has none yet, as often as asked",
    async (subject, pair) => {
      const { provider, image, newVm } = subject;
      const { role, back, other } = pair;
      const [owner, vm] = [newVm(), newVm()];
      const to = { target: back.target, vm, isVerified: true };
      await rejects(role.exportDisks(owner, to), "NotFound");
      await provider.disks.ensureData(owner, { name: "root", sizeBytes: image.virtualSizeBytes, preallocated: false });
      for (let count = 0; count < 2; count += 1) {
        const [only, ...rest] = await role.exportDisks(owner, to);
        assert.deepEqual([only?.name, only?.sizeBytes, rest], ["root", image.virtualSizeBytes, []]);
        assert.match(only?.checksum ?? "", /^sha256:[0-9a-f]{64}$/);
      }
      const seen = await other.compute.observe(vm);
      assert.equal(seen.kind === "absent" && seen.volumes.length, 1);
      await other.disks.remove(vm);
      await provider.disks.remove(owner);
    },
  );

  moving("a move that is given up leaves the VM where it was", async (subject, { role, back, other }) => {
    const { provider, newVm } = subject;
    const vm = newVm();
    await build(subject, vm);
    await provider.compute.start(vm);
    const storage = await ready(role, vm, { to: back, mode: "live" });
    const abort = new AbortController();
    abort.abort(new Error("given up"));
    await assert.rejects(role.move(vm, { to: back.target, mode: "live", storage }, { signal: abort.signal }));
    assert.equal(await role.settle(vm, { to: back.target, mode: "live", storage }), "source");
    await onlyAt(provider, { away: other, vm, storage, isOn: true });
    await dismantle(provider, vm);
  });
}

interface Pair {
  readonly role: MigrationRole;
  readonly back: MigrationRole;
  readonly other: Provider;
}

async function ready(
  role: MigrationRole,
  vm: VmIdentity,
  { to, mode }: { readonly to: MigrationRole; readonly mode: "live" | "offline" },
): Promise<MoveStorage> {
  const { obstacles, storage } = await role.check(vm, { to: to.target, mode });
  assert.deepEqual(obstacles, []);
  return storage;
}

async function onlyAt(
  here: Provider,
  {
    away,
    vm,
    storage,
    isOn,
  }: { readonly away: Provider; readonly vm: VmIdentity; readonly storage: MoveStorage; readonly isOn: boolean },
): Promise<void> {
  const [there, gone] = [await here.compute.observe(vm), await away.compute.observe(vm)];
  assert.equal(there.kind === "present" && there.power, isOn ? "running" : "off");
  assert.equal(gone.kind, "absent");
  if (storage === "copied") assert.deepEqual(gone.kind === "absent" && gone.volumes, []);
  assert.ok(there.kind === "present" && there.volumes.length > 0);
}
