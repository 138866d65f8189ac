// What can be done to a VM besides powering it on and off: paused, saved to disk, rebooted, reset.

import type { CallOptions, VmIdentity } from "./provider.ts";

/** Each is NotFound without a domain, Conflict when that is foreign or in a state that does not allow it. */
export interface RunStateRole {
  /** Halts the CPUs of a running VM; its memory stays. Success when already paused. */
  pause(vm: VmIdentity, options?: CallOptions): Promise<void>;
  /** Lets a paused VM go on; success when already running. */
  resume(vm: VmIdentity, options?: CallOptions): Promise<void>;
  /** Saves the memory of a running or paused VM to disk and powers it off. Waits for that; success when it is off with its memory saved. */
  suspend(vm: VmIdentity, options?: CallOptions): Promise<void>;
  /** Throws saved memory away, so that the next start boots. Success when there is none. */
  discardMemory(vm: VmIdentity, options?: CallOptions): Promise<void>;
  /** Asks the guest to reboot (agent where connected, else ACPI) and returns at once. */
  requestReboot(vm: VmIdentity, options?: CallOptions): Promise<void>;
  /** Presses the reset button of a running or paused VM. */
  reset(vm: VmIdentity, options?: CallOptions): Promise<void>;
}
