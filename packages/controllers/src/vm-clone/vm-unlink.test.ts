import assert from "node:assert/strict";
import { test } from "node:test";
import { linkedToLabel, Provider, unlinkAnnotation, unlinkProgressAnnotation, VirtualMachine } from "@vivarium/api";
import type { CloneProgress, Provider as OpenProvider } from "@vivarium/provider";
import { controllersLab, machine, provider } from "../testing/controllers-lab.ts";
import { eventually } from "../testing/eventually.ts";
import { createVmUnlinkController } from "./vm-unlink.ts";

const key = { namespace: "default", name: "copy" };

test("how far it is stands beside the request while the work goes on, and goes with it", async (t) => {
  const { manager, providers, clock, client, run } = await controllersLab(t);
  let report: (progress: CloneProgress) => void = () => undefined;
  const { promise: done, resolve: finish } = Promise.withResolvers<void>();
  const through = (open: OpenProvider): OpenProvider => ({
    ...open,
    clones: {
      create: () => Promise.reject(new Error("not asked for")),
      read: () => Promise.reject(new Error("not asked for")),
      unlink: async (_vm, options) => {
        report = options?.onProgress ?? report;
        await done;
      },
    },
  });
  const registry = {
    get: (wanted: Parameters<typeof providers.get>[0]) => {
      const open = providers.get(wanted);
      return open && through(open);
    },
    subscribe: providers.subscribe.bind(providers),
  };
  run(createVmUnlinkController({ manager, providers: registry, clock }));
  await client.create(Provider, provider("sim"));
  const vm = machine("copy", {});
  const metadata = {
    ...vm.metadata,
    labels: { [linkedToLabel]: "x" },
    annotations: { [unlinkAnnotation]: "2026-01-01T00:00:00Z" },
  };
  const made = await client.create(VirtualMachine, { ...vm, metadata });
  await client.updateStatus(VirtualMachine, {
    ...made,
    status: { domain: "copy", provider: { madeOn: "default/sim" } },
  });
  const annotations = async () => (await client.get(VirtualMachine, key)).metadata.annotations ?? {};
  const progress = async (text: string | undefined) =>
    eventually(
      async () => {
        // What waits for its Provider looks again, and news come once a second at most.
        await clock.advance(1_000);
        report({ disk: "root", diskDoneBytes: 420, diskTotalBytes: 1000, doneDisks: 0, totalDisks: 1 });
        return (await annotations())[unlinkProgressAnnotation] === text;
      },
      `progress ${text ?? "away"}`,
    );
  await progress("42");
  finish();
  await progress(undefined);
  assert.equal((await annotations())[unlinkAnnotation], undefined);
});
