// What every provider that plays the role promises about the guest agent: a part of the conformance suite. Its guest has no agent.

import { build, dismantle, rejects } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { GuestCommand } from "./guest.ts";

const command: GuestCommand = { command: ["true"], timeoutMs: 5_000 };

export function guestRules(rule: (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void): void {
  rule("the agent of a VM that does not exist is NotFound", async ({ provider: { guest }, newVm }) => {
    if (guest === undefined) return;
    await rejects(guest.ping(newVm()), "NotFound");
    await rejects(guest.run(newVm(), command), "NotFound");
  });

  rule("a VM that is off, or has no agent, runs no command", async (subject) => {
    const { guest, compute } = subject.provider;
    if (guest === undefined) return;
    const vm = subject.newVm();
    await build(subject, vm);
    await rejects(guest.ping(vm), "Conflict");
    await rejects(guest.run(vm, command), "Conflict");
    await compute.start(vm);
    await rejects(guest.ping(vm), "Conflict");
    await rejects(guest.run(vm, command), "Conflict");
    await dismantle(subject.provider, vm);
  });
}
